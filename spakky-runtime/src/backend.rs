//! The databases: one module each, behind one connection type.
//!
//! A connection takes a [`Burst`]: statements that travel together. It is *sent* by a synchronous call, so that
//! what was sent is known exactly when a future is dropped, and *answered* by a future that borrows nothing.

pub(crate) mod burst;
mod connection;
#[cfg(feature = "testing")]
pub(crate) mod memory;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;

pub(crate) use burst::{Answer, Bind, Burst, BurstFailure, BurstResult, Draw, Pending, RowSource, Statement, Step};
pub(crate) use connection::{Connection, Stopping, stopped};

use crate::value::{Value, ValueError};

/// The code of a failure whose message the in-memory database has written for the user.
pub(crate) const IN_MEMORY: &str = "in memory";

/// Which database a manager talks to. One in memory counts as the kind whose ways it follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Backend {
    /// PostgreSQL.
    Postgres,
    /// SQLite, embedded.
    Sqlite,
}

impl Backend {
    /// Gives a value the form in which the backend holds it: zero has no sign on SQLite.
    pub(crate) fn settle(self, value: &mut Value) {
        match (self, value) {
            (Backend::Sqlite, Value::F64(number)) if *number == 0.0 => *number = 0.0,
            (Backend::Sqlite, Value::F32(number)) if *number == 0.0 => *number = 0.0,
            (Backend::Sqlite, Value::Array(items)) => items.iter_mut().for_each(|item| self.settle(item)),
            _ => {}
        }
    }

    /// Refuses a value that the backend cannot hold.
    pub(crate) fn check(self, value: &Value) -> Result<(), ValueError> {
        match self {
            Backend::Postgres => match value {
                Value::Native(value) => value.check(self),
                Value::Array(items) => items.iter().try_for_each(|item| self.check(item)),
                _ => Ok(()),
            },
            #[cfg(feature = "sqlite")]
            Backend::Sqlite => sqlite::check(value),
            #[cfg(not(feature = "sqlite"))]
            Backend::Sqlite => Ok(()),
        }
    }
}

impl std::fmt::Display for Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Backend::Postgres => "PostgreSQL",
            Backend::Sqlite => "SQLite",
        })
    }
}
