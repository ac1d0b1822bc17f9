//! The thread of one connection: opens the database, runs job after job, closes it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use libsqlite3_sys as ffi;
use tokio::sync::oneshot;

use super::error::{cancelled, classify};
use super::executor::Executor;
use super::file;
use super::options::{Location, SqliteOptions};
use super::queue::Queue;
use super::raw::{Database, Failure};
use crate::error::{DatabaseError, ErrorKind};
use crate::value::Value;

type Opened = Result<(), DatabaseError>;

/// Starts the thread; the receiver answers when the database is open or could not be opened.
pub(super) fn spawn(options: SqliteOptions, queue: Arc<Queue>) -> Result<oneshot::Receiver<Opened>, DatabaseError> {
    let (answer, answered) = oneshot::channel();
    std::thread::Builder::new()
        .name("spakky-sqlite".to_owned())
        .spawn(move || {
            let _end = EndQueue(Arc::clone(&queue));
            // A panic is one of the library's or of diesel's (it panics when memory runs out): the connection is given
            // up, and those who wait for an answer learn that there will be none.
            let _ = catch_unwind(AssertUnwindSafe(|| work(&options, &queue, answer)));
        })
        .map_err(|error| {
            let message = format!("a thread for the connection cannot be started: {error}");
            DatabaseError::new(ErrorKind::ResourceExhausted, "", message)
        })?;
    Ok(answered)
}

/// However the thread ends, nobody waits for it for ever.
struct EndQueue(Arc<Queue>);

impl Drop for EndQueue {
    fn drop(&mut self) {
        self.0.end();
    }
}

fn work(options: &SqliteOptions, queue: &Arc<Queue>, opened: oneshot::Sender<Opened>) {
    let mut executor = match open(options, queue) {
        Ok(executor) => executor,
        Err(error) => {
            let _ = opened.send(Err(error));
            return;
        }
    };
    let _ = opened.send(Ok(()));
    while let Some(job) = queue.take() {
        job(&mut executor);
    }
    executor.rollback();
}

fn open(options: &SqliteOptions, queue: &Arc<Queue>) -> Result<Executor, DatabaseError> {
    let failed = |failure: Failure| {
        if queue.is_stopped() {
            return cancelled();
        }
        let mut error = classify(failure);
        error.message = format!("open the database file `{}`: {}", options.name(), error.message);
        error
    };
    file::prepare(options)?;
    let mut database = Database::open(&options.uri(), Arc::clone(queue)).map_err(failed)?;
    if !options.read_only && options.location != Location::Memory {
        use_wal(&mut database, queue).map_err(failed)?;
    }
    database
        .execute("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; SELECT * FROM sqlite_schema LIMIT 1")
        .map_err(failed)?;
    Ok(Executor::new(options, database, Arc::clone(queue)))
}

/// Readers and the writer do not wait for each other in WAL mode. The mode is kept in the file. Changing it needs the
/// file alone, and SQLite does not ask the busy handler then. A file system without shared memory keeps the mode that it
/// has, which is slower and as safe.
fn use_wal(database: &mut Database, queue: &Queue) -> Result<(), Failure> {
    let mut statement = database.prepare("PRAGMA journal_mode = WAL")?;
    let mut first = true;
    loop {
        let mut mode = None;
        let result = statement.run(&[], |row| {
            mode = row.into_iter().next();
            std::ops::ControlFlow::Continue(())
        });
        match result {
            Err(failure) if failure.code & 0xff == ffi::SQLITE_BUSY && queue.keep_waiting(first) => first = false,
            Err(failure) => return Err(failure),
            Ok(_) => {
                if mode != Some(Value::Text("wal".to_owned())) {
                    tracing::warn!("the database cannot use WAL mode; readers and writers will wait for each other");
                }
                return Ok(());
            }
        }
    }
}
