//! A database in memory that reads no SQL (feature `testing`): for unit tests of what uses repositories.
//!
//! It runs what statements mean ([`Operation`](crate::statement::operation::Operation)) over rows held in maps. Statements
//! are otherwise those for SQLite, whose ways it follows: one transaction writes at a time and the others wait, reads
//! outside a transaction see what is committed, and what SQLite cannot do with a column is refused here, too.
//!
//! A connection is a task with a queue of jobs, so that sending never waits. A transaction works on a copy of the
//! database, which shares with the original whatever is not written; COMMIT puts it in the original's place.

mod compare;
mod condition;
mod constraint;
mod executor;
mod fallback;
mod operation;
mod read;
mod related;
mod table;
mod write;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::sync::{mpsc, oneshot, watch};

use self::executor::Executor;
use self::table::State;
use super::{Burst, BurstFailure, Pending, RowSource, Statement, Step};
use crate::error::{DatabaseError, Error, ErrorKind};
use crate::schema::SchemaRegistry;

/// The data that all connections of a manager share.
pub(crate) struct MemoryDatabase {
    committed: Mutex<State>,
    /// Whoever has it writes.
    writer: Arc<tokio::sync::Mutex<()>>,
    lock_timeout: Duration,
}

/// There is, or was, one in this process.
static IN_USE: AtomicBool = AtomicBool::new(false);

/// Whether statements have to say what they do in no language, for there is somebody to read it.
pub(crate) fn is_in_use() -> bool {
    IN_USE.load(Ordering::Relaxed)
}

impl MemoryDatabase {
    /// An empty database, whose writers wait for each other up to `lock_timeout`.
    pub(crate) fn new(lock_timeout: Duration) -> Self {
        IN_USE.store(true, Ordering::Relaxed);
        MemoryDatabase { committed: Mutex::default(), writer: Arc::default(), lock_timeout }
    }

    /// Makes the tables that are not there yet.
    ///
    /// # Errors
    /// [`ErrorKind::Schema`] for a default that is not understood; [`ErrorKind::LockTimeout`] while a transaction writes.
    pub(crate) async fn create_tables(&self, registry: &SchemaRegistry) -> Result<(), Error> {
        self.change(|state| state.create(registry)).await
    }

    /// Drops the tables, as far as they are there.
    ///
    /// # Errors
    /// [`ErrorKind::ForeignKeyViolation`] when a row of another table refers to one of theirs;
    /// [`ErrorKind::LockTimeout`] while a transaction writes.
    pub(crate) async fn drop_tables(&self, registry: &SchemaRegistry) -> Result<(), Error> {
        self.change(|state| state.remove(registry)).await
    }

    async fn change(&self, change: impl FnOnce(&mut State) -> Result<(), Error>) -> Result<(), Error> {
        let lock = tokio::time::timeout(self.lock_timeout, self.writer.lock()).await;
        let _writer = lock.map_err(|_| Error::from_database(locked()))?;
        let mut state = self.committed();
        change(&mut state)?;
        self.publish(state);
        Ok(())
    }

    fn committed(&self) -> State {
        self.committed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn publish(&self, state: State) {
        *self.committed.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }
}

impl std::fmt::Debug for MemoryDatabase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryDatabase").field("lock_timeout", &self.lock_timeout).finish_non_exhaustive()
    }
}

/// What a connection is asked to do.
enum Task {
    Burst(Burst, oneshot::Sender<super::BurstResult>),
    /// One behind another that opens a transaction.
    BurstBehind(Burst, oneshot::Sender<super::BurstResult>),
    /// Rolls back what is open.
    Clean(oneshot::Sender<()>),
}

/// One connection to a database in memory: a handle on its task.
#[derive(Debug)]
pub(crate) struct MemoryConnection {
    /// Each job with the number of requests to stop before it.
    jobs: mpsc::UnboundedSender<(u64, Task)>,
    stops: Arc<watch::Sender<u64>>,
}

