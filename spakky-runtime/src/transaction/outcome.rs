//! The end of a transaction, and what became of it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::runtime::Handle;
use tracing::instrument::WithSubscriber;
use tracing::{Instrument, Span};
use uuid::Uuid;

use crate::session::runtime_or;

/// What became of a transaction whose COMMIT was not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Committed,
    Aborted,
    /// The server cannot be reached, is not the one that ran it, has not finished it within the deadline, or no longer
    /// knows.
    Unknown,
}

/// By what the database is asked for it.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    /// The transaction's id, which is asked for first: that writes nothing, and waits for nobody.
    pub(crate) xid: Option<String>,
    /// The row that the transaction wrote, or will not write any more once it is asked for.
    pub(crate) token: Option<Uuid>,
}

type Work<T> = Pin<Box<dyn Future<Output = T> + Send + 'static>>;

/// Work that is done to its end, whether anybody waits for it or not: dropping it moves the rest to a task of its own. So
/// hooks run and connections come back whatever the caller does.
pub(crate) struct Unstoppable<T: Send + 'static> {
    work: Option<Work<T>>,
    runtime: Option<Handle>,
    /// What a task of its own works in.
    span: Span,
    /// Told when nobody waits any more.
    given_up: Option<Arc<AtomicBool>>,
    /// The work is running, or panicked while it was: it must not be polled again.
    running: bool,
    /// What is done with a result that nobody waits for.
    unclaimed: fn(T),
}

impl<T: Send + 'static> Unstoppable<T> {
    pub(crate) fn new(
        runtime: Option<Handle>,
        span: Span,
        unclaimed: fn(T),
        work: impl Future<Output = T> + Send + 'static,
    ) -> Self {
        Unstoppable { work: Some(Box::pin(work)), runtime, span, given_up: None, running: false, unclaimed }
    }

    /// The work learns by this flag that nobody waits for it, and may come to another end then. It is polled anew.
    pub(crate) fn tells(mut self, given_up: Option<Arc<AtomicBool>>) -> Self {
        self.given_up = given_up;
        self
    }
}

impl<T: Send + 'static> Future for Unstoppable<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        self.running = true;
        let Some(work) = self.work.as_mut() else {
            return Poll::Pending;
        };
        let result = work.as_mut().poll(context);
        self.running = false;
        if result.is_ready() {
            self.work = None;
        }
        result
    }
}

impl<T: Send + 'static> Drop for Unstoppable<T> {
    fn drop(&mut self) {
        let runtime = runtime_or(self.runtime.as_ref());
        if let (Some(work), Some(runtime), false) = (self.work.take(), runtime, self.running) {
            let unclaimed = self.unclaimed;
            if let Some(given_up) = &self.given_up {
                given_up.store(true, Ordering::Release);
            }
            let span = std::mem::replace(&mut self.span, Span::none());
            // Whoever was told of the span's beginning is told of the rest.
            runtime.spawn(async move { unclaimed(work.await) }.instrument(span).with_current_subscriber());
        }
    }
}
