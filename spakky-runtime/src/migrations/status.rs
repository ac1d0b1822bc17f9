//! Which migrations have run.

/// One migration, and whether the database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationStatus {
    name: String,
    state: MigrationState,
}

/// Whether a migration has run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MigrationState {
    /// It has run.
    Applied,
    /// It has run, and its `up.sql` was changed afterwards.
    Changed,
    /// It has not run.
    Pending,
    /// It has run, and the program does not have it: it is of another program or a newer version of this one.
    Unknown,
}

impl MigrationStatus {
    pub(super) fn new(name: &str, state: MigrationState) -> Self {
        MigrationStatus { name: name.to_owned(), state }
    }

    /// The folder's name; the version of a migration that is unknown.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it has run.
    pub fn state(&self) -> MigrationState {
        self.state
    }
}
