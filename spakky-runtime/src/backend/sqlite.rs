//! SQLite, embedded: each connection is a thread of its own with a queue of jobs.
//!
//! A connection's handle pushes a job and returns; the thread runs the jobs one after the other and answers through
//! channels. So a connection works on any flavour of tokio, nothing of it ever blocks an executor, and dropping it
//! returns at once, also in the middle of a statement and outside of any runtime: what runs is told to stop, what is
//! left of an open transaction is rolled back, and the thread ends by itself.
//!
//! What it promises:
//! * Bursts run in the order in which they were sent, one job each.
//! * What was acknowledged is on disk: WAL mode with `synchronous = FULL`, so that COMMIT waits until the log is synced.
//!   (`NORMAL` keeps a database intact, yet a power cut may undo the last commits.)
//! * A request to stop ends a running statement and a wait for a lock at once, never hits a later job, and never
//!   interrupts a COMMIT or a ROLLBACK.
//! * After a failed statement a transaction can only be rolled back, wholly or to a savepoint, as on PostgreSQL. That
//!   includes the case that SQLite itself rolled it back, as it does when a write is interrupted: what follows is refused
//!   and not committed statement by statement.
//!
//! A database in memory exists inside one connection: a pool for it has one connection, and ends with it.

mod codec;
mod error;
mod executor;
mod file;
mod guard;
mod lend;
mod options;
mod queue;
mod raw;
mod restore;
mod statement_cache;
mod stream;
mod wire;
mod worker;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

pub(crate) use codec::{codec as native_codec, column_value, set_value};
pub(crate) use lend::LendFailure;
#[cfg(feature = "migrations")]
pub(crate) use options::Location;
pub(crate) use options::SqliteOptions;
pub(crate) use wire::check;

use self::executor::Executor;
use self::queue::{Job, JobId, Queue};
use super::{Burst, BurstFailure, BurstResult, Pending, RowSource, Statement};
use crate::error::DatabaseError;

/// One connection to an SQLite database: a handle on its thread.
#[derive(Debug)]
pub(crate) struct SqliteConnection {
    queue: Arc<Queue>,
}

impl SqliteConnection {
    /// Opens a connection on a new thread, and creates the file if the options say so.
    ///
    /// # Errors
    /// When the file cannot be opened, is no database, or stays locked for longer than the busy timeout.
    ///
    /// # Cancellation
    /// The thread gives up what it is doing and ends.
    pub(crate) async fn connect(options: &SqliteOptions) -> Result<Self, DatabaseError> {
        let queue = Arc::new(Queue::new(options.busy_timeout));
        let connection = SqliteConnection { queue: Arc::clone(&queue) };
        let opened = worker::spawn(options.clone(), queue)?;
        opened.await.unwrap_or_else(|_| Err(error::closed()))?;
        Ok(connection)
    }

    /// Puts a burst on the queue. Its steps run in order, up to the first that fails. If a COMMIT or ROLLBACK follows
    /// the failed step, or is it, the transaction is rolled back; otherwise it stays open until one comes with a later
    /// burst, and takes nothing but a `ROLLBACK TO` until then. Without a transaction each statement is one of its own.
    pub(crate) fn send(&self, burst: Burst) -> Pending {
        self.ask_for(move |executor| executor.burst(burst))
    }

    /// The same, of a burst behind one that was just sent and opens a transaction. Nothing of it is run where that failed.
    pub(crate) fn send_behind(&self, burst: Burst) -> Pending {
        self.ask_for(move |executor| executor.burst_behind(burst))
    }

    fn ask_for(&self, run: impl FnOnce(&mut Executor) -> BurstResult + Send + 'static) -> Pending {
        let (answer, answered) = oneshot::channel();
        let sent = self.push(Box::new(move |executor| {
            // Nobody may be interested any more; the steps run all the same.
            let _ = answer.send(run(executor));
        }));
        let refused = sent.is_none();
        Box::pin(async move {
            answered.await.unwrap_or_else(|_| {
                // What was never on the queue has certainly not been run.
                Err(Box::new(BurstFailure {
                    step: 0,
                    error: error::closed(),
                    answers: Vec::new(),
                    lost: !refused,
                    unsent: false,
                }))
            })
        })
    }

    /// Puts a query on the queue whose rows are taken one by one; the thread reads only a little ahead. Dropping the
    /// stream ends the query, without harm to a transaction. `is_behind` a burst that was just sent and opens a transaction:
    /// it is not run where that failed.
    pub(crate) fn stream(&self, statement: Statement, is_behind: bool) -> RowSource {
        stream::open(&self.queue, statement, is_behind)
    }

    /// Tells the running job and all that wait to stop: they fail with a timeout, up to a COMMIT, which becomes a
    /// ROLLBACK, or a ROLLBACK. A COMMIT under way, or one that is alone in its burst, is carried out.
    pub(crate) async fn cancel(&self) {
        self.queue.cancel();
    }

    /// The same as [`cancel`](Self::cancel), which is always taken.
    pub(crate) async fn ask_to_stop(&self) -> bool {
        self.queue.cancel();
        true
    }

    /// Stops what is running and waiting, and rolls back what is open, ahead of whatever is sent from now on.
    pub(crate) fn reset_behind(&self) -> bool {
        self.queue.cancel();
        let cleaning = self.push(Box::new(|executor| {
            if !executor.clean() {
                executor.queue().mark_broken();
            }
        }));
        cleaning.is_some()
    }

    /// Tells the running job and all that wait to stop, but for a write that is running: it would take the whole
    /// transaction with it. What was not begun is left out, and the transaction goes on.
    pub(crate) async fn stop(&self) {
        self.queue.stop_gently();
    }

    /// Whether the connection can be used: open, and no failure of the file was seen.
    pub(crate) fn is_usable(&self) -> bool {
        self.queue.is_usable()
    }

    /// Whether a user's own text left something on it, which [`reset`](Self::reset) undoes.
    pub(crate) fn is_touched(&self) -> bool {
        self.queue.is_touched()
    }

    /// Stops what is running and waiting, and rolls back what is open, within `deadline`. Answers whether the connection
    /// is clean; one that is not must be closed.
    pub(crate) async fn reset(&self, deadline: Duration) -> bool {
        self.queue.cancel();
        self.ask(deadline, |executor| executor.clean()).await
    }

    /// Whether the connection answers within `deadline`.
    pub(crate) async fn ping(&self, deadline: Duration) -> bool {
        self.ask(deadline, |executor| executor.ping()).await
    }

    async fn ask(&self, deadline: Duration, question: impl FnOnce(&mut Executor) -> bool + Send + 'static) -> bool {
        let (answer, answered) = oneshot::channel();
        self.push(Box::new(move |executor| {
            let _ = answer.send(question(executor));
        }));
        matches!(tokio::time::timeout(deadline, answered).await, Ok(Ok(true))) && self.is_usable()
    }

    fn push(&self, job: Job) -> Option<JobId> {
        self.queue.push(job)
    }
}

impl Drop for SqliteConnection {
    fn drop(&mut self) {
        self.queue.close();
    }
}
