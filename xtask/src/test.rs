//! `cargo xtask test`: everything that must pass, in order, stopping at the first failure.
//!
//! Steps share one target folder. A set of features is compiled as a whole only where tests run; elsewhere it is
//! checked, which is several times faster.

use std::process::Command;

use crate::services::{Release, Running};
use crate::step::{Shares, Steps};
use crate::{Result, example, program, ui, workspace};

/// How much to run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Everything.
    Full,
    /// Everything but the documentation and the lints of each feature alone.
    Fast,
}

/// What must not be compiled for a program that turns on no backend.
const BACKEND_CRATES: [&str; 5] = ["diesel", "diesel-async", "libsqlite3-sys", "postgres-protocol", "rustls"];

/// Runs everything that must pass.
///
/// # Errors
/// When a step fails; the error names it.
pub(crate) fn run(extent: Extent, releases: &[Release], patience: f64) -> Result<()> {
    let releases = releases.iter().filter(|release| **release != Release::Installed).collect::<Vec<_>>();
    let mut steps = Steps::new(Shares::of_document(patience, releases.len())?);

    steps.run("lints", "format", || program::loud(&mut workspace::cargo(["fmt", "--all", "--check"])))?;
    steps.run("lints", "lints: all features, all targets", || {
        program::loud(&mut deny_warnings(workspace::cargo([
            "clippy",
            "--workspace",
            "--all-targets",
            "--all-features",
        ])))
    })?;
    steps.run("lints", "lints: no features", || lint_alone(None))?;
    if extent == Extent::Full {
        for feature in workspace::features()? {
            steps.run("lints", &format!("lints: `{feature}` alone"), || lint_alone(Some(&feature)))?;
        }
    }
    steps.run("lints", "no backend without its feature", no_backend_by_default)?;

    let services = steps.run("services", "services: up", || Running::up(Release::Installed))?;
    steps.run("tests", "tests", || {
        on(&services, without_ui(workspace::cargo(["test", "--workspace", "--all-features", "--tests"])))
    })?;
    for release in releases {
        steps.run("tests on another release", &format!("tests: {release}"), || on_release(*release))?;
    }
    steps.run("examples in the documentation", "examples in the documentation", || {
        on(&services, without_ui(workspace::cargo(["test", "--workspace", "--all-features", "--doc"])))
    })?;
    if extent == Extent::Full {
        steps.run("documentation", "documentation", || {
            let mut command = workspace::cargo(["doc", "--workspace", "--all-features", "--no-deps"]);
            program::loud(command.env("RUSTDOCFLAGS", "-D warnings"))
        })?;
    }
    steps.run("compiler messages", "compiler messages", || ui::run(ui::Mode::Compare))?;
    for name in example::all()? {
        steps.run("examples", &format!("example `{name}`"), || example::run(&name, services.postgres()?))?;
    }
    steps.run("services", "services: down", || services.down())?;

    eprint!("{steps}");
    eprintln!("everything passed");
    Ok(())
}

/// Runs a command that talks to the services.
fn on(services: &Running, mut command: Command) -> Result<()> {
    program::loud(command.envs(services.environment()))
}

/// Runs the tests that talk to a server on another release of PostgreSQL. They were compiled for the installed one.
fn on_release(release: Release) -> Result<()> {
    let services = Running::up(release)?;
    let tests = ["test", "--workspace", "--all-features", "--lib", "--test", "main", "--test", "test_database"];
    on(&services, without_ui(workspace::cargo(tests)))?;
    services.down()
}

/// Leaves out the tests of compiler messages, which are a step of their own.
fn without_ui(mut command: Command) -> Command {
    command.args(ui::PACKAGES.iter().flat_map(|package| ["--exclude", package]));
    command
}

/// Lints the facade, and with it the crates below it, as a program would use it.
fn lint_alone(feature: Option<&str>) -> Result<()> {
    let mut command = workspace::cargo(["clippy", "--package", "spakky", "--lib", "--no-default-features"]);
    if let Some(feature) = feature {
        command.args(["--features", feature]);
    }
    program::loud(&mut deny_warnings(command))
}

fn deny_warnings(mut clippy: Command) -> Command {
    clippy.args(["--", "-D", "warnings"]);
    clippy
}

/// A domain crate derives from the facade without compiling a database driver.
fn no_backend_by_default() -> Result<()> {
    let mut command = workspace::cargo(["tree", "--package", "spakky", "--edges", "normal,build", "--prefix", "none"]);
    let tree = program::quiet(command.args(["--format", "{p}"]))?;
    let names = tree.lines().filter_map(|line| line.split_whitespace().next()).collect::<Vec<_>>();
    if !names.contains(&"spakky-runtime") {
        return Err(format!("the crates below the facade cannot be told from:\n{tree}").into());
    }
    match BACKEND_CRATES.iter().find(|name| names.contains(name)) {
        Some(name) => Err(format!("`{name}` is compiled with no feature turned on; make it part of a backend").into()),
        None => Ok(()),
    }
}
