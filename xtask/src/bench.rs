//! `cargo xtask bench`: Spakky against peers, in workspaces of their own, so that peers weigh on nobody else.

mod baseline;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use crate::services::{Release, Running};
use crate::{Result, program, workspace};

/// What the bench of compile time measures when it is told nothing else.
const COMPILED: [&str; 15] = [
    "--tables",
    "50",
    "--tables",
    "200",
    "--work",
    "check",
    "--work",
    "incremental",
    "--work",
    "release",
    "plain",
    "spakky",
    "diesel",
    "sea-orm",
    "toasty",
];

/// Builds the bench and runs it on the PostgreSQL server of the services. It gets the arguments as they are, unless one of
/// them is `--compile`: then compile time is measured, of what the others say. With `--baseline` it is built a second time,
/// with the library of that commit.
///
/// # Errors
/// When it cannot be built, or fails.
pub(crate) fn run(arguments: &[OsString]) -> Result<()> {
    if arguments.iter().any(|argument| argument == "--compile") {
        return compile(arguments);
    }
    match revision(arguments) {
        Some(revision) => compare(&revision, arguments),
        None => measure(arguments),
    }
}

/// The commit that `--baseline` names.
fn revision(arguments: &[OsString]) -> Option<String> {
    let mut arguments = arguments.iter().map(|argument| argument.to_string_lossy());
    loop {
        let argument = arguments.next()?;
        match argument.strip_prefix("--baseline") {
            Some("") => return arguments.next().map(Into::into),
            Some(rest) if rest.starts_with('=') => return Some(rest[1..].to_owned()),
            _ => {}
        }
    }
}

fn compare(revision: &str, arguments: &[OsString]) -> Result<()> {
    let programs = baseline::build(revision)?;
    let services = Running::up(Release::Installed)?;
    let mut bench = Command::new(&programs.present);
    bench.args(arguments).arg("--baseline-program").arg(&programs.baseline).current_dir(workspace::root());
    program::loud(bench.envs(services.environment()))?;
    services.down()
}

fn measure(arguments: &[OsString]) -> Result<()> {
    let peers = |command: &'static str| {
        let mut cargo = workspace::cargo([command, "--release", "--locked", "--package", "peers"]);
        cargo.arg("--manifest-path").arg(benches().join("Cargo.toml"));
        cargo
    };
    program::loud(&mut peers("build"))?;
    let services = Running::up(Release::Installed)?;
    program::loud(peers("run").arg("--quiet").arg("--").args(arguments).envs(services.environment()))?;
    services.down()
}

fn compile(arguments: &[OsString]) -> Result<()> {
    let ours = |argument: &OsString| argument == "--compile" || argument == "--write-docs";
    let others = arguments.iter().filter(|argument| !ours(argument)).collect::<Vec<_>>();
    let mut command = workspace::cargo(["run", "--quiet", "--manifest-path"]);
    command.arg(benches().join("compile").join("Cargo.toml")).arg("--");
    if others.is_empty() {
        command.args(COMPILED)
    } else {
        command.args(others)
    };
    if arguments.iter().any(|argument| argument == "--write-docs") {
        command.arg("--write").arg(workspace::root().join("docs").join("PERFORMANCE.md"));
    }
    program::loud(&mut command)
}

/// Seen from the root, where cargo runs.
fn benches() -> PathBuf {
    PathBuf::from("benches")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commit_is_read_in_both_spellings() {
        let given = |words: &[&str]| revision(&words.iter().map(OsString::from).collect::<Vec<_>>());
        assert_eq!(given(&["--instructions", "--baseline", "abc", "--max", "1.03"]).as_deref(), Some("abc"));
        assert_eq!(given(&["--baseline=HEAD~1"]).as_deref(), Some("HEAD~1"));
        assert_eq!(given(&["--baseline"]), None);
        assert_eq!(given(&["--instructions"]), None);
    }
}
