//! The library's messages, one constructor each.

use super::{DatabaseError, Error, ErrorKind};
use crate::schema::TableDescriptor;
use crate::value::ValueError;

impl Error {
    /// A value that could not be stored or read. What may show it is the source alone.
    pub(crate) fn of_value(what: impl std::fmt::Display, error: ValueError) -> Self {
        let made = Error::new(ErrorKind::Mapping, format!("{what}: {error}"));
        match error.into_detail() {
            Some(detail) => made.with_source(detail),
            None => made,
        }
    }

    pub(crate) fn unstorable_value(table: &TableDescriptor, position: usize, error: ValueError) -> Self {
        let column = table.columns.get(position).map_or("?", |column| column.name.as_str());
        Error::of_value(format!("store column `{column}` of `{}`", table.name), error)
            .with_table(table.name)
            .with_columns(vec![column.to_owned()])
            .with_given(true)
    }

    pub(crate) fn unreadable_value(table: &TableDescriptor, position: usize, error: ValueError) -> Self {
        let column = table.columns.get(position).map_or("?", |column| column.name.as_str());
        Error::of_value(format!("read column `{column}` of `{}`", table.name), error)
            .with_table(table.name)
            .with_columns(vec![column.to_owned()])
    }

    /// A failure of a write: a value that the database refuses is one that the caller gave.
    pub(crate) fn of_write(error: DatabaseError) -> Self {
        // What the driver could not read back has no code.
        let is_refused = error.kind == ErrorKind::Mapping && !error.code.is_empty();
        Error::from_database(error).with_given(is_refused)
    }

    /// A database's failure, with a message that shows neither SQL nor values.
    pub(crate) fn from_database(error: DatabaseError) -> Self {
        let table = error.table.clone();
        let on = table.as_ref().map(|table| format!(" on `{table}`")).unwrap_or_default();
        let by = error.constraint.as_ref().map(|name| format!(" `{name}`")).unwrap_or_default();
        let columns = error.columns.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let message = match error.kind {
            ErrorKind::UniqueViolation => format!("write a value{on} that is taken: unique constraint{by}"),
            ErrorKind::ForeignKeyViolation => format!("keep a reference{on} intact: foreign key{by}"),
            ErrorKind::NotNullViolation => format!("leave a required column{on} empty: {columns}"),
            ErrorKind::CheckViolation => format!("write a value{on} that a check refuses: check constraint{by}"),
            ErrorKind::SerializationFailure => {
                "run the transaction: another one changed what it read; run it again".into()
            }
            ErrorKind::Deadlock => "run the transaction: it and another one waited for each other; run it again".into(),
            ErrorKind::LockTimeout => "get a lock in time: another transaction holds it".into(),
            ErrorKind::Timeout => "finish the statement: it was cancelled or took longer than its limit".into(),
            ErrorKind::Connection => "reach the database: the connection is broken or was refused".into(),
            ErrorKind::ResourceExhausted => {
                "run the statement: the database is out of disk, memory or connections".into()
            }
            ErrorKind::ReadOnly => "write in a read-only transaction".into(),
            ErrorKind::Schema => {
                format!(
                    "run the statement{on}: a table, column or type it names is not in the database; have the migrations run?"
                )
            }
            ErrorKind::Mapping => format!("store a value{on}: {}", refused_value(&error)),
            ErrorKind::RollbackOnly => "run a statement in a transaction that has failed before".into(),
            _ if error.code == crate::backend::IN_MEMORY => error.message.clone(),
            _ if error.code.is_empty() => "run the statement: the database refused it".into(),
            _ => format!(
                "run the statement: the database refused it with code {}; its words are the error's source",
                error.code
            ),
        };
        let mut made = Error::new(error.kind, message)
            .with_constraint(error.constraint.clone())
            .with_columns(error.columns.clone())
            .with_retryable(error.retryable);
        if let Some(table) = table {
            made = made.with_table(table);
        }
        made.with_source(error)
    }
}

/// Why a value was refused. The words of a server or of another library often show it, and are left to the source.
fn refused_value(error: &DatabaseError) -> String {
    match error.code.as_str() {
        "" if error.source.is_none() => return error.message.clone(),
        "" => "it does not convert; the reason is the error's source",
        // PostgreSQL.
        "22001" => "a text is longer than its column takes",
        "22003" => "a number is out of the range of its column",
        "22007" | "22008" => "a date or time is none that the database can hold",
        "22021" | "22P05" => "a text has a character that the database cannot hold",
        "22P02" | "22P03" => "a value is none of its column's type",
        // SQLite: a value in a STRICT table, an id that is no integer.
        "3091" | "20" => "a value is of another type than its column",
        code => return format!("the database refused it with code {code}; its words are the error's source"),
    }
    .to_owned()
}
