//! The examples, run as a user runs them.
//!
//! Every file in `examples/` runs once without arguments. The quickstart also shows that it works a second time on the
//! same database, and that PostgreSQL and SQLite give the same printed result. The HTTP service, which runs until it is
//! stopped, is asked for something on both.

mod scratch;
mod served;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use scratch::{ScratchDatabase, ScratchFolder};

use crate::{Result, program, workspace};

/// Lines of the quickstart that begin with one of these differ between databases by nature.
const DIFFERENT_BY_NATURE: [&str; 4] = ["database", "took", "statements", "round trips"];

/// The names of the examples, in order.
pub(crate) fn all() -> Result<BTreeSet<String>> {
    let folder = workspace::root().join("examples");
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(&folder).map_err(|error| format!("read `{}`: {error}", folder.display()))? {
        let path = entry?.path();
        let is_example = path.extension().is_some_and(|extension| extension == "rs") || path.join("main.rs").exists();
        if let (true, Some(name)) = (is_example, path.file_stem().and_then(|name| name.to_str())) {
            names.insert(name.to_owned());
        }
    }
    Ok(names)
}

/// Runs one example; `postgres` is a server where databases can be made.
///
/// # Errors
/// When it fails, or prints different results where they must be the same.
pub(crate) fn run(name: &str, postgres: &str) -> Result<()> {
    if name == "http" {
        served::check(&mut example(name), &ScratchFolder::create()?.sqlite_url())?;
        return served::check(&mut example(name), ScratchDatabase::create(postgres)?.url());
    }
    program::loud(&mut example(name))?;
    if name != "quickstart" {
        return Ok(());
    }
    let folder = ScratchFolder::create()?;
    let sqlite = folder.sqlite_url();
    let on_sqlite = printed(&mut example(name), &sqlite)?;
    printed(&mut example(name), &sqlite)?;

    let database = ScratchDatabase::create(postgres)?;
    let on_postgres = printed(&mut example(name), database.url())?;
    printed(&mut example(name), database.url())?;
    compare(&on_sqlite, &on_postgres)
}

fn example(name: &str) -> Command {
    workspace::cargo(["run", "--quiet", "--package", "spakky", "--example", name])
}

/// What an example prints on this database; also shown to the user.
fn printed(command: &mut Command, url: &str) -> Result<String> {
    let text = program::quiet(command.args(["--", "--url", url]))?;
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(text)
}

fn compare(sqlite: &str, postgres: &str) -> Result<()> {
    let (one, other) = (comparable(sqlite), comparable(postgres));
    if one.is_empty() {
        return Err("it printed no result on SQLite".into());
    }
    if one == other {
        return Ok(());
    }
    let at = one.iter().zip(&other).take_while(|(one, other)| one == other).count();
    let line = |lines: &[String]| lines.get(at).cloned().unwrap_or_else(|| "(nothing more)".to_owned());
    Err(format!("it prints `{}` on SQLite and `{}` on PostgreSQL", line(&one), line(&other)).into())
}

/// The lines that must be the same everywhere, with their spaces evened out.
fn comparable(text: &str) -> Vec<String> {
    text.lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|line| !line.is_empty())
        .filter(|line| !DIFFERENT_BY_NATURE.iter().any(|start| line.to_lowercase().starts_with(start)))
        .collect()
}

/// A path as text, for a URL or a command line.
fn text_of(path: &Path) -> Result<&str> {
    path.to_str().ok_or_else(|| format!("`{}` is not UTF-8", path.display()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_that_differ_by_nature_compare_equal() {
        let sqlite = "database    sqlite://x\n\nplaced  1,700\nStatements   12\nround trips  12\ntook 2.1 s\n";
        let postgres = "database    postgres://x\nplaced     1,700\nStatements   9\nround trips  4\ntook 3 s\n";
        assert!(compare(sqlite, postgres).is_ok());
    }

    #[test]
    fn the_first_line_that_differs_is_shown() {
        let error = compare("placed 3\npaid 2\n", "placed 3\npaid 1\n").unwrap_err().to_string();
        assert_eq!(error, "it prints `paid 2` on SQLite and `paid 1` on PostgreSQL");
        let error = compare("placed 3\npaid 2\n", "placed 3\n").unwrap_err().to_string();
        assert_eq!(error, "it prints `paid 2` on SQLite and `(nothing more)` on PostgreSQL");
    }

    #[test]
    fn an_example_that_prints_nothing_is_not_equal() {
        assert!(compare("took 1 s", "took 1 s").is_err());
    }
}
