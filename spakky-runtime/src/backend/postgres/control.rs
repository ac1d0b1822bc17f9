//! Statements of the simple protocol, which need no values: BEGIN with its options, COMMIT, ROLLBACK. The settings of a
//! transaction travel behind its BEGIN as values of a statement of their own: the driver logs texts, and what a request's
//! context sets is not to be in a log.

use std::error::Error as StdError;
use std::fmt;

use bytes::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use super::error::config_error;
use crate::backend::Backend;
use crate::error::DatabaseError;
use crate::sql::statement::{Parsed, statements};
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

/// The settings of one transaction.
pub(super) struct Settings {
    pub(super) sql: String,
    pub(super) values: Vec<(Hidden, Type)>,
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
            settings.values.extend([name, value].map(|text| (Hidden(text.clone()), Type::TEXT)));
        }
        Ok(Some(settings))
    }
}

/// What undoes all that a user's own text may have left on a connection: cursors, role and settings, notifications, locks,
/// temporary tables, what sequences last gave. Settings that a pooler keeps for its client are given again, since the
/// connection behind it was opened by the pooler with others.
pub(super) fn restore(application_name: Option<&str>) -> Result<String, DatabaseError> {
    let name = match application_name {
        Some(name) => format!("SET application_name = {}; ", literal(name)?),
        None => String::new(),
    };
    Ok(format!(
        "CLOSE ALL; RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL; SET client_encoding = 'UTF8'; {name}UNLISTEN *; SELECT \
         pg_catalog.pg_advisory_unlock_all(); DISCARD TEMP; DISCARD SEQUENCES"
    ))
}

/// A string literal that is read the same whatever `standard_conforming_strings` is.
fn literal(text: &str) -> Result<String, DatabaseError> {
    if text.contains('\0') {
        return Err(config_error("use an application name with a NUL character"));
    }
    let quoted = text.replace('\'', "''");
    Ok(if text.contains('\\') { format!("E'{}'", quoted.replace('\\', "\\\\")) } else { format!("'{quoted}'") })
}

/// A text that is sent and not shown.
pub(super) struct Hidden(String);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text")
    }
}

impl ToSql for Hidden {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        self.0.to_sql(ty, out)
    }

    fn accepts(ty: &Type) -> bool {
        <String as ToSql>::accepts(ty)
    }

    to_sql_checked!();
}

/// Whether a control statement leaves every table and type as it was.
pub(super) fn keeps_schema(sql: &str) -> bool {
    let known = |statement: &Parsed<'_>| {
        statement.tokens.first().is_some_and(|first| first.is_any_word(&["SAVEPOINT", "RELEASE", "SET"]))
    };
    statements(sql, Backend::Postgres.into()).iter().all(known)
}
