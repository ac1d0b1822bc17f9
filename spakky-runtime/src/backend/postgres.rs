//! PostgreSQL: one connection over the driver's own client, so that what is sent, in which order, and what came of it is
//! known here.
//!
//! * [`send`](PostgresConnection::send) hands over a whole burst synchronously (`send`), its answers are read by a
//!   future that borrows nothing (`answer`).
//! * What the server says is watched on its way to the driver (`tap`), so that the transaction's state is right whatever
//!   became of the futures.
//! * A connection that was left in the middle of something is made clean or closed (`reset`, `cancel`).

mod answer;
mod cancel;
mod codec;
mod connect;
mod control;
mod core;
mod error;
mod native;
mod negotiate;
mod options;
mod outcome;
mod reset;
mod send;
mod statement_cache;
mod stream;
mod tap;
mod target;
mod tls;
mod types;
mod wire;

#[cfg(test)]
mod tests;

pub(crate) use codec::codec as native_codec;
pub use native::PgConnection;
pub(crate) use native::Returned;
pub(crate) use options::PostgresOptions;
use outcome::{ServerIdentity, resolve, resolve_token};
pub(crate) use target::{PostgresTarget, find_raise, resolve_on};
pub(crate) use wire::{column_bytes, column_value, plain_bytes};

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use self::core::Core;
use self::tap::TransactionState;
use super::{Burst, Pending, RowSource, Statement};
use crate::error::DatabaseError;

/// One connection to PostgreSQL. Dropping it closes it: gracefully when it is idle, at once when not.
pub(crate) struct PostgresConnection {
    core: Arc<Core>,
    /// The server it leads to, once it was asked.
    server: OnceLock<Option<ServerIdentity>>,
}

impl PostgresConnection {
    /// Opens a connection. Its socket is run by a task of the current runtime.
    pub(crate) async fn connect(options: &PostgresOptions) -> Result<Self, DatabaseError> {
        Ok(PostgresConnection { core: connect::open(options).await?, server: OnceLock::new() })
    }

    /// The server as it was when the connection was opened; `None` if it did not tell.
    pub(crate) fn server(&self) -> Option<&ServerIdentity> {
        self.server.get().and_then(Option::as_ref)
    }

    /// Sends the burst before it returns.
    ///
    /// Answers are read in the order in which bursts were sent: a future that is kept without being polled holds up the
    /// answers of later bursts. Dropping it does not.
    pub(crate) fn send(&self, burst: Burst) -> Pending {
        self.core.send(burst)
    }

    /// Sends a query whose rows are read one by one. Its error, or dropping it, ends it.
    pub(crate) fn stream(&self, statement: Statement) -> RowSource {
        self.core.stream(statement)
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
        self.core.is_touched()
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
        let _ = self.core.types.load(&self.core.client).await;
    }

    /// Whether the server answers within `deadline`.
    pub(crate) async fn ping(&self, deadline: Duration) -> bool {
        self.core.ping(deadline).await
    }
}

impl Drop for PostgresConnection {
    fn drop(&mut self) {
        let outbox = self.core.outbox();
        let busy = !outbox.is_quiet() || outbox.transaction;
        drop(outbox);
        if busy || self.core.wire.transaction() != TransactionState::Idle {
            self.core.close();
        }
    }
}

impl fmt::Debug for PostgresConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outbox = self.core.outbox();
        f.debug_struct("PostgresConnection")
            .field("usable", &self.core.is_usable())
            .field("transaction", &self.core.wire.transaction())
            .field("bursts_in_flight", &outbox.open)
            .finish_non_exhaustive()
    }
}
