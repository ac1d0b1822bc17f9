//! The library's error: opaque, classified by the database's own codes, safe to show to a client.
//!
//! [`Error`] answers questions ([`Error::is_conflict`], [`Error::is_retryable`]) and carries what a caller can act
//! on: table, constraint, ids. Its `Display` holds no SQL, no values and no password; what the driver said is in
//! [`source`](std::error::Error::source).

mod database;
mod kind;
mod make;

pub use database::DatabaseError;
pub use kind::ErrorKind;

use std::borrow::Cow;
use std::fmt;
use std::panic::Location;

use crate::quote::printable;

/// What went wrong, with what is needed to act on it.
pub struct Error {
    inner: Box<Inner>,
}

struct Inner {
    kind: ErrorKind,
    message: String,
    table: Option<String>,
    constraint: Option<String>,
    columns: Vec<String>,
    ids: Vec<String>,
    expected_version: Option<i64>,
    /// Each place once.
    origins: Vec<&'static Location<'static>>,
    ahead_of_query: bool,
    retryable: bool,
    /// A value is at fault that the caller gave.
    given: bool,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let message = message.into();
        let message = match printable(&message) {
            Cow::Owned(printable) => printable,
            Cow::Borrowed(_) => message,
        };
        Error {
            inner: Box::new(Inner {
                kind,
                message,
                table: None,
                constraint: None,
                columns: Vec::new(),
                ids: Vec::new(),
                expected_version: None,
                origins: Vec::new(),
                ahead_of_query: false,
                retryable: kind.is_retryable(),
                given: false,
                source: None,
            }),
        }
    }

    pub(crate) fn with_table(mut self, table: impl Into<String>) -> Self {
        self.inner.table = Some(table.into());
        self
    }

    pub(crate) fn with_constraint(mut self, constraint: Option<String>) -> Self {
        self.inner.constraint = constraint;
        self
    }

    pub(crate) fn with_columns(mut self, columns: Vec<String>) -> Self {
        self.inner.columns = columns;
        self
    }

    pub(crate) fn with_ids(mut self, ids: Vec<String>) -> Self {
        self.inner.ids = ids;
        self
    }

    pub(crate) fn with_expected_version(mut self, version: Option<i64>) -> Self {
        self.inner.expected_version = version;
        self
    }

    /// Where the writes were queued of which one failed.
    pub(crate) fn with_origins(mut self, origins: impl IntoIterator<Item = &'static Location<'static>>) -> Self {
        for origin in origins {
            if !self.inner.origins.contains(&origin) {
                self.inner.origins.push(origin);
            }
        }
        self
    }

    /// A query sent the failed write ahead of itself.
    pub(crate) fn with_ahead_of_query(mut self, ahead: bool) -> Self {
        self.inner.ahead_of_query = ahead;
        self
    }

    pub(crate) fn with_retryable(mut self, retryable: bool) -> Self {
        self.inner.retryable = retryable;
        self
    }

    /// The value that cannot be stored is one that the caller gave.
    pub(crate) fn with_given(mut self, given: bool) -> Self {
        self.inner.given = given;
        self
    }

    /// Whether a value is at fault that the caller gave.
    pub(crate) fn is_given(&self) -> bool {
        self.inner.given
    }

    pub(crate) fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.inner.source = Some(source.into());
        self
    }

    /// An error of the program's own, for a hook or a body that returns this library's: its text says no more than that it
    /// is one, and `source` is found in [`source`](std::error::Error::source), whole.
    ///
    /// ```
    /// use std::error::Error as _;
    ///
    /// let error = spakky_runtime::Error::custom(std::io::Error::other("the printer is on fire"));
    /// assert!(error.is_custom());
    /// assert!(error.source().is_some_and(|source| source.is::<std::io::Error>()));
    /// ```
    pub fn custom(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Error::new(ErrorKind::Custom, "do what the program itself adds").with_source(source)
    }

    /// An error of the program's own with this text, which is what its `Display` shows.
    ///
    /// ```
    /// let error = spakky_runtime::Error::other("ship the order: it has no address");
    /// assert!(error.is_custom());
    /// assert_eq!(error.to_string(), "ship the order: it has no address");
    /// ```
    pub fn other(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::Custom, message)
    }

    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// What went wrong, as `Display` writes it, but without the places in the program: for clients.
    pub fn message(&self) -> &str {
        &self.inner.message
    }

    /// The table concerned, as the database names it.
    pub fn table(&self) -> Option<&str> {
        self.inner.table.as_deref()
    }

    /// The violated constraint's name. On SQLite it is worked out from the columns, by the library's naming rule.
    pub fn constraint(&self) -> Option<&str> {
        self.inner.constraint.as_deref()
    }

    /// The columns concerned, where the database names them.
    pub fn columns(&self) -> &[String] {
        &self.inner.columns
    }

    /// The ids of the rows concerned, written out (`7`, or `(7, "a")` for a composite key).
    pub fn ids(&self) -> &[String] {
        &self.inner.ids
    }

    /// The version that a conflicting write expected to find.
    pub fn expected_version(&self) -> Option<i64> {
        self.inner.expected_version
    }

    /// Where the failed write was queued, for an error that came up later, in a flush or at commit. Of several that
    /// travelled in one statement it is the first; the message names all places.
    pub fn origin(&self) -> Option<&'static Location<'static>> {
        self.inner.origins.first().copied()
    }

    /// Whether running the whole unit of work again may succeed: a serialization failure, a deadlock, a lock timeout,
    /// a busy database, a connection lost before COMMIT was sent. A version conflict is not among them: run it again
    /// only where the change is computed from what is loaded (`retry(on = conflict)`).
    pub fn is_retryable(&self) -> bool {
        self.inner.retryable
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.inner.message)?;
        if !self.inner.origins.is_empty() {
            let places: Vec<_> =
                self.inner.origins.iter().map(|origin| format!("{}:{}", origin.file(), origin.line())).collect();
            let one_of = if places.len() > 1 { "one of " } else { "" };
            let sent = if self.inner.ahead_of_query { ", sent ahead of a query" } else { "" };
            write!(f, " (queued at {one_of}{}{sent})", places.join(", "))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Error");
        debug.field("kind", &self.inner.kind).field("message", &self.to_string());
        if let Some(source) = &self.inner.source {
            debug.field("source", source);
        }
        debug.finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.inner.source.as_deref().map(|source| source as &(dyn std::error::Error + 'static))
    }
}
