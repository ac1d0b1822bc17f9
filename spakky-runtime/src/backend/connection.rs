//! One connection of any backend.

use std::time::Duration;

use futures_util::future::{BoxFuture, Either, select};
use tokio::time::Instant;

use super::{Burst, BurstResult, Pending, RowSource, Statement};

/// What goes with a read that is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stopping {
    /// Nothing else.
    #[cfg_attr(not(feature = "sqlite"), expect(dead_code, reason = "so it is on SQLite alone"))]
    Alone,
    /// What its transaction has done since its last savepoint.
    #[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "so it is on PostgreSQL alone"))]
    WithItsTransaction,
    /// The connection, or there is nothing to be stopped.
    Never,
}

/// How long what was given up may go on before it is stopped: most of it has ended by then.
pub(super) const GRACE: Duration = Duration::from_millis(20);
/// How long what was stopped may take to end before it is stopped again: a request that comes early hits nothing.
pub(super) const AGAIN: Duration = Duration::from_millis(100);
/// How long it may take to stop what was given up. Where a line has stalled no answer ever comes, though requests are taken.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// One connection of any backend. All methods take `&self`, and bursts are answered in the order in which they were sent: by the
/// thread of an SQLite connection, or by the server, whose line is moved on by whoever waits for an answer.
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

