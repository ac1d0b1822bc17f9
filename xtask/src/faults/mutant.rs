//! `cargo xtask faults --mutants`: the library is broken on purpose, in one place at a time, and the tests must notice.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use super::{MODEL, Part, Programs};
use crate::services::{Release, Running};
use crate::{Result, workspace};

/// What the tests try: with each of these the library passes, and each mutant must fail.
const SEEDS: [u64; 3] = [2, 3, 4];
/// How many histories of each kind of rows are run on each backend.
const CASES: &str = "100";
/// How long a mutant may go unnoticed.
const LIMIT: Duration = Duration::from_secs(60);
/// How long the library may take to pass.
const PATIENCE: Duration = Duration::from_secs(600);
/// Where the mutants are listed.
const SOURCE: &str = include_str!("../../../spakky-runtime/src/mutant.rs");

/// How a run of the tests ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    Passed,
    Failed,
    /// Neither within its time.
    Late,
}

/// Runs the tests of the library as it is, and then of each mutant.
///
/// # Errors
/// When the library does not pass, or a mutant goes unnoticed; the error names all of them.
pub(super) fn run() -> Result<()> {
    let wrapper = workspace::root().join("xtask").join("rustc-with-mutants");
    let built = Programs::build(&[MODEL], Some(&wrapper))?;
    let services = Running::up(Release::Installed)?;
    let mut wrong = Vec::new();
    for seed in SEEDS {
        let started = Instant::now();
        let passed = watch(&built, MODEL, &services, seed, "", PATIENCE)? == Seen::Passed;
        eprintln!(
            "{:>6.1} s  seed {seed}: the library {}",
            started.elapsed().as_secs_f64(),
            if passed { "passes" } else { "FAILS" }
        );
        if !passed {
            wrong.push(format!("the library with seed {seed}"));
        }
    }
    for mutant in mutants(SOURCE) {
        for seed in SEEDS {
            let started = Instant::now();
            let noticed = watch(&built, MODEL, &services, seed, mutant, LIMIT)? == Seen::Failed;
            let said = if noticed { "noticed" } else { "NOT NOTICED" };
            eprintln!("{:>6.1} s  seed {seed}: `{mutant}` {said}", started.elapsed().as_secs_f64());
            if !noticed {
                wrong.push(format!("`{mutant}` with seed {seed}"));
            }
        }
    }
    services.down()?;
    if wrong.is_empty() { Ok(()) } else { Err(format!("the tests were wrong about {}", wrong.join(", ")).into()) }
}

/// Runs the tests of a part until one fails, all have passed or the time is up.
fn watch(built: &Programs, part: Part, services: &Running, seed: u64, mutant: &str, limit: Duration) -> Result<Seen> {
    let end = Instant::now() + limit;
    let mut command = built.command(part, services, seed)?;
    command.env("SPAKKY_MUTANT", mutant).env("RUST_BACKTRACE", "0");
    command.env("SPAKKY_FAULTS_CASES", CASES).env("SPAKKY_FAULTS_ON", "memory,sqlite").env("SPAKKY_FAULTS_SHRINK", "0");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = Killed(command.spawn()?);
    let output = child.0.stdout.take().ok_or("the tests have no output")?;
    let (sender, lines) = channel();
    std::thread::spawn(move || read(output, |line| sender.send(line).is_ok()));
    loop {
        match lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(line) if line.ends_with("FAILED") => return Ok(Seen::Failed),
            Ok(_) => {}
            Err(RecvTimeoutError::Timeout) => return Ok(Seen::Late),
            // Its output ended, and so it does.
            Err(RecvTimeoutError::Disconnected) => {
                return Ok(if child.0.wait()?.success() { Seen::Passed } else { Seen::Failed });
            }
        }
    }
}

fn read(output: impl Read, mut take: impl FnMut(String) -> bool) {
    for line in BufReader::new(output).lines().map_while(std::result::Result::ok) {
        if !take(line) {
            return;
        }
    }
}

/// A process that does not outlive this.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The names of the mutants, from the source that lists them.
fn mutants(source: &str) -> Vec<&str> {
    source.lines().filter_map(|line| line.split_once("=> \"")?.1.split('"').next()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_mutants_and_each_has_a_name_of_its_own() {
        let mut names = mutants(SOURCE);
        assert!(names.len() >= 8, "{names:?}");
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
