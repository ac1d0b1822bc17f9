//! What the sessions of one manager send, to be compared with what a test expects.

use std::mem;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::mutation::MutationEvent;
use crate::session::{SessionManager, SessionStatistics};

/// Records what is sent by all sessions of a manager and by calls outside any, until it is dropped.
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # async fn example() -> Result<(), spakky_runtime::Error> {
/// # let sessions = spakky_runtime::SessionManager::connect("sqlite::memory:").await?;
/// use spakky_runtime::testing::Recorder;
///
/// let recorder = Recorder::new(&sessions);
/// sessions.sql("SELECT 1").fetch_all::<(i64,)>().await?;
/// let recorded = recorder.take();
/// assert_eq!(recorded.statements, ["SELECT 1"]);
/// assert_eq!((recorded.round_trips, recorded.rows_read), (1, 1));
/// # Ok(()) }
/// ```
///
/// What is done on a connection that a session lends is not seen, nor what the manager asks of the catalog ahead of the first
/// write to a table.
#[derive(Debug)]
pub struct Recorder {
    sessions: SessionManager,
    record: Arc<Record>,
}

/// What was sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recorded {
    /// The statements as they were sent, with placeholders for their values; `BEGIN`, `COMMIT` and the like among them.
    pub statements: Vec<String>,
    /// Bursts that were waited for.
    pub round_trips: u64,
    /// Rows read.
    pub rows_read: u64,
    /// Rows written by the flushes of units of work.
    pub rows_written: u64,
    /// What was committed, as [`on_mutation`](SessionManager::on_mutation) tells it.
    pub mutations: Vec<MutationEvent>,
}

#[derive(Debug, Default)]
struct Record {
    statements: Mutex<Vec<String>>,
    mutations: Mutex<Vec<MutationEvent>>,
    before: Mutex<SessionStatistics>,
}

impl Recorder {
    /// Begins to record.
    pub fn new(sessions: &SessionManager) -> Self {
        let record = Arc::new(Record { before: Mutex::new(sessions.statistics()), ..Record::default() });
        sessions.recorders().add(&record);
        let listener = Arc::downgrade(&record);
        sessions.on_mutation(move |event| {
            if let Some(record) = listener.upgrade() {
                lock(&record.mutations).push(event.clone());
            }
        });
        Recorder { sessions: sessions.clone(), record }
    }

    /// What was sent since the recorder was made, or since this was last called.
    pub fn take(&self) -> Recorded {
        let now = self.sessions.statistics();
        let before = mem::replace(&mut *lock(&self.record.before), now);
        Recorded {
            statements: mem::take(&mut *lock(&self.record.statements)),
            round_trips: now.round_trips - before.round_trips,
            rows_read: now.rows_read - before.rows_read,
            rows_written: now.rows_written - before.rows_written,
            mutations: mem::take(&mut *lock(&self.record.mutations)),
        }
    }
}

/// Who records a manager.
#[derive(Debug, Default)]
pub(crate) struct Recorders(Mutex<Vec<Weak<Record>>>);

impl Recorders {
    fn add(&self, record: &Arc<Record>) {
        let mut records = lock(&self.0);
        records.retain(|record| record.strong_count() > 0);
        records.push(Arc::downgrade(record));
    }

    /// Takes note of a statement.
    pub(crate) fn note(&self, sql: &str) {
        for record in lock(&self.0).iter().filter_map(Weak::upgrade) {
            lock(&record.statements).push(sql.to_owned());
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
