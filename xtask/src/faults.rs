//! `cargo xtask faults`: what tests try at random, of other seeds and for longer; and whether those tests would notice.
//!
//! `cargo xtask test` runs a few cases of one seed. Each area of the library has its parts here, which are tests that read
//! their seed and their number of cases from the environment.

mod mutant;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

use crate::services::{Release, Running};
use crate::{Result, program, workspace};

/// What is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum Area {
    /// Lines that break, processes that are killed, histories beside a model
    UnitOfWork,
}

/// Tests of one program that try something at random.
#[derive(Debug, Clone, Copy)]
struct Part {
    /// The test program of the facade.
    program: &'static str,
    /// The module of its tests; all of them, if empty.
    module: &'static str,
}

/// Random histories, compared with a model.
const MODEL: Part = Part { program: "main", module: "model::" };
/// Lines that break and processes that are killed.
const OUTSIDE: Part = Part { program: "faults", module: "" };
/// Lines that break at every byte of every shape of unit.
const BYTES: Part = Part { program: "faults", module: "bytes::" };

impl Area {
    const ALL: [Area; 1] = [Area::UnitOfWork];

    fn parts(self) -> &'static [Part] {
        match self {
            Area::UnitOfWork => &[MODEL, OUTSIDE],
        }
    }
}

/// How much is tried.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Only this area of the library
    #[arg(long)]
    only: Option<Area>,
    /// The sequence of random choices; without it, one that nobody knows before
    #[arg(long)]
    seed: Option<u64>,
    /// How many cases each test tries with a seed
    #[arg(long)]
    cases: Option<u64>,
    /// Go on with the next seeds until so many seconds have passed
    #[arg(long, value_name = "SECONDS")]
    time: Option<u64>,
    /// Break the line at every byte of every shape of unit, in each way, once, and do nothing else (an hour and more)
    #[arg(long, conflicts_with_all = ["only", "cases", "time"])]
    bytes: bool,
    /// Break the library on purpose in each way that it has, and fail unless the tests notice
    #[arg(long, conflicts_with_all = ["only", "seed", "cases", "time", "bytes"])]
    mutants: bool,
}

/// Tries what it is told to, until something fails.
///
/// # Errors
/// When a test fails: the seed that it failed with has been shown.
pub(crate) fn run(options: &Options) -> Result<()> {
    if options.mutants {
        return mutant::run();
    }
    let areas = options.only.map_or(Area::ALL.to_vec(), |area| vec![area]);
    let parts = match options.bytes {
        true => vec![BYTES],
        false => areas.into_iter().flat_map(Area::parts).copied().collect(),
    };
    let built = Programs::build(&parts, None)?;
    let services = Running::up(Release::Installed)?;
    let end = Instant::now() + Duration::from_secs(options.time.unwrap_or_default());
    let mut seed = options.seed.unwrap_or_else(unknown);
    loop {
        eprintln!("seed {seed}");
        for part in &parts {
            let mut command = built.command(*part, &services, seed)?;
            command.arg("--nocapture");
            if options.bytes {
                command.env("SPAKKY_FAULTS_WHOLE", "1");
            }
            if let Some(cases) = options.cases {
                command.env("SPAKKY_FAULTS_CASES", cases.to_string());
            }
            program::loud(&mut command)
                .map_err(|error| format!("seed {seed}: {error}; give `--seed {seed}` to see it again"))?;
        }
        if Instant::now() >= end {
            return services.down();
        }
        seed = seed.wrapping_add(1);
    }
}

/// A seed of the moment, short enough to be typed.
fn unknown() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::from(since.subsec_nanos()) / 100 + since.as_secs() % 100 * 10_000_000
}

/// Test programs that were built.
struct Programs {
    built: Vec<(&'static str, PathBuf)>,
}

impl Programs {
    /// Builds the programs of these parts, by way of a wrapper of the compiler if there is one.
    fn build(parts: &[Part], wrapper: Option<&Path>) -> Result<Self> {
        // Picked out of the whole workspace, so that the crates below have the features that other commands build.
        let mut cargo = workspace::cargo(["test", "--workspace", "--all-features", "--no-run"]);
        cargo.arg("--message-format=json-render-diagnostics").stderr(Stdio::inherit());
        for part in parts {
            cargo.args(["--test", part.program]);
        }
        if let Some(wrapper) = wrapper {
            cargo.env("RUSTC_WORKSPACE_WRAPPER", wrapper);
        }
        let said = program::quiet(&mut cargo)?;
        let mut built = Vec::new();
        for part in parts {
            let file = executable(&said, part.program);
            built.push((part.program, file.ok_or_else(|| format!("cargo built no test program `{}`", part.program))?));
        }
        Ok(Programs { built })
    }

    /// The tests of one part, with this seed.
    fn command(&self, part: Part, services: &Running, seed: u64) -> Result<Command> {
        let found = self.built.iter().find(|(name, _)| *name == part.program);
        let (_, file) = found.ok_or_else(|| format!("the test program `{}` was not built", part.program))?;
        let mut command = Command::new(file);
        command.current_dir(workspace::root()).args(Some(part.module).filter(|module| !module.is_empty()));
        command.envs(services.environment()).env("SPAKKY_FAULTS_SEED", seed.to_string());
        Ok(command)
    }
}

/// The program of a test of the facade, as cargo's messages name it.
fn executable(messages: &str, name: &str) -> Option<PathBuf> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut files = messages.filter_map(|message| {
        let (target, file) = (message.get("target")?, message.get("executable")?.as_str()?);
        let is_test = target.get("kind")?.as_array()?.iter().any(|kind| kind == "test");
        (is_test && target.get("name")?.as_str()? == name).then(|| PathBuf::from(OsStr::new(file)))
    });
    files.next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_program_is_found_in_what_cargo_says() {
        let said = "{\"reason\":\"compiler-artifact\",\"target\":{\"kind\":[\"bin\"],\"name\":\"main\"},\"executable\":\"/x\"}\n\
                    not json\n\
                    {\"reason\":\"compiler-artifact\",\"target\":{\"kind\":[\"test\"],\"name\":\"main\"},\"executable\":\"/main-1\"}\n\
                    {\"reason\":\"build-finished\",\"success\":true}\n";
        assert_eq!(executable(said, "main"), Some(PathBuf::from("/main-1")));
        assert_eq!(executable(said, "faults"), None);
    }
}
