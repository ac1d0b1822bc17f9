//! One connection of any backend.

use std::time::Duration;

use futures_util::future::BoxFuture;

use super::{Burst, Pending, RowSource, Statement};

/// One connection of any backend. All methods take `&self`: a connection is a handle on something that works on its
/// own (the socket's task, the thread of an SQLite connection), and bursts queue up there in the order they were sent.
#[derive(Debug)]
pub(crate) enum Connection {
    #[cfg(feature = "postgres")]
    Postgres(super::postgres::PostgresConnection),
    #[cfg(feature = "sqlite")]
    Sqlite(super::sqlite::SqliteConnection),
    #[cfg(feature = "testing")]
    Memory(super::memory::MemoryConnection),
}

macro_rules! each {
    ($self:expr, $connection:ident => $body:expr) => {
        match $self {
            #[cfg(feature = "postgres")]
            Connection::Postgres($connection) => $body,
            #[cfg(feature = "sqlite")]
            Connection::Sqlite($connection) => $body,
            #[cfg(feature = "testing")]
            Connection::Memory($connection) => $body,
            #[cfg(not(any(feature = "postgres", feature = "sqlite", feature = "testing")))]
            _ => unreachable!("no backend is compiled in, so no connection exists"),
        }
    };
}

impl Connection {
    /// Sends the burst before it returns; the future only waits for the answers.
    pub(crate) fn send(&self, burst: Burst) -> Pending {
        each!(self, connection => connection.send(burst))
    }

    /// Sends a query whose rows are read one by one. The next burst waits until the stream ends or is dropped.
    pub(crate) fn stream(&self, statement: Statement) -> RowSource {
        each!(self, connection => connection.stream(statement))
    }

    /// Asks the database to give up what it is running, and waits until the request was delivered. The answer of the
    /// burst then fails, unless it was finished first. Never stops a COMMIT on SQLite.
    pub(crate) fn cancel(&self) -> BoxFuture<'_, ()> {
        each!(self, connection => Box::pin(connection.cancel()))
    }

    /// Has what was sent and given up come to its end, by cancelling it, and waits for that: a request alone may come
    /// before the statement has begun, and hit nothing.
    pub(crate) fn stop(&self) -> BoxFuture<'_, ()> {
        each!(self, connection => Box::pin(connection.stop()))
    }

    /// Whether the connection can be used: open, and no protocol failure was seen.
    pub(crate) fn is_usable(&self) -> bool {
        each!(self, connection => connection.is_usable())
    }

    /// Ends whatever is left over (a running statement, an open transaction) within `deadline`.
    /// Answers whether the connection is clean; one that is not must be closed.
    pub(crate) fn reset(&self, deadline: Duration) -> BoxFuture<'_, bool> {
        each!(self, connection => Box::pin(connection.reset(deadline)))
    }

    /// Closes it at once, whatever is under way, so that its transaction is undone.
    pub(crate) fn close(&self) {
        match self {
            #[cfg(feature = "postgres")]
            Connection::Postgres(connection) => connection.close(),
            // Never lent beyond a call, so that nobody has to take it back.
            #[cfg(feature = "sqlite")]
            Connection::Sqlite(_) => {}
            #[cfg(feature = "testing")]
            Connection::Memory(_) => {}
            #[cfg(not(any(feature = "postgres", feature = "sqlite", feature = "testing")))]
            _ => unreachable!("no backend is compiled in, so no connection exists"),
        }
    }

    /// Reads again which types the database has, where it can have types of its own.
    pub(crate) async fn refresh_types(&self) {
        match self {
            #[cfg(feature = "postgres")]
            Connection::Postgres(connection) => connection.refresh_types().await,
            #[cfg(feature = "sqlite")]
            Connection::Sqlite(_) => {}
            #[cfg(feature = "testing")]
            Connection::Memory(_) => {}
            #[cfg(not(any(feature = "postgres", feature = "sqlite", feature = "testing")))]
            _ => unreachable!("no backend is compiled in, so no connection exists"),
        }
    }

    /// Whether the server answers, within `deadline`.
    pub(crate) fn ping(&self, deadline: Duration) -> BoxFuture<'_, bool> {
        each!(self, connection => Box::pin(connection.ping(deadline)))
    }
}
