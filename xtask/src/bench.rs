//! `cargo xtask bench`: Spakky against peers, in workspaces of their own, so that peers weigh on nobody else.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::services::Running;
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
/// them is `--compile`: then compile time is measured, of what the others say.
///
/// # Errors
/// When it cannot be built, or fails.
pub(crate) fn run(arguments: &[OsString]) -> Result<()> {
    if arguments.iter().any(|argument| argument == "--compile") { compile(arguments) } else { measure(arguments) }
}

fn measure(arguments: &[OsString]) -> Result<()> {
    let peers = |command: &'static str| {
        let mut cargo = workspace::cargo([command, "--release", "--locked", "--package", "peers"]);
        cargo.arg("--manifest-path").arg(benches().join("Cargo.toml"));
        cargo
    };
    program::loud(&mut peers("build"))?;
    let services = Running::up()?;
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