/// What has to do with a server alone, and what holds where there is none.
macro_rules! on_server {
    ($self:expr, $connection:ident => $body:expr, $other:expr) => {
        match $self {
            #[cfg(feature = "postgres")]
            Connection::Postgres($connection) => $body,
            #[cfg(feature = "sqlite")]
            Connection::Sqlite(_) => $other,
            #[cfg(feature = "testing")]
            Connection::Memory(_) => $other,
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

    /// Sends a burst behind another one that has just been sent and opens a transaction, in the same round trip. Nothing of it is
    /// run where that one failed.
    pub(crate) fn send_behind(&self, burst: Burst) -> Pending {
        each!(self, connection => connection.send_behind(burst))
    }

    /// Sends a query whose rows are read one by one. The next burst waits until the stream ends or is dropped. `is_behind` another
    /// burst that has just been sent and opens a transaction, with which it travels.
    pub(crate) fn stream(&self, statement: Statement, is_behind: bool) -> RowSource {
        each!(self, connection => connection.stream(statement, is_behind))
    }

    /// Whether something in between shares the server's connections.
    pub(crate) fn is_pooled(&self) -> bool {
        on_server!(self, connection => connection.is_pooled(), false)
    }

    /// Asks the database to give up what it is running, and waits until the request was delivered. The answer of the
    /// burst then fails, unless it was finished first. Never stops a COMMIT on SQLite.
    pub(crate) fn cancel(&self) -> BoxFuture<'_, ()> {
        each!(self, connection => Box::pin(connection.cancel()))
    }

    /// The same, and answers whether the database took the request. Where it cannot be asked, nothing happens.
    pub(crate) fn ask_to_stop(&self) -> BoxFuture<'_, bool> {
        each!(self, connection => Box::pin(connection.ask_to_stop()))
    }

    /// Has what was sent and given up come to its end, by cancelling it, and waits for that where a request alone may come
    /// before the statement has begun, and hit nothing. On SQLite writes that are running are left alone, since the whole
    /// transaction would be undone with one.
    pub(crate) fn stop(&self) -> BoxFuture<'_, ()> {
        each!(self, connection => Box::pin(connection.stop()))
    }

    /// Reads again which types the database has, if one was met that is not known. Answers whether it
    /// said something within `deadline`.
    pub(crate) async fn learn_types(&self, deadline: Duration) -> bool {
        on_server!(self, connection => connection.learn_types(deadline).await, true)
    }

    /// Waits for the answers to what was sent and given up. What is sent next would wait for them, too.
    pub(crate) async fn answered(&self) {
        // SQLite answers in the same process, and knows at once what is given up.
        on_server!(self, connection => connection.answered().await, ())
    }

    /// Waits for a request to stop something that nobody waited for to its end: what is sent next would be hit by it. Where it
    /// may come at any time, the connection is closed.
    pub(crate) async fn cancels_settled(&self) {
        // SQLite is asked in the same process, at once.
        on_server!(self, connection => drop(connection.cancels_settled().await), ())
    }

    /// What a read in a transaction costs that is stopped by [`stop`](Self::stop).
    pub(crate) fn stopping(&self) -> Stopping {
        match self {
            #[cfg(feature = "postgres")]
            Connection::Postgres(connection) if connection.can_be_asked_to_stop() => Stopping::WithItsTransaction,
            #[cfg(feature = "postgres")]
            Connection::Postgres(_) => Stopping::Never,
            #[cfg(feature = "sqlite")]
            Connection::Sqlite(_) => Stopping::Alone,
            #[cfg(feature = "testing")]
            Connection::Memory(_) => Stopping::Never,
            #[cfg(not(any(feature = "postgres", feature = "sqlite", feature = "testing")))]
            _ => unreachable!("no backend is compiled in, so no connection exists"),
        }
    }

    /// Whether the connection can be used: open, and no protocol failure was seen.
    pub(crate) fn is_usable(&self) -> bool {
        each!(self, connection => connection.is_usable())
    }

    /// Whether a user's own text ran on it, whose traces are not known to be gone: [`reset`](Self::reset) removes them.
    pub(crate) fn is_touched(&self) -> bool {
        match self {
            #[cfg(feature = "postgres")]
            Connection::Postgres(connection) => connection.is_touched(),
            #[cfg(feature = "sqlite")]
            Connection::Sqlite(connection) => connection.is_touched(),
            #[cfg(feature = "testing")]
            Connection::Memory(_) => false,
            #[cfg(not(any(feature = "postgres", feature = "sqlite", feature = "testing")))]
            _ => unreachable!("no backend is compiled in, so no connection exists"),
        }
    }

    /// Ends whatever is left over (a running statement, an open transaction) within `deadline`.
    /// Answers whether the connection is clean; one that is not must be closed.
    pub(crate) fn reset(&self, deadline: Duration) -> BoxFuture<'_, bool> {
        each!(self, connection => Box::pin(connection.reset(deadline)))
    }

    /// Has it made clean behind whatever it is doing, which is stopped, with nobody waiting for that: what is sent from now
    /// on comes behind. Answers whether that is possible.
    pub(crate) fn reset_behind(&self) -> bool {
        match self {
            #[cfg(feature = "postgres")]
            Connection::Postgres(_) => false,
            #[cfg(feature = "sqlite")]
            Connection::Sqlite(connection) => connection.reset_behind(),
            #[cfg(feature = "testing")]
            Connection::Memory(_) => false,
            #[cfg(not(any(feature = "postgres", feature = "sqlite", feature = "testing")))]
            _ => unreachable!("no backend is compiled in, so no connection exists"),
        }
    }

    /// Closes it at once, whatever is under way, so that its transaction is undone.
    pub(crate) fn close(&self) {
        // One of SQLite is never lent beyond a call, so that nobody has to take it back.
        on_server!(self, connection => connection.close(), ())
    }

    /// Reads again which types the database has, where it can have types of its own.
    pub(crate) async fn refresh_types(&self) {
        on_server!(self, connection => connection.refresh_types().await, ())
    }

    /// Whether the server answers, within `deadline`.
    pub(crate) fn ping(&self, deadline: Duration) -> BoxFuture<'_, bool> {
        each!(self, connection => Box::pin(connection.ping(deadline)))
    }
}

/// Has a burst end that was given up, and answers what became of it. Where nothing can be stopped at all, it is waited for; where it
/// does not stop in time, the connection is closed.
pub(crate) async fn stopped(connection: &Connection, pending: &mut Pending) -> BurstResult {
    if let Ok(result) = tokio::time::timeout(GRACE, &mut *pending).await {
        return result;
    }
    let end = Instant::now() + STOP_LIMIT;
    let result = loop {
        match select(connection.ask_to_stop(), &mut *pending).await {
            Either::Left((false, pending)) if connection.stopping() == Stopping::Never => {
                let result = pending.await;
                connection.cancels_settled().await;
                return result;
            }
            // One that did not get there is sent again.
            Either::Left(_) => {}
            Either::Right((result, asking)) => {
                // A request that comes late would hit whoever uses the connection next.
                if asking.await {
                    break result;
                }
                connection.cancels_settled().await;
                return result;
            }
        }
        if let Ok(result) = tokio::time::timeout(AGAIN, &mut *pending).await {
            break result;
        }
        if Instant::now() >= end {
            connection.close();
        }
    };
    connection.cancels_settled().await;
    // What was sent behind it to prepare its statements may be waiting for the same.
    connection.stop().await;
    result
}
