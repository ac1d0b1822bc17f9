//! `cargo xtask bench`: Spakky against peers, in a workspace of its own, so that peers weigh on nobody else.

use std::ffi::OsString;
use std::path::Path;

use crate::services::Running;
use crate::{Result, program, workspace};

/// Builds the bench and runs it on the PostgreSQL server of the services. It gets the arguments as they are.
///
/// # Errors
/// When it cannot be built, or fails.
pub(crate) fn run(arguments: &[OsString]) -> Result<()> {
    let manifest = Path::new("benches").join("Cargo.toml");
    let peers = |command: &'static str| {
        let mut cargo = workspace::cargo([command, "--release", "--locked", "--package", "peers"]);
        cargo.arg("--manifest-path").arg(&manifest);
        cargo
    };
    program::loud(&mut peers("build"))?;
    let services = Running::up()?;
    program::loud(peers("run").arg("--quiet").arg("--").args(arguments).envs(services.environment()))?;
    services.down()
}
