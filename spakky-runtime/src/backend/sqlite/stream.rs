//! A query whose rows are taken one by one.

use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use futures_util::Stream;
use tokio::sync::mpsc;

use super::error::closed;
use super::executor::Executor;
use super::queue::{JobId, Queue};
use crate::backend::{RowSource, Statement};
use crate::error::DatabaseError;
use crate::value::Value;

/// How many rows the thread reads ahead.
const READ_AHEAD: usize = 64;
/// At how many rows left it goes on reading.
const REFILL: usize = READ_AHEAD / 2;

enum Item {
    Row(Vec<Value>),
    Failed(DatabaseError),
    /// All rows were read. A channel that ends without it belongs to a connection that broke.
    End,
}

/// Puts a query on the queue; its rows arrive in the stream.
pub(super) fn open(queue: &Arc<Queue>, statement: Statement, is_behind: bool) -> RowSource {
    let (sender, receiver) = mpsc::unbounded_channel();
    let ahead = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&ahead);
    let job = queue.push(Box::new(move |executor| {
        let ready = if is_behind { executor.check_behind() } else { Ok(()) };
        produce(executor, ready.map(|()| statement), &sender, &counter);
    }));
    Box::pin(Rows { queue: Arc::clone(queue), job, receiver, ahead, done: false })
}

fn produce(
    executor: &mut Executor,
    statement: Result<Statement, DatabaseError>,
    sender: &mpsc::UnboundedSender<Item>,
    ahead: &AtomicUsize,
) {
    let queue = Arc::clone(executor.queue());
    let send = |row: Vec<Value>| {
        // Counted before it can be taken.
        let full = ahead.fetch_add(1, Ordering::SeqCst) + 1 >= READ_AHEAD;
        if sender.send(Item::Row(row)).is_err() {
            return ControlFlow::Break(());
        }
        if full && !queue.wait_until(|| ahead.load(Ordering::SeqCst) <= REFILL) {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    };
    let result = match statement {
        Ok(_) if queue.is_stopped() => Err(super::error::cancelled()),
        Ok(statement) => executor.run(statement, send),
        Err(error) => Err(error),
    };
    let abandoned = sender.is_closed();
    let result = result.and_then(|_| if queue.is_stopped() { Err(super::error::cancelled()) } else { Ok(()) });
    if result.is_err()
        && !abandoned
        && let Some(transaction) = &mut executor.transaction
    {
        transaction.failed = true;
    }
    // Nobody is interested in the end of an abandoned stream.
    let _ = sender.send(result.map_or_else(Item::Failed, |()| Item::End));
}

struct Rows {
    queue: Arc<Queue>,
    /// `None` if the connection took no more jobs.
    job: Option<JobId>,
    receiver: mpsc::UnboundedReceiver<Item>,
    /// Rows that were read and not taken yet.
    ahead: Arc<AtomicUsize>,
    done: bool,
}

impl Stream for Rows {
    type Item = Result<Vec<Value>, DatabaseError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.done {
            return Poll::Ready(None);
        }
        let item = ready!(self.receiver.poll_recv(context));
        Poll::Ready(match item {
            Some(Item::Row(row)) => {
                if self.ahead.fetch_sub(1, Ordering::SeqCst) == REFILL + 1 {
                    self.queue.notify();
                }
                Some(Ok(row))
            }
            Some(Item::End) => {
                self.done = true;
                None
            }
            Some(Item::Failed(error)) => {
                self.done = true;
                Some(Err(error))
            }
            None => {
                self.done = true;
                Some(Err(closed()))
            }
        })
    }
}

impl Drop for Rows {
    fn drop(&mut self) {
        // First, so that the thread sees that nobody listens when it is told to stop.
        self.receiver.close();
        if let (Some(job), false) = (self.job, self.done) {
            self.queue.abandon(job);
        }
    }
}
