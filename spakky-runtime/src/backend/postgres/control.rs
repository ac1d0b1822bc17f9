//! Statements that begin, settle and undo: BEGIN with its options, the settings of a transaction, what makes a connection as it was
//! when it was opened. Settings travel behind BEGIN as values of a statement of their own: what a request's context sets is not to
//! be in a log of statements.

use super::error::config_error;
use crate::error::DatabaseError;
use crate::transaction::{Isolation, TransactionMode};

/// `BEGIN` with its options.
pub(super) fn begin(mode: &TransactionMode) -> String {
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
    sql
}

/// The type `text`.
pub(super) const TEXT: u32 = 25;

/// The settings of one transaction.
pub(super) struct Settings {
    pub(super) sql: String,
    pub(super) values: Vec<String>,
}

impl Settings {
    /// Those of the transaction, if it has any.
    ///
    /// # Errors
    /// For a NUL character, which no text of PostgreSQL has.
    pub(super) fn of(mode: &TransactionMode) -> Result<Option<Self>, DatabaseError> {
        if mode.settings.is_empty() {
            return Ok(None);
        }
        let mut settings = Settings { sql: "SELECT".to_owned(), values: Vec::with_capacity(2 * mode.settings.len()) };
        for (position, (name, value)) in mode.settings.iter().enumerate() {
            if name.contains('\0') || value.contains('\0') {
                return Err(config_error("use a setting with a NUL character in its name or value"));
            }
            let comma = if position > 0 { "," } else { "" };
            let (first, second) = (2 * position + 1, 2 * position + 2);
            settings.sql.push_str(&format!("{comma} pg_catalog.set_config(${first}, ${second}, true)"));
            settings.values.extend([name.clone(), value.clone()]);
        }
        Ok(Some(settings))
    }
}

/// What undoes all that a user's own text may have left on a connection, a statement each: cursors, role and settings,
/// notifications, locks, temporary tables, what sequences last gave. Settings that a pooler keeps for its client are given again,
/// since the connection behind it was opened by the pooler with others.
pub(super) fn restore(application_name: Option<&str>) -> Result<Vec<String>, DatabaseError> {
    let mut texts = Vec::with_capacity(10);
    texts.extend([
        "CLOSE ALL",
        "RESET SESSION AUTHORIZATION",
        "RESET ROLE",
        "RESET ALL",
        "SET client_encoding = 'UTF8'",
    ]);
    let name = application_name.map(|name| Ok(format!("SET application_name = {}", literal(name)?))).transpose()?;
    texts.extend(name.as_deref());
    texts.extend(["UNLISTEN *", "SELECT pg_catalog.pg_advisory_unlock_all()", "DISCARD TEMP", "DISCARD SEQUENCES"]);
    Ok(texts.into_iter().map(str::to_owned).collect())
}

/// A string literal that is read the same whatever `standard_conforming_strings` is.
fn literal(text: &str) -> Result<String, DatabaseError> {
    if text.contains('\0') {
        return Err(config_error("use an application name with a NUL character"));
    }
    let quoted = text.replace('\'', "''");
    Ok(if text.contains('\\') { format!("E'{}'", quoted.replace('\\', "\\\\")) } else { format!("'{quoted}'") })
}
