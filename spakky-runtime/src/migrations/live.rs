//! The tables that a database has.

use crate::error::{Error, ErrorKind};

#[cfg(feature = "postgres")]
pub(crate) mod postgres;
#[cfg(feature = "sqlite")]
mod spelling;
#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;
#[cfg(feature = "sqlite")]
mod sqlite_table;

/// Something else stands where a table should.
pub(crate) fn no_table(name: impl std::fmt::Display) -> Error {
    let message = format!("compare `{name}` with the database: it is a view there, or another kind of relation");
    Error::new(ErrorKind::Schema, message).with_table(name.to_string())
}
