//! Writes that fail when they do not hit the rows they are meant for.
//!
//! A versioned UPDATE that finds no row is no error to SQL, so a COMMIT sent behind it would commit the rest. On
//! PostgreSQL each guarded write therefore counts its rows inside its own statement and raises an error when some are
//! missing; the error carries the positions of those rows in the batch. On SQLite the connection compares the count.

#[cfg(feature = "postgres")]
use std::collections::BTreeSet;
#[cfg(feature = "postgres")]
use std::sync::{Mutex, PoisonError};

use super::{SqlWriter, quote_identifier};
use crate::backend::Backend;
use crate::schema::raise;

/// What the raised message starts with, before the positions of the missing rows.
pub(crate) const CONFLICT_TOKEN: &str = "spakky:conflict:";

/// How a guarded statement raises on PostgreSQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RaiseStyle {
    /// By our function `spakky_raise` in this schema, with an SQLSTATE of its own.
    #[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "PostgreSQL alone has such functions"))]
    Function(&'static str),
    /// By casting the message to a number, where no function may be installed, or it is not ours.
    Cast,
}

#[cfg(feature = "postgres")]
impl RaiseStyle {
    /// By the function of this schema. Each name that is met is kept for good: there are as many as schemas with the function.
    pub(crate) fn in_schema(schema: &str) -> Self {
        static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
        let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
        RaiseStyle::Function(names.get(schema).copied().unwrap_or_else(|| {
            let name: &'static str = Box::leak(schema.to_owned().into_boxed_str());
            names.insert(name);
            name
        }))
    }
}

/// Ends a statement whose write is the common table expression `spakky_w`, one row per row written: `SELECT CASE … END`. `all`
/// is the number of rows wanted, `missing` the positions of those not written, both as SQL.
pub(super) fn push_guard(sql: &mut SqlWriter, raise: RaiseStyle, all: &str, missing: &str) {
    debug_assert_eq!(sql.backend(), Backend::Postgres);
    // The count inside the message keeps the planner from evaluating the failing branch in advance.
    let message = format!("'{CONFLICT_TOKEN}' || {missing} || left((SELECT count(*) FROM spakky_w)::text, 0)");
    sql.push_sql(" SELECT CASE WHEN (SELECT count(*) FROM spakky_w) = ").push_sql(all);
    sql.push_sql(" THEN pg_current_xact_id()::text ELSE ");
    sql.push_sql(&raised(raise, &message)).push_sql(" END");
}

/// An expression that fails with this message, an SQL expression itself, where it is evaluated.
pub(super) fn raised(raise: RaiseStyle, message: &str) -> String {
    match raise {
        // With its schema, so that no search path leads to another, or to none.
        RaiseStyle::Function(schema) => {
            let mut sql = String::with_capacity(message.len() + 64);
            quote_identifier(&mut sql, schema);
            sql.push_str(&format!(".{}({message})", raise::FUNCTION));
            sql
        }
        RaiseStyle::Cast => format!("({message})::int::text"),
    }
}

/// The transaction's id as the answer of a write that guards nothing.
pub(super) fn push_xid(sql: &mut SqlWriter) {
    sql.push_sql(" SELECT pg_current_xact_id()::text");
}
