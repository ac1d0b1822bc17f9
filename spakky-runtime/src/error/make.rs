//! The library's messages, one constructor each.

use super::{DatabaseError, Error, ErrorKind};
use crate::schema::TableDescriptor;
use crate::value::ValueError;

impl Error {
    pub(crate) fn unstorable_value(table: &TableDescriptor, position: usize, error: ValueError) -> Self {
        let column = table.columns.get(position).map_or("?", |column| column.name.as_str());
        Error::new(ErrorKind::Mapping, format!("store column `{column}` of `{}`: {error}", table.name))
            .with_table(table.name)
            .with_columns(vec![column.to_owned()])
            .with_given(true)
    }

    pub(crate) fn unreadable_value(table: &TableDescriptor, position: usize, error: ValueError) -> Self {
        let column = table.columns.get(position).map_or("?", |column| column.name.as_str());
        Error::new(ErrorKind::Mapping, format!("read column `{column}` of `{}`: {error}", table.name))
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
            ErrorKind::Mapping => format!("store a value{on}: {}", error.message),
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
