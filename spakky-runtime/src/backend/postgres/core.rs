//! What a connection and the futures it handed out share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio_postgres::Client;

use super::cancel::CancelRequests;
use super::error::{classify, connection_error, from_driver, is_fatal};
use super::statement_cache::StatementCache;
use super::tap::{TransactionState, WireState};
use super::types::TypeCatalog;
use crate::error::DatabaseError;

/// What a connection and the futures it handed out share.
pub(super) struct Core {
    pub(super) client: Client,
    pub(super) wire: Arc<WireState>,
    pub(super) types: Arc<TypeCatalog>,
    pub(super) runtime: Handle,
    pub(super) cancel_requests: CancelRequests,
    pub(super) ended: Arc<OnceLock<EndReason>>,
    pub(super) task: AbortHandle,
    pub(super) broken: AtomicBool,
    pub(super) outbox: Mutex<Outbox>,
    /// What makes the connection as it was when it was opened.
    pub(super) restore: String,
    /// The user's own text ran since then, which may have left anything.
    pub(super) touched: AtomicBool,
}

/// Why the socket's task ended.
#[derive(Debug)]
pub(super) struct EndReason {
    pub(super) code: String,
    pub(super) message: String,
}

/// What was sent, as far as it matters to what may be sent next. Held while a burst is sent, so that no other one gets
/// in between.
#[derive(Debug)]
pub(super) struct Outbox {
    pub(super) cache: StatementCache,
    /// Bursts whose answers have not all been read.
    pub(super) open: usize,
    /// The last burst whose answers were dropped, while it is not known that they came; 0 while there is none.
    pub(super) unobserved: u64,
    /// Whether a transaction is open once all that was sent has run.
    pub(super) transaction: bool,
    /// Counts what was sent.
    pub(super) sequence: u64,
}

impl Outbox {
    pub(super) fn new(statement_cache_size: usize) -> Self {
        Outbox {
            cache: StatementCache::new(statement_cache_size),
            open: 0,
            unobserved: 0,
            transaction: false,
            sequence: 0,
        }
    }

    /// Whether everything that was sent is known to be answered.
    pub(super) fn is_quiet(&self) -> bool {
        self.open == 0 && self.unobserved == 0
    }
}

impl Core {
    pub(super) fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_usable(&self) -> bool {
        !self.broken.load(Ordering::Acquire) && !self.client.is_closed()
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
        self.broken.store(true, Ordering::Release);
        self.task.abort();
    }

    /// The driver's error, classified; one that is fatal to the connection marks it so.
    pub(super) fn failure(&self, error: tokio_postgres::Error) -> DatabaseError {
        if is_fatal(&error) {
            self.broken.store(true, Ordering::Release);
        }
        match self.ended.get() {
            // The driver says no more than that the connection is closed; its task knows why.
            Some(reason) if error.is_closed() => {
                let mut made = connection_error(reason.message.clone());
                made.code.clone_from(&reason.code);
                if !reason.code.is_empty() {
                    made.retryable = classify(&reason.code).1;
                }
                made.source = Some(Box::new(error));
                made
            }
            _ => from_driver(error),
        }
    }
}

/// Notes that a burst is under way, until all its answers were read or its future was dropped.
pub(super) struct Observation {
    core: Arc<Core>,
    sequence: u64,
    complete: bool,
}

impl Observation {
    /// To be made while the burst is sent.
    pub(super) fn begin(core: &Arc<Core>, outbox: &mut Outbox) -> Self {
        outbox.open += 1;
        outbox.sequence += 1;
        Observation { core: core.clone(), sequence: outbox.sequence, complete: false }
    }

    /// All answers were read.
    pub(super) fn complete(mut self) {
        self.complete = true;
    }

    /// Whether nothing was sent after this burst.
    pub(super) fn is_last(&self, outbox: &Outbox) -> bool {
        outbox.sequence == self.sequence
    }
}

impl Drop for Observation {
    fn drop(&mut self) {
        let mut outbox = self.core.outbox();
        outbox.open -= 1;
        if !self.complete {
            outbox.unobserved = outbox.unobserved.max(self.sequence);
            return;
        }
        // Answers come in the order of sending: those that were dropped before this one have come too.
        if outbox.unobserved < self.sequence {
            outbox.unobserved = 0;
        }
        if outbox.is_quiet() && self.is_last(&outbox) {
            outbox.transaction = self.core.wire.transaction() != TransactionState::Idle;
            // One that failed is not counted off by its answer.
            self.core.wire.expect_nothing();
        }
    }
}
