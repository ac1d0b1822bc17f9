//! PostgreSQL: one connection that speaks the protocol itself, driven by whoever waits for an answer.
//!
//! * [`send`](PostgresConnection::send) writes a whole burst and one Sync before it returns (`encode`, `flight`); its answers are
//!   read by a future that borrows nothing (`answer`).
//! * `exchange` holds what is under way, `line` the bytes: nothing owed by either side lives in a future, so that one which is
//!   dropped loses nothing. No task runs behind a connection.
//! * A connection that was left in the middle of something is made clean or closed (`reset`, `cancel`).
//! * `server` reads where a URL leads; `startup` signs in there, on a line that `socket` and `tls` open.

mod answer;
mod cancel;
mod codec;
mod connect;
mod control;
mod core;
mod encode;
mod error;
mod exchange;
mod flight;
mod line;
mod listen;
mod message;
mod native;
mod notice;
mod options;
mod outcome;
mod reset;
mod rows;
mod server;
mod server_error;
mod socket;
mod startup;
mod statement_cache;
mod stream;
mod target;
mod tls;
mod types;
mod wire;

#[cfg(test)]
mod tests;

pub(crate) use codec::codec as native_codec;
pub use listen::{Heard, Listener, Notification};
pub use native::PgConnection;
pub(crate) use native::Returned;
pub use notice::{Notice, Notices};
pub(crate) use options::PostgresOptions;
use outcome::{ServerIdentity, resolve, resolve_token};
pub(crate) use server::{Key, Server, SslNegotiation, Unread};
pub(crate) use target::{PostgresTarget, find_raise, resolve_on};
pub(crate) use wire::{column_bytes, column_value, plain_bytes};

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use self::core::Core;
use self::encode::Job;
use self::exchange::TransactionState;
use super::{Burst, Pending, RowSource, Statement, Step};
use crate::error::DatabaseError;

/// One connection to PostgreSQL. Dropping it closes it: gracefully when it is idle, at once when not.
pub(crate) struct PostgresConnection {
    core: Arc<Core>,
    /// The server it leads to, once it was asked.
    server: OnceLock<Option<ServerIdentity>>,
    says_newer: bool,
}

impl PostgresConnection {
    /// Opens a connection on a socket of the current runtime.
    pub(crate) async fn connect(options: &PostgresOptions) -> Result<Self, DatabaseError> {
        let connect::Opened { core, says_newer } = connect::open(options).await?;
        Ok(PostgresConnection { core, server: OnceLock::new(), says_newer })
    }

    /// Whether the server speaks the newer protocol, and nothing in between may not.
    pub(crate) fn speaks_newer(&self) -> bool {
        self.says_newer && !self.is_pooled()
    }

    /// The server as it was when the connection was opened; `None` if it did not tell.
    pub(crate) fn server(&self) -> Option<&ServerIdentity> {
        self.server.get().and_then(Option::as_ref)
    }

    /// Compares the process that runs what is sent with the one that was told when the connection was opened. Behind something that
    /// shares the server's connections they differ, and statements go without names from then on.
    pub(crate) fn note_process(&self, process: i32) {
        if process != self.core.process && self.core.found_pooled() {
            static TOLD: std::sync::Once = std::sync::Once::new();
            TOLD.call_once(|| {
                tracing::warn!(
                    "the server is reached by way of a pooler that was not announced: statements are not prepared; set `pooler` to \
                     say which one it is"
                );
            });
        }
    }

    /// Sends the burst before it returns, unless another one is under way.
    ///
    /// Bursts are answered in the order in which they were sent, and one at a time: a future that is kept without being polled holds
    /// up what is sent later. Dropping it does not, and what was handed over runs all the same.
    pub(crate) fn send(&self, burst: Burst) -> Pending {
        let steps: Arc<[Step]> = burst.into();
        let flight = self.core.launch(Job::Burst(steps.clone()));
        Box::pin(answer::read(self.core.clone(), steps, flight))
    }

    /// Sends a burst with the one that is under way and opens a transaction: in the same round trip, each with a Sync of its own.
    pub(crate) fn send_behind(&self, burst: Burst) -> Pending {
        let steps: Arc<[Step]> = burst.into();
        let flight = flight::Flight::launch_behind(&self.core, Job::Burst(steps.clone()));
        Box::pin(answer::read(self.core.clone(), steps, flight))
    }

