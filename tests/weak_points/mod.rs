//! What systems of this kind get wrong, point by point, and the test that shows each to be right here.
//!
//! Each module is about one system and begins with a table of its weak points. The last column names the tests, by their
//! path in this binary, in another crate of the workspace, or as a file of `ui-tests`; a point that belongs to a part
//! that is still to come says `later, with` that part. The tables are checked: a test that is renamed or removed is
//! missed here.

use std::path::{Path, PathBuf};

mod archipy;
mod commit_order;
mod event_sourcery;
mod loom;
mod qx_db;
mod spakky_sqlalchemy;
mod union;
mod unit_of_work;

const SYSTEMS: [(&str, &str); 8] = [
    ("archipy", include_str!("archipy.rs")),
    ("commit_order", include_str!("commit_order.rs")),
    ("event_sourcery", include_str!("event_sourcery.rs")),
    ("loom", include_str!("loom.rs")),
    ("qx_db", include_str!("qx_db.rs")),
    ("spakky_sqlalchemy", include_str!("spakky_sqlalchemy.rs")),
    ("union", include_str!("union.rs")),
    ("unit_of_work", include_str!("unit_of_work.rs")),
];

/// The parts that are still to come.
const TO_COME: [&str; 3] = ["later, with the outbox", "later, with the event store", "later, with the agents"];

/// The rows of a module's table: the point and its last column.
fn points(source: &str) -> Vec<(&str, &str)> {
    let rows = source.lines().filter_map(|line| line.strip_prefix("//! | ")?.strip_suffix(" |"));
    let cells = rows.map(|row| (row.split(" | ").next().unwrap(), row.rsplit(" | ").next().unwrap()));
    cells.skip(1).collect()
}

/// The names between backticks.
fn names(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// Whether the sources have a test of this path.
fn exists(path: &str) -> bool {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    if Path::new(path).extension().is_some_and(|extension| extension == "rs") {
        return root.join(path).is_file();
    }
    let (folder, path) = match path.strip_prefix("spakky_runtime::") {
        Some(path) => (root.join("spakky-runtime/src"), path),
        None => (root.join("tests"), path),
    };
    let Some((module, name)) = path.rsplit_once("::") else { return false };
    let file = folder.join(module.replace("::", "/"));
    let files: [PathBuf; 2] = [file.with_extension("rs"), file.join("mod.rs")];
    let source: String = files.iter().filter_map(|file| std::fs::read_to_string(file).ok()).collect();
    // Some are made by a macro that is given their names.
    source.split(|letter: char| !letter.is_alphanumeric() && letter != '_').any(|word| word == name)
}

#[test]
fn every_point_is_shown_by_tests_that_exist() {
    for (system, source) in SYSTEMS {
        let points = points(source);
        assert!(!points.is_empty(), "{system}");
        for (point, cell) in points {
            for name in names(cell) {
                assert!(exists(name), "{system}, point {point}: there is no test `{name}`");
            }
            let is_said = names(cell).next().is_some()
                || TO_COME.iter().any(|later| cell.ends_with(later))
                || cell.starts_with("none here: ");
            assert!(is_said, "{system}, point {point}: {cell}");
        }
    }
}

#[test]
fn no_point_is_left_out() {
    for (system, source) in SYSTEMS {
        let numbers: Vec<&str> = points(source).into_iter().map(|(point, _)| point).collect();
        let expected: Vec<String> = match system {
            "union" => ('A'..='N').map(String::from).collect(),
            _ => (1..=numbers.iter().filter(|point| point.parse::<u8>().is_ok()).count())
                .map(|n| n.to_string())
                .collect(),
        };
        let counted: Vec<&str> = numbers.into_iter().filter(|point| !point.ends_with('b')).collect();
        assert_eq!(counted, expected, "{system}");
    }
}

#[test]
fn every_test_of_these_modules_is_in_its_table() {
    for (system, source) in SYSTEMS {
        let tests = source.lines().filter_map(|line| line.strip_prefix("async fn ")?.split_once("(db: Database)"));
        for (test, _) in tests {
            let path = format!("`weak_points::{system}::{test}`");
            assert!(source.contains(&path), "{path} is in no row");
        }
    }
}