impl MemoryConnection {
    /// Opens a connection, as a task of the current runtime.
    pub(crate) fn connect(database: &Arc<MemoryDatabase>) -> Self {
        let (jobs, mut queue) = mpsc::unbounded_channel();
        let stops = Arc::new(watch::Sender::new(0));
        let mut executor = Executor::new(Arc::clone(database), stops.subscribe());
        tokio::spawn(async move {
            while let Some((number, task)) = queue.recv().await {
                match task {
                    Task::Burst(burst, answer) => {
                        // Nobody may be interested any more; the steps run all the same.
                        let _ = answer.send(executor.burst(number, burst).await);
                    }
                    Task::BurstBehind(burst, answer) => {
                        let _ = answer.send(executor.burst_behind(number, burst).await);
                    }
                    Task::Clean(answer) => {
                        executor.rollback();
                        let _ = answer.send(());
                    }
                }
            }
        });
        MemoryConnection { jobs, stops }
    }

    /// Puts a burst on the queue. Failures are treated as on SQLite.
    pub(crate) fn send(&self, burst: Burst) -> Pending {
        self.ask_for(|answer| Task::Burst(burst, answer))
    }

    /// The same, of a burst behind one that was just sent and opens a transaction. Nothing of it is run where that failed.
    pub(crate) fn send_behind(&self, burst: Burst) -> Pending {
        self.ask_for(|answer| Task::BurstBehind(burst, answer))
    }

    fn ask_for(&self, task: impl FnOnce(oneshot::Sender<super::BurstResult>) -> Task) -> Pending {
        let (answer, answered) = oneshot::channel();
        let refused = !self.push(task(answer));
        Box::pin(async move {
            answered.await.unwrap_or_else(|_| {
                let error = DatabaseError::new(ErrorKind::Connection, "", "the connection is closed");
                Err(Box::new(BurstFailure { step: 0, error, answers: Vec::new(), lost: !refused, unsent: false }))
            })
        })
    }

    /// The rows of a query, which are all read at once.
    pub(crate) fn stream(&self, statement: Statement, is_behind: bool) -> RowSource {
        let burst = vec![Step::Statement(statement)];
        let pending = if is_behind { self.send_behind(burst) } else { self.send(burst) };
        let rows = stream::once(pending).flat_map(|result| {
            let rows: Vec<_> = match result {
                Ok(answers) => answers.into_iter().flat_map(|answer| answer.rows).map(Ok).collect(),
                Err(failure) => vec![Err(failure.error)],
            };
            stream::iter(rows)
        });
        Box::pin(rows)
    }

    /// Tells the running job and all that wait to stop: they fail with a timeout. A COMMIT that is alone in its burst is
    /// carried out.
    pub(crate) async fn cancel(&self) {
        self.stop_all();
    }

    /// The same as [`cancel`](Self::cancel).
    pub(crate) async fn ask_to_stop(&self) -> bool {
        self.stop_all();
        true
    }

    /// The same as [`cancel`](Self::cancel).
    pub(crate) async fn stop(&self) {
        self.stop_all();
    }

    pub(crate) fn is_usable(&self) -> bool {
        !self.jobs.is_closed()
    }

    /// Stops what is running and waiting, and rolls back what is open.
    pub(crate) async fn reset(&self, deadline: Duration) -> bool {
        self.stop_all();
        self.ping(deadline).await
    }

    /// Whether the task is there. Only asked while nothing is open.
    pub(crate) async fn ping(&self, deadline: Duration) -> bool {
        let (answer, answered) = oneshot::channel();
        self.push(Task::Clean(answer)) && matches!(tokio::time::timeout(deadline, answered).await, Ok(Ok(())))
    }

    fn push(&self, task: Task) -> bool {
        self.jobs.send((*self.stops.borrow(), task)).is_ok()
    }

    fn stop_all(&self) {
        self.stops.send_modify(|stops| *stops += 1);
    }
}

impl Drop for MemoryConnection {
    fn drop(&mut self) {
        self.stop_all();
    }
}

/// Another transaction writes.
fn locked() -> DatabaseError {
    DatabaseError::new(ErrorKind::LockTimeout, "", "another transaction writes")
}

/// The database cannot do what was asked; the message is for the user.
fn refused(message: impl Into<String>) -> DatabaseError {
    DatabaseError::new(ErrorKind::InvalidQuery, super::IN_MEMORY, message)
}

/// Text that somebody wrote.
fn no_sql() -> DatabaseError {
    refused(
        "run SQL: the in-memory database does not run SQL; use the repository's methods, or test this with \
         `sqlite::memory:` or PostgreSQL",
    )
}
