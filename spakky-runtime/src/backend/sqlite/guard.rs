//! What a user's own text may do on a connection, and what it leaves there.
//!
//! SQLite itself tells, when it prepares a statement: no comment and no quote hides anything, and what a closure runs on diesel's
//! connection is told like the rest.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

/// What SQLite is about to prepare.
#[derive(Debug, Clone, Copy)]
pub(super) enum Action<'a> {
    Select,
    /// `BEGIN`, `COMMIT`, `ROLLBACK`.
    Transaction,
    /// `SAVEPOINT` as `BEGIN`, `ROLLBACK TO` as `ROLLBACK`, `RELEASE`.
    Savepoint {
        word: &'a str,
        name: &'a str,
    },
    SetPragma(&'a str),
    Attach,
    CreateTemporary,
}

/// What a user's own text left on a connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) pragma: bool,
    pub(super) attached: bool,
    pub(super) temporary: bool,
}

const PRAGMA: u8 = 1;
const ATTACHED: u8 = 2;
const TEMPORARY: u8 = 4;

/// PRAGMAs with an argument that leave the connection as it was: they ask, tidy up, or write into the file.
const HARMLESS: [&str; 23] = [
    "application_id",
    "collation_list",
    "compile_options",
    "data_version",
    "database_list",
    "defer_foreign_keys",
    "foreign_key_check",
    "foreign_key_list",
    "freelist_count",
    "function_list",
    "incremental_vacuum",
    "index_info",
    "index_list",
    "index_xinfo",
    "integrity_check",
    "optimize",
    "page_count",
    "quick_check",
    "table_info",
    "table_list",
    "table_xinfo",
    "user_version",
    "wal_checkpoint",
];

/// Watches over a connection while a user's own text runs on it. SQLite may ask from any thread, since a closure may hand
/// diesel's connection on.
#[derive(Debug, Default)]
pub(super) struct Guard {
    watching: AtomicBool,
    /// There is no transaction of ours that could be ended.
    free: AtomicBool,
    refused: AtomicBool,
    left: AtomicU8,
    asked: AtomicBool,
}

impl Guard {
    /// Whether SQLite may do it.
    pub(super) fn allows(&self, action: Action<'_>) -> bool {
        if let Action::Select = action {
            self.asked.store(true, Ordering::SeqCst);
        }
        if !self.watching.load(Ordering::SeqCst) {
            return true;
        }
        let left = match action {
            Action::Select => return true,
            Action::Transaction if self.free.load(Ordering::SeqCst) => return true,
            Action::Transaction => return self.refuse(),
            // One of ours that is released is missed where it is needed; one that is gone back to would not be.
            Action::Savepoint { word: "RELEASE", .. } => return true,
            Action::Savepoint { name, .. } if is_ours(name) => return self.refuse(),
            Action::Savepoint { .. } => return true,
            Action::SetPragma(name) if HARMLESS.iter().any(|harmless| name.eq_ignore_ascii_case(harmless)) => {
                return true;
            }
            Action::SetPragma(_) => PRAGMA,
            Action::Attach => ATTACHED,
            Action::CreateTemporary => TEMPORARY,
        };
        self.left.fetch_or(left, Ordering::SeqCst);
        true
    }

    fn refuse(&self) -> bool {
        self.refused.store(true, Ordering::SeqCst);
        false
    }

    /// Watches while a user's own text runs, until the answer is dropped. What is `free` may have a transaction of its own.
    pub(super) fn watch(&self, free: bool) -> Watching<'_> {
        self.free.store(free, Ordering::SeqCst);
        self.refused.store(false, Ordering::SeqCst);
        self.watching.store(true, Ordering::SeqCst);
        Watching(self)
    }

    /// Whether something was refused since the last watch began.
    pub(super) fn has_refused(&self) -> bool {
        self.refused.load(Ordering::SeqCst)
    }

    pub(super) fn left(&self) -> Left {
        let left = self.left.load(Ordering::SeqCst);
        let is = |flag: u8| left & flag != 0;
        Left { pragma: is(PRAGMA), attached: is(ATTACHED), temporary: is(TEMPORARY) }
    }

    /// Nothing is left any more.
    pub(super) fn restored(&self) {
        self.left.store(0, Ordering::SeqCst);
    }

    pub(super) fn expect_question(&self) {
        self.asked.store(false, Ordering::SeqCst);
    }

    pub(super) fn was_asked(&self) -> bool {
        self.asked.load(Ordering::SeqCst)
    }
}

/// Ends the watch when it is dropped, also by a panic.
pub(super) struct Watching<'a>(&'a Guard);

impl Drop for Watching<'_> {
    fn drop(&mut self) {
        self.0.watching.store(false, Ordering::SeqCst);
    }
}

fn is_ours(savepoint: &str) -> bool {
    savepoint.get(..7).is_some_and(|prefix| prefix.eq_ignore_ascii_case("spakky_"))
}
