//! Installing what is missing, where that needs no question: as root, on a system with `apt-get`.

use std::process::Command;

use super::account;
use crate::{Result, program};

/// Whether packages can be installed without asking anybody.
pub(super) fn possible() -> Result<bool> {
    Ok(account::current_user()? == 0 && program::find("apt-get").is_some())
}

/// Installs a package of the system.
///
/// # Errors
/// When `apt-get` fails; what it said has been shown.
pub(super) fn package(name: &str) -> Result<()> {
    eprintln!("installing `{name}` with apt-get");
    apt(&["update"])?;
    apt(&["install", "-y", "--no-install-recommends", name])
}

fn apt(arguments: &[&str]) -> Result<()> {
    let mut command = Command::new("apt-get");
    // Standard output stays free for what a shell evaluates.
    command.args(["-o", "Acquire::Retries=5"]).args(arguments);
    command.env("DEBIAN_FRONTEND", "noninteractive").stdout(std::io::stderr());
    program::loud(&mut command)
}
