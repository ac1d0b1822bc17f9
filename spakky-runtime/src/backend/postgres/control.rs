//! Statements of the simple protocol, which need no values: BEGIN with its settings, COMMIT, ROLLBACK.

use super::error::config_error;
use crate::error::DatabaseError;
use crate::transaction::{Isolation, TransactionMode};

/// `BEGIN` with its options, and the settings of this transaction behind it.
pub(super) fn begin(mode: &TransactionMode) -> Result<String, DatabaseError> {
    let mut sql = String::from("BEGIN");
    match mode.isolation {
        Some(Isolation::ReadCommitted) => sql.push_str(" ISOLATION LEVEL READ COMMITTED"),
        Some(Isolation::RepeatableRead) => sql.push_str(" ISOLATION LEVEL REPEATABLE READ"),
        Some(Isolation::Serializable) => sql.push_str(" ISOLATION LEVEL SERIALIZABLE"),
        None => {}
    }
    if mode.read_only {
        sql.push_str(" READ ONLY");
    }
    if mode.deferrable {
        sql.push_str(" DEFERRABLE");
    }
    for (position, (name, value)) in mode.settings.iter().enumerate() {
        sql.push_str(if position == 0 { "; SELECT " } else { ", " });
        sql.push_str(&format!("pg_catalog.set_config({}, {}, true)", literal(name)?, literal(value)?));
    }
    Ok(sql)
}

/// A string literal that is read the same whatever `standard_conforming_strings` is.
pub(super) fn literal(text: &str) -> Result<String, DatabaseError> {
    if text.contains('\0') {
        return Err(config_error("use a setting with a NUL character in its name or value"));
    }
    let quoted = text.replace('\'', "''");
    Ok(if text.contains('\\') { format!("E'{}'", quoted.replace('\\', "\\\\")) } else { format!("'{quoted}'") })
}

/// Whether a control statement leaves every table and type as it was.
pub(super) fn keeps_schema(sql: &str) -> bool {
    let first = sql.trim_start().split_ascii_whitespace().next().unwrap_or_default();
    !sql.contains(';') && ["SAVEPOINT", "RELEASE", "SET"].iter().any(|known| first.eq_ignore_ascii_case(known))
}
