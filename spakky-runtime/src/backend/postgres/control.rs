//! Statements of the simple protocol, which need no values: BEGIN with its options, COMMIT, ROLLBACK. The settings of a
//! transaction travel behind its BEGIN as values of a statement of their own: the driver logs texts, and what a request's
//! context sets is not to be in a log.

use std::error::Error as StdError;
use std::fmt;

use bytes::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

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
    let first = sql.trim_start().split_ascii_whitespace().next().unwrap_or_default();
    !sql.contains(';') && ["SAVEPOINT", "RELEASE", "SET"].iter().any(|known| first.eq_ignore_ascii_case(known))
}
