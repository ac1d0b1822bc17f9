//! `cargo xtask ui`: the tests of compiler messages.

use std::fs;

use crate::{Result, program, workspace};

/// What to do with a message that differs from the expected one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Fail.
    Compare,
    /// Take it as the expected one from now on.
    Bless,
}

/// Runs the tests of compiler messages.
///
/// # Errors
/// When one fails.
pub(crate) fn run(mode: Mode) -> Result<()> {
    let targets = targets()?;
    let mut command = if targets.is_empty() {
        let mut command = workspace::cargo(["test"]);
        command.args(PACKAGES.iter().flat_map(|package| ["--package", package]));
        command
    } else {
        // Picked out of the whole workspace, since the package alone has fewer features in the crates below it: they
        // would all be compiled a second time.
        let mut command = workspace::cargo(["test", "--workspace", "--all-features"]);
        command.args(targets.iter().flat_map(|target| ["--test", target]));
        command
    };
    match mode {
        Mode::Compare => command.env_remove("TRYBUILD"),
        Mode::Bless => command.env("TRYBUILD", "overwrite"),
    };
    program::loud(&mut command)
}

/// The packages of these tests: without a backend, and with one.
pub(crate) const PACKAGES: [&str; 2] = ["ui-tests", "ui-tests-bridge"];

/// The names of the packages' tests.
fn targets() -> Result<Vec<String>> {
    let root = workspace::root().join("ui-tests");
    let mut names = Vec::new();
    for folder in [root.join("tests"), root.join("bridge").join("tests")] {
        if !folder.exists() {
            continue;
        }
        for entry in fs::read_dir(&folder).map_err(|error| format!("read `{}`: {error}", folder.display()))? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "rs") {
                names.extend(path.file_stem().and_then(|name| name.to_str()).map(str::to_owned));
            }
        }
    }
    names.sort();
    Ok(names)
}
