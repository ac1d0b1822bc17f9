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
        workspace::cargo(["test", "--package", "ui-tests"])
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

/// The names of the package's tests.
fn targets() -> Result<Vec<String>> {
    let folder = workspace::root().join("ui-tests").join("tests");
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).map_err(|error| format!("read `{}`: {error}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            names.extend(path.file_stem().and_then(|name| name.to_str()).map(str::to_owned));
        }
    }
    names.sort();
    Ok(names)
}
