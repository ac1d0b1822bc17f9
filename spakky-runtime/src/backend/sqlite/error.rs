//! SQLite's extended result codes as kinds of failure.
//!
//! The kind comes from the code alone, but for what is not in the database. Names of tables, columns and constraints exist in the message only; they are
//! taken from there as details.

use libsqlite3_sys as ffi;

use super::raw::Failure;
use crate::error::{DatabaseError, ErrorKind};
use crate::value::ValueError;

/// The kind of an extended result code.
pub(super) fn kind(code: i32) -> ErrorKind {
    match code {
        ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_ROWID => {
            ErrorKind::UniqueViolation
        }
        ffi::SQLITE_CONSTRAINT_FOREIGNKEY => ErrorKind::ForeignKeyViolation,
        ffi::SQLITE_CONSTRAINT_NOTNULL => ErrorKind::NotNullViolation,
        ffi::SQLITE_CONSTRAINT_CHECK => ErrorKind::CheckViolation,
        // A value of another type in a STRICT table.
        ffi::SQLITE_CONSTRAINT_DATATYPE => ErrorKind::Mapping,
        ffi::SQLITE_IOERR_NOMEM => ErrorKind::ResourceExhausted,
        // The low byte is the primary code.
        _ => match code & 0xff {
            ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED | ffi::SQLITE_PROTOCOL => ErrorKind::LockTimeout,
            ffi::SQLITE_INTERRUPT => ErrorKind::Timeout,
            ffi::SQLITE_FULL | ffi::SQLITE_NOMEM | ffi::SQLITE_TOOBIG | ffi::SQLITE_NOLFS => {
                ErrorKind::ResourceExhausted
            }
            ffi::SQLITE_READONLY => ErrorKind::ReadOnly,
            ffi::SQLITE_CANTOPEN | ffi::SQLITE_IOERR => ErrorKind::Connection,
            ffi::SQLITE_SCHEMA => ErrorKind::Schema,
            ffi::SQLITE_MISMATCH => ErrorKind::Mapping,
            _ => ErrorKind::Database,
        },
    }
}

/// Whether a connection to a file that answered this code had better be closed.
pub(super) fn breaks_connection(code: i32) -> bool {
    code != ffi::SQLITE_IOERR_NOMEM
        && matches!(code & 0xff, ffi::SQLITE_IOERR | ffi::SQLITE_CORRUPT | ffi::SQLITE_NOTADB)
}

/// Whether waiting, for a lock or for a result, was given up: what it is when the job was told to stop.
pub(super) fn is_given_up(code: i32) -> bool {
    matches!(code & 0xff, ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED | ffi::SQLITE_INTERRUPT)
}

/// A failure with all that its message tells.
pub(super) fn classify(failure: Failure) -> DatabaseError {
    let Failure { code, message } = failure;
    let mut error = DatabaseError::new(kind(code), code.to_string(), message);
    match error.kind {
        ErrorKind::Database if code == ffi::SQLITE_ERROR && names_what_is_not_there(&error.message) => {
            error.kind = ErrorKind::Schema;
            error.table = error.message.strip_prefix("no such table: ").map(str::to_owned);
        }
        ErrorKind::UniqueViolation | ErrorKind::NotNullViolation => {
            let (table, columns) = failed_columns(&error.message);
            error.table = table;
            error.columns = columns;
            error.constraint = failed_index(&error.message);
        }
        ErrorKind::CheckViolation => error.constraint = failed_detail(&error.message).map(str::to_owned),
        _ => {}
    }
    error
}

/// Whether a statement could not be prepared for want of a table or column. SQLite has one code for this and for a syntax
/// error, so that this alone is told by the message; nothing of a statement can stand where these words do.
fn names_what_is_not_there(message: &str) -> bool {
    message.starts_with("no such table: ")
        || message.starts_with("no such column: ")
        || (message.starts_with("table ") && message.contains(" has no column named "))
}

/// A value that SQLite cannot hold.
pub(super) fn unstorable(error: &ValueError) -> DatabaseError {
    DatabaseError::new(ErrorKind::Mapping, "", error.to_string())
}

/// The running job was told to stop.
pub(super) fn cancelled() -> DatabaseError {
    DatabaseError::new(ErrorKind::Timeout, ffi::SQLITE_INTERRUPT.to_string(), "the statement was cancelled")
}

/// The thread is gone, and with it the connection.
pub(super) fn closed() -> DatabaseError {
    DatabaseError::new(ErrorKind::Connection, "", "the connection is closed")
}

/// What follows the colon in `UNIQUE constraint failed: orders.email, orders.tenant`.
fn failed_detail(message: &str) -> Option<&str> {
    message.split_once(" constraint failed: ").map(|(_, detail)| detail)
}

/// An index over expressions is named itself: `UNIQUE constraint failed: index 'uq_users_email'`.
fn failed_index(message: &str) -> Option<String> {
    failed_detail(message)?.strip_prefix("index '")?.strip_suffix('\'').map(str::to_owned)
}

fn failed_columns(message: &str) -> (Option<String>, Vec<String>) {
    let mut table = None;
    let mut columns = Vec::new();
    for name in failed_detail(message).into_iter().flat_map(|detail| detail.split(", ")) {
        if let Some((owner, column)) = name.split_once('.') {
            table.get_or_insert_with(|| owner.to_owned());
            columns.push(column.to_owned());
        }
    }
    (table, columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classified(code: i32, message: &str) -> DatabaseError {
        classify(Failure { code, message: message.to_owned() })
    }

    #[test]
    fn a_unique_violation_names_table_and_columns() {
        let error = classified(ffi::SQLITE_CONSTRAINT_UNIQUE, "UNIQUE constraint failed: orders.email, orders.tenant");
        assert_eq!(error.kind, ErrorKind::UniqueViolation);
        assert_eq!(error.code(), "2067");
        assert_eq!(error.table.as_deref(), Some("orders"));
        assert_eq!(error.columns, ["email", "tenant"]);
        assert_eq!(error.constraint, None);
    }

    #[test]
    fn a_unique_index_over_an_expression_is_named() {
        let error = classified(ffi::SQLITE_CONSTRAINT_UNIQUE, "UNIQUE constraint failed: index 'uq_users_email'");
        assert_eq!(error.constraint.as_deref(), Some("uq_users_email"));
        assert_eq!((error.table, error.columns), (None, vec![]));
    }

    #[test]
    fn a_check_is_named_and_the_kind_never_comes_from_the_text() {
        let error = classified(ffi::SQLITE_CONSTRAINT_CHECK, "CHECK constraint failed: ck_orders_total");
        assert_eq!(error.constraint.as_deref(), Some("ck_orders_total"));
        let error = classified(ffi::SQLITE_ERROR, "UNIQUE constraint failed: orders.email");
        assert_eq!((error.kind, error.table), (ErrorKind::Database, None));
    }

    #[test]
    fn busy_and_locked_may_be_tried_again() {
        for code in [ffi::SQLITE_BUSY, ffi::SQLITE_BUSY_SNAPSHOT, ffi::SQLITE_LOCKED] {
            let error = classified(code, "database is locked");
            assert_eq!((error.kind, error.retryable), (ErrorKind::LockTimeout, true), "{code}");
        }
        assert!(!classified(ffi::SQLITE_FULL, "disk is full").retryable);
    }
}
