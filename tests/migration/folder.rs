//! Folders of migrations for tests.

use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};

use spakky::Error;
use spakky::migrations::{Migrator, SchemaDiff, WriteOptions};
use tempfile::TempDir;

use crate::support::Database;

/// A folder that is gone with the test.
pub(crate) struct Folder {
    home: TempDir,
}

impl Folder {
    pub(crate) fn new() -> Self {
        Folder { home: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.home.path()
    }

    /// Adds a file to a migration.
    pub(crate) fn file(&self, migration: &str, file: &str, text: &str) -> &Self {
        let folder = self.path().join(migration);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(file), text).unwrap();
        self
    }

    pub(crate) fn migrator(&self) -> Migrator {
        Migrator::from_dir(self.path()).unwrap()
    }

    /// The names of what is in it, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// The error with what the database said.
pub(crate) fn whole(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text.push_str(&format!(" < {inner}"));
        cause = inner.source();
    }
    text
}

/// Writes the diff and runs it; answers the migrator, which can take it back.
pub(crate) async fn migrate(database: &Database, diff: &SchemaDiff) -> (Folder, Migrator) {
    let folder = Folder::new();
    // Each with a version of its own, also within a second.
    static SECONDS: AtomicI64 = AtomicI64::new(0);
    let at = chrono::DateTime::from_timestamp(SECONDS.fetch_add(1, Ordering::Relaxed), 0).unwrap();
    diff.write(folder.path(), "change", WriteOptions::new().allow_destructive().at(at)).unwrap();
    let migrator = folder.migrator();
    let done = migrator.up(&database.sessions).await;
    done.unwrap_or_else(|error| panic!("{}\n{}", whole(&error), diff.up_sql()));
    (folder, migrator)
}
