//! What a database answered, in terms of no particular driver.

use std::fmt;

use super::ErrorKind;

/// A failure as the database or its driver reported it. Found as the `source` of an [`Error`](super::Error).
#[derive(Debug)]
pub struct DatabaseError {
    pub(crate) kind: ErrorKind,
    /// SQLSTATE on PostgreSQL, the extended result code on SQLite; empty if the database did not answer.
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) table: Option<String>,
    pub(crate) constraint: Option<String>,
    pub(crate) columns: Vec<String>,
    pub(crate) retryable: bool,
    pub(crate) source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl DatabaseError {
    pub(crate) fn new(kind: ErrorKind, code: impl Into<String>, message: impl Into<String>) -> Self {
        DatabaseError {
            kind,
            code: code.into(),
            message: message.into(),
            table: None,
            constraint: None,
            columns: Vec::new(),
            retryable: kind.is_retryable(),
            source: None,
        }
    }

    /// SQLSTATE on PostgreSQL, the extended result code on SQLite; empty if the database did not answer.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The database's own words.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for DatabaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if !self.code.is_empty() {
            write!(f, " ({})", self.code)?;
        }
        Ok(())
    }
}

impl std::error::Error for DatabaseError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn std::error::Error + 'static))
    }
}