    /// Sends a query whose rows are read one by one; `is_behind` a burst that is under way and opens a transaction, with which it
    /// travels. Its error, or dropping it, ends it.
    pub(crate) fn stream(&self, statement: Statement, is_behind: bool) -> RowSource {
        self.core.stream(statement, is_behind)
    }

    /// Whether something in between shares the server's connections.
    pub(crate) fn is_pooled(&self) -> bool {
        self.core.is_pooled()
    }

    /// Asks the server to stop what it runs, and waits until it took the request. Where it cannot be asked, the
    /// connection is closed.
    pub(crate) async fn cancel(&self) {
        self.core.cancel().await;
    }

    /// The same, and answers whether the server took the request. Where it cannot be asked, nothing happens.
    pub(crate) async fn ask_to_stop(&self) -> bool {
        self.core.ask_to_stop().await
    }

    /// Waits for the answers to what was sent and given up.
    pub(crate) async fn answered(&self) {
        self.core.answered().await;
    }

    /// Has what was sent and given up come to its end, and waits for that. Where it does not, the connection is closed.
    pub(crate) async fn stop(&self) {
        self.core.stop().await;
    }

    /// Whether requests to stop reach the server.
    pub(crate) fn can_be_asked_to_stop(&self) -> bool {
        self.core.cancel_requests.are_supported()
    }

    /// Waits for a cancel request that nobody waited for to its end. Answers whether the connection can go on.
    pub(crate) async fn cancels_settled(&self) -> bool {
        self.core.cancels_settled().await
    }

    /// The same connection for diesel's traits. `in_transaction` tells that a transaction of ours is open, so that one
    /// begun on it makes a savepoint.
    pub(crate) fn lend(&self, in_transaction: bool) -> PgConnection {
        self.core.touch();
        PgConnection::on(self.core.clone(), in_transaction)
    }

    /// Whether the connection can be used.
    pub(crate) fn is_usable(&self) -> bool {
        self.core.is_usable()
    }

    /// A user's own text is about to run, or has run, by other ways than a statement's.
    #[cfg(feature = "migrations")]
    pub(crate) fn touch(&self) {
        self.core.touch();
    }

    /// Whether a user's own text ran on it, whose traces are not known to be gone.
    pub(crate) fn is_touched(&self) -> bool {
        // A transaction that nobody is in was left by what nobody waited for.
        let is_left = || {
            let exchange = self.core.exchange();
            exchange.is_quiet() && exchange.transaction() != TransactionState::Idle
        };
        self.core.is_touched() || is_left()
    }

    /// Ends what is left over within `deadline`; answers whether the connection is clean, and closes it if not.
    ///
    /// Answers that nobody has read or dropped yet are not left over: the futures must be gone first.
    pub(crate) async fn reset(&self, deadline: Duration) -> bool {
        self.core.reset(deadline).await
    }

    /// Closes it at once, whatever is under way.
    pub(crate) fn close(&self) {
        self.core.close();
    }

    /// Reads again which types the database has. Nothing may be under way.
    pub(crate) async fn refresh_types(&self) {
        // A failure shows where a type is missed.
        let _ = self.core.types.load(&self.core).await;
    }

    /// Reads again which types the database has, if one was met that is not known. Answers whether the server said something within
    /// `deadline`.
    pub(crate) async fn learn_types(&self, deadline: Duration) -> bool {
        let types = &self.core.types;
        if !types.has_missed() {
            return true;
        }
        // A server that refuses leaves the type unknown, and the connection as it was.
        Box::pin(tokio::time::timeout(deadline, types.load(&self.core))).await.is_ok() && self.is_usable()
    }

    /// Whether the server answers within `deadline`.
    pub(crate) async fn ping(&self, deadline: Duration) -> bool {
        self.core.ping(deadline).await
    }
}

impl Drop for PostgresConnection {
    fn drop(&mut self) {
        let mut exchange = self.core.exchange();
        if exchange.is_quiet() && exchange.transaction() == TransactionState::Idle {
            exchange.terminate();
        } else {
            exchange.close();
        }
    }
}

impl fmt::Debug for PostgresConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut exchange = self.core.exchange();
        f.debug_struct("PostgresConnection")
            .field("usable", &exchange.is_open(&self.core.types))
            .field("transaction", &exchange.transaction())
            .field("quiet", &exchange.is_quiet())
            .finish_non_exhaustive()
    }
}
