//! What a connection and the futures it handed out share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;

use super::cancel::CancelRequests;
use super::encode::Job;
use super::error::from_server;
use super::exchange::{End, Exchange, Failure, TransactionState};
use super::flight::Flight;
use super::types::TypeCatalog;
use crate::error::{DatabaseError, ErrorKind};

/// What a connection and the futures it handed out share.
pub(super) struct Core {
    exchange: Mutex<Exchange>,
    pub(super) types: Arc<TypeCatalog>,
    pub(super) runtime: Handle,
    pub(super) cancel_requests: CancelRequests,
    /// The server's process, as it was told when the connection was opened.
    pub(super) process: i32,
    /// Something in between shares the server's connections: what they say may be said by it.
    is_pooled: AtomicBool,
    /// What makes the connection as it was when it was opened, a statement each.
    pub(super) restore: Vec<String>,
    /// The user's own text ran since then, which may have left anything.
    touched: AtomicBool,
}

impl Core {
    pub(super) fn new(
        exchange: Exchange,
        types: Arc<TypeCatalog>,
        cancel_requests: CancelRequests,
        process: i32,
        is_pooled: bool,
        restore: Vec<String>,
    ) -> Self {
        Core {
            exchange: Mutex::new(exchange),
            types,
            runtime: Handle::current(),
            cancel_requests,
            process,
            is_pooled: AtomicBool::new(is_pooled),
            restore,
            touched: AtomicBool::new(false),
        }
    }

    pub(super) fn exchange(&self) -> MutexGuard<'_, Exchange> {
        self.exchange.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands over a job, or has it wait for its turn.
    pub(super) fn launch(self: &Arc<Self>, job: Job) -> Flight {
        Flight::launch(self, job)
    }

    pub(super) fn is_usable(&self) -> bool {
        self.exchange().is_open(&self.types)
    }

    pub(super) fn transaction(&self) -> TransactionState {
        self.exchange().transaction()
    }

    /// Whether something in between shares the server's connections.
    pub(super) fn is_pooled(&self) -> bool {
        self.is_pooled.load(Ordering::Acquire)
    }

    /// Something in between turned out to share the server's connections: no statement keeps its name on them. Answers whether that
    /// is news.
    pub(super) fn found_pooled(&self) -> bool {
        self.exchange().cache.disable();
        !self.is_pooled.swap(true, Ordering::AcqRel)
    }

    pub(super) fn is_touched(&self) -> bool {
        self.touched.load(Ordering::Acquire)
    }

    /// The user's own text is about to run.
    pub(super) fn touch(&self) {
        self.touched.store(true, Ordering::Release);
    }

    /// Nothing of the user's own text is left.
    pub(super) fn restored(&self) {
        self.touched.store(false, Ordering::Release);
    }

    /// Closes the socket at once, whatever is under way.
    pub(super) fn close(&self) {
        self.exchange().close();
    }
}

impl Failure {
    /// The failure in the library's terms.
    pub(super) fn into_error(self) -> DatabaseError {
        match self {
            Failure::Server(error) => from_server(error),
            Failure::RolledBack => DatabaseError::new(
                ErrorKind::RollbackOnly,
                "",
                "the server answered COMMIT with ROLLBACK, since a statement before it had failed",
            ),
            Failure::Unsent(error) => error,
            Failure::Closed(end) | Failure::Ended(end) => end.to_error(),
        }
    }
}

impl End {
    /// The end of the line in the library's terms: it can be tried again on another one.
    pub(super) fn to_error(&self) -> DatabaseError {
        match self {
            End::Server(error) => from_server(error.clone()),
            End::Line(message) => super::error::connection_error(message.clone()),
        }
    }
}
