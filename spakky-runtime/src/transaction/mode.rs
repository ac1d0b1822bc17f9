//! How one database transaction is opened.

use std::fmt;

/// The isolation level of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Isolation {
    /// Each statement sees what was committed before it.
    ReadCommitted,
    /// Every statement sees the same snapshot.
    RepeatableRead,
    /// As if transactions ran one after the other; one that cannot fails and may be run again.
    Serializable,
}

/// How one database transaction is opened; travels with BEGIN.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct TransactionMode {
    /// The level; the server's default when `None`.
    pub isolation: Option<Isolation>,
    /// Writes are refused by the database.
    pub read_only: bool,
    /// A serializable read-only transaction waits for a snapshot that cannot fail (PostgreSQL).
    pub deferrable: bool,
    /// Settings for this transaction only, as name and value (`SET LOCAL`, PostgreSQL).
    pub settings: Vec<(String, String)>,
}

/// Of the settings the names alone: the values come from the context of a request.
impl fmt::Debug for TransactionMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TransactionMode { isolation, read_only, deferrable, settings } = self;
        f.debug_struct("TransactionMode")
            .field("isolation", isolation)
            .field("read_only", read_only)
            .field("deferrable", deferrable)
            .field("settings", &settings.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .finish()
    }
}
