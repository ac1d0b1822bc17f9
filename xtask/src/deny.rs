//! `cargo xtask deny`: the licences, sources and known flaws of all dependencies, by cargo-deny.
//!
//! The RustSec database is fetched where it can be. Elsewhere the copy in `deny/advisories.toml` takes its place, as a
//! repository of the same form.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use toml::{Table, Value};

use crate::{Result, program, workspace};

/// The release that is installed where there is none.
const RELEASE: &str = "0.20.2";
/// Where cargo-deny fetches advisories from.
const DATABASE: &str = "https://github.com/RustSec/advisory-db";
/// The day that every advisory of the copy is dated with: the copy does not say when they were written.
const DATE: &str = "2026-11-01";

/// Checks all dependencies.
///
/// # Errors
/// When one of them is refused, or cargo-deny can neither be found nor installed.
pub(crate) fn run() -> Result<()> {
    let program = installed()?;
    let home = workspace::target().join("deny");
    fs::create_dir_all(&home).map_err(|error| format!("create `{}`: {error}", home.display()))?;
    if program::quiet(deny(&program).args(["fetch", "db"])).is_ok() {
        return program::loud(deny(&program).arg("check"));
    }
    eprintln!(
        "the advisory database cannot be fetched: the copy in `deny/advisories.toml` is used, which is kept by hand"
    );
    let copy = repository(&home)?;
    let config = home.join("deny.toml");
    fs::write(&config, beside(&read("deny.toml")?, &home)?)?;
    let mut check = deny(&program);
    check.arg("--config").arg(&config).arg("check");
    // It takes no address of a file; git is told to look there for the address that it knows.
    check.env("GIT_CONFIG_COUNT", "1");
    check
        .env("GIT_CONFIG_KEY_0", format!("url.file://{}.insteadOf", copy.display()))
        .env("GIT_CONFIG_VALUE_0", DATABASE);
    program::loud(&mut check)
}

/// cargo-deny at the root of the workspace.
fn deny(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(workspace::root());
    command
}

/// The program, which is installed into the target folder where the search path has none.
fn installed() -> Result<PathBuf> {
    if let Some(program) = program::find("cargo-deny") {
        return Ok(program);
    }
    let tools = workspace::target().join("tools");
    let program = tools.join("bin").join("cargo-deny");
    if !program::is_program(&program) {
        eprintln!("installing cargo-deny {RELEASE}, which takes some minutes");
        let mut install = workspace::cargo(["install", "cargo-deny", "--version", RELEASE, "--locked", "--quiet"]);
        program::loud(install.arg("--root").arg(&tools))?;
    }
    Ok(program)
}

fn read(file: &str) -> Result<Table> {
    let path = workspace::root().join(file);
    let text = fs::read_to_string(&path).map_err(|error| format!("read `{}`: {error}", path.display()))?;
    Ok(text.parse().map_err(|error| format!("read `{}`: {error}", path.display()))?)
}

/// The settings, with a place of its own for what is taken for the database.
fn beside(settings: &Table, home: &Path) -> Result<String> {
    let mut settings = settings.clone();
    let advisories = settings.get_mut("advisories").and_then(Value::as_table_mut);
    let advisories = advisories.ok_or("`deny.toml` has no `[advisories]`")?;
    advisories.insert("db-path".to_owned(), Value::String(home.join("fetched").display().to_string()));
    Ok(toml::to_string(&settings)?)
}

/// Writes the copy as a repository like that of the database.
fn repository(home: &Path) -> Result<PathBuf> {
    let copy = home.join("advisories");
    for folder in [&copy, &home.join("fetched")] {
        let _ = fs::remove_dir_all(folder);
    }
    let stored = read("deny/advisories.toml")?;
    for advisory in stored.get("advisory").and_then(Value::as_array).into_iter().flatten() {
        let text = |key: &str| advisory.get(key).and_then(Value::as_str);
        let (Some(id), Some(package)) = (text("id"), text("package")) else {
            return Err("an advisory of `deny/advisories.toml` has no `id` or no `package`".into());
        };
        let folder = copy.join("crates").join(package);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(format!("{id}.md")), page(advisory, id, package)?)?;
    }
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        git.arg("-C").arg(&copy).args(["-c", "user.name=spakky", "-c", "user.email=spakky@localhost"]);
        program::quiet(git.args(arguments))
    };
    git(&["init", "--quiet", "--initial-branch=main"])?;
    git(&["add", "--all"])?;
    git(&["commit", "--quiet", "--message", "Advisories"])?;
    Ok(copy)
}

/// An advisory as the database has it.
fn page(advisory: &Value, id: &str, package: &str) -> Result<String> {
    let list = |key: &str| advisory.get(key).cloned().unwrap_or_else(|| Value::Array(Vec::new()));
    let mut front = Table::new();
    for (key, value) in [("id", id), ("package", package), ("date", DATE)] {
        front.insert(key.to_owned(), Value::String(value.to_owned()));
    }
    let mut versions = Table::new();
    for key in ["patched", "unaffected"] {
        versions.insert(key.to_owned(), list(key));
    }
    let mut page = Table::new();
    page.insert("advisory".to_owned(), Value::Table(front));
    page.insert("versions".to_owned(), Value::Table(versions));
    Ok(format!("```toml\n{}```\n\n# {id}\n\nSee the RustSec database.\n", toml::to_string(&page)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_advisory_is_written_as_the_database_has_it() {
        let advisory: Table = "id = \"A-1\"\npackage = \"x\"\npatched = [\">= 1.2.3\"]\n".parse().unwrap();
        let written = page(&Value::Table(advisory), "A-1", "x").unwrap();
        assert_eq!(
            written,
            "```toml\n[advisory]\ndate = \"2026-11-01\"\nid = \"A-1\"\npackage = \"x\"\n\n[versions]\npatched = [\">= 1.2.3\"]\n\
             unaffected = []\n```\n\n# A-1\n\nSee the RustSec database.\n"
        );
    }

    #[test]
    fn the_copy_is_kept_apart_from_the_database() {
        let settings = beside(&read("deny.toml").unwrap(), Path::new("/h")).unwrap();
        let settings: Table = settings.parse().unwrap();
        let advisories = &settings["advisories"];
        assert_eq!(advisories["db-path"].as_str(), Some("/h/fetched"));
        assert_eq!(settings["licenses"], Value::Table(read("deny.toml").unwrap())["licenses"]);
    }
}
