//! The connection pool: deadpool, with overflow, recycling by age, and a lease that returns only clean connections.
//!
//! A [`Lease`] that is dropped without [`Lease::release`] closes its connection: whoever cannot vouch for a connection
//! need not say anything. A database in memory ends with its connection, which is never closed: it is made clean behind
//! whatever it is doing, and goes back.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use deadpool::managed::{self, Metrics, PoolError, QueueMode, RecycleError, RecycleResult, TimeoutType, Timeouts};
use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore, SemaphorePermit};
use tokio::task::JoinHandle;

use crate::backend::{Connection, Pending};
use crate::config::{DatabaseConfig, PoolKind};
use crate::connect::Target;
use crate::error::{Error, ErrorKind};
use crate::transaction::jittered;

/// A connection used within this time is taken to be alive without asking.
const PING_AFTER: Duration = Duration::from_millis(500);
/// How long a ping may take before the connection is taken to be dead.
const PING_DEADLINE: Duration = Duration::from_secs(2);
/// How long it may take to undo what a user's own text left on a connection.
const RESTORE_DEADLINE: Duration = Duration::from_secs(5);
/// The first pause after a refused connection.
const BACKOFF: Duration = Duration::from_millis(20);

/// The pool of one manager.
#[derive(Clone)]
pub(crate) struct Pool {
    pool: managed::Pool<Connector>,
    shared: Arc<Shared>,
}

struct Shared {
    timeout: Duration,
    /// Idle connections beyond this number are closed when they come back.
    kept: usize,
    /// The database lives in its one connection.
    single: bool,
    leased: AtomicUsize,
    returned: Notify,
    returning: Mutex<()>,
}

/// Counts of a pool at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolStatus {
    /// Connections at most, overflow included.
    pub max_size: usize,
    /// Open connections.
    pub size: usize,
    /// Open connections in use.
    pub in_use: usize,
    /// Callers waiting for a connection.
    pub waiting: usize,
}

struct Connector {
    target: Target,
    /// The database lives in its one connection.
    single: bool,
    connecting: Semaphore,
    connect_timeout: Duration,
    recycle: Option<Duration>,
    ping: bool,
}

struct Pooled {
    connection: Arc<Connection>,
    /// When it is closed instead of being used again.
    expires: Option<Instant>,
    last_used: Instant,
    /// Ends once it is known whether what a user's own text left on it is gone. That was sent before it came back.
    ending: Option<JoinHandle<()>>,
}

impl managed::Manager for Connector {
    type Type = Pooled;
    type Error = Error;

    async fn create(&self) -> Result<Pooled, Error> {
        let _permit = self.permit().await?;
        let deadline = Instant::now() + self.connect_timeout;
        let mut pause = BACKOFF;
        let connection = loop {
            match self.target.connect().await {
                Ok(connection) => break connection,
                // A server that is full or starting up may answer in a moment; a wrong password will not get better.
                Err(error) if error.is_retryable() && Instant::now() + pause < deadline => {
                    tracing::warn!(error = %error, "a connection was refused; trying again");
                    tokio::time::sleep(jittered(pause)).await;
                    pause *= 2;
                }
                Err(error) => return Err(error),
            }
        };
        let now = Instant::now();
        // A little earlier at random, so that connections opened together are not closed together.
        let expires = self.recycle.map(|age| now + age.mul_f64(0.8) + jittered(age.mul_f64(0.2)));
        Ok(Pooled { connection: Arc::new(connection), expires, last_used: now, ending: None })
    }

    async fn recycle(&self, pooled: &mut Pooled, _metrics: &Metrics) -> RecycleResult<Error> {
        let unfit = |reason: &'static str| Err(RecycleError::message(reason));
        if let Some(ending) = pooled.ending.take() {
            // A task that did not end says nothing, and the connection is as it was.
            let _ = ending.await;
        }
        if !pooled.connection.is_usable() {
            return unfit("the connection is broken");
        }
        if pooled.connection.is_touched() && !self.single {
            return unfit("it is not known what was left on the connection");
        }
        if pooled.expires.is_some_and(|at| at <= Instant::now()) {
            return unfit("the connection is past its age");
        }
        if self.ping && pooled.last_used.elapsed() > PING_AFTER && !pooled.connection.ping(PING_DEADLINE).await {
            return unfit("the connection did not answer");
        }
        if !pooled.connection.learn_types(PING_DEADLINE).await {
            return unfit("the connection did not tell its types");
        }
        Ok(())
    }
}

impl Connector {
    /// The right to open a connection, waited for as long as the caller waits for one.
    async fn permit(&self) -> Result<SemaphorePermit<'_>, Error> {
        let patience = PATIENCE.try_with(|patience| *patience).unwrap_or(Patience::from_now(self.connect_timeout));
        match tokio::time::timeout_at(patience.end.into(), self.connecting.acquire()).await {
            Ok(permit) => permit.map_err(|_| closed()),
            Err(_) => Err(Error::new(
                ErrorKind::PoolTimeout,
                format!(
                    "get a connection within {:?}: as many are being opened as `max_connecting` allows; raise it, or ask why \
                     the database is slow to accept them",
                    patience.limit
                ),
            )),
        }
    }
}

/// How long a caller waits for a connection.
#[derive(Debug, Clone, Copy)]
struct Patience {
    limit: Duration,
    end: Instant,
}

impl Patience {
    fn from_now(limit: Duration) -> Self {
        Patience { limit, end: Instant::now() + limit }
    }
}

tokio::task_local! {
    /// That of the caller for whom deadpool opens a connection.
    static PATIENCE: Patience;
}

impl Pool {
    pub(crate) fn new(config: &DatabaseConfig, target: Target) -> Result<Self, Error> {
        let (kept, max) = match (config.pool_kind, target.single_connection()) {
            (_, true) => (1, 1),
            (PoolKind::Null, false) => (0, config.pool_size + config.pool_max_overflow),
            (PoolKind::Queue, false) => (config.pool_size, config.pool_size + config.pool_max_overflow),
        };
        let single = target.single_connection();
        let connector = Connector {
            connecting: Semaphore::new(config.max_connecting),
            connect_timeout: config.connect_timeout,
            // An in-memory database lives in its one connection.
            recycle: (!single).then_some(config.pool_recycle).flatten(),
            // It is not to be closed for being busy, either.
            ping: config.pool_pre_ping && !single,
            single,
            target,
        };
        let pool = managed::Pool::builder(connector)
            .max_size(max)
            .queue_mode(QueueMode::Lifo)
            .runtime(deadpool::Runtime::Tokio1)
            .build()
            .map_err(|error| Error::new(ErrorKind::Config, "build the connection pool").with_source(error))?;
        let shared = Shared {
            timeout: config.pool_timeout,
            kept,
            single,
            leased: AtomicUsize::new(0),
            returned: Notify::new(),
            returning: Mutex::new(()),
        };
        Ok(Pool { pool, shared: Arc::new(shared) })
    }

    /// A connection, waiting for one up to the pool's time-out, or not at all. Whether the wait is for one that comes back or
    /// for the turn to open one, it is the same time that passes.
    pub(crate) async fn lease(&self, wait: bool) -> Result<Lease, Error> {
        let timeouts = Timeouts {
            wait: Some(if wait { self.shared.timeout } else { Duration::ZERO }),
            create: None,
            recycle: None,
        };
        let patience = Patience::from_now(self.shared.timeout);
        match PATIENCE.scope(patience, self.pool.timeout_get(&timeouts)).await {
            Ok(object) => {
                self.shared.leased.fetch_add(1, Ordering::AcqRel);
                let connection = Arc::clone(&object.connection);
                Ok(Lease { object: Some(object), connection, shared: Arc::clone(&self.shared) })
            }
            Err(PoolError::Backend(error)) => Err(error),
            Err(PoolError::Closed) => Err(closed()),
            Err(PoolError::Timeout(TimeoutType::Wait)) if !wait => Err(Error::new(
                ErrorKind::PoolDeadlock,
                "open a second transaction: the pool is empty while this task holds a connection, so waiting for another \
                 could last for ever; raise `pool_size`, or do without `requires_new`",
            )),
            Err(_) => Err(Error::new(
                ErrorKind::PoolTimeout,
                format!(
                    "get a connection within {:?}: all {} are in use; raise `pool_size`, or shorten transactions",
                    self.shared.timeout,
                    self.pool.status().max_size
                ),
            )),
        }
    }

    pub(crate) fn status(&self) -> PoolStatus {
        let status = self.pool.status();
        PoolStatus {
            max_size: status.max_size,
            size: status.size,
            in_use: self.shared.leased.load(Ordering::Acquire),
            waiting: status.waiting,
        }
    }

    pub(crate) fn target(&self) -> &Target {
        &self.pool.manager().target
    }

    /// Refuses new leases and waits until those in use have come back; answers whether all did in time.
    pub(crate) async fn close(&self, deadline: Duration) -> bool {
        self.pool.close();
        let drained = async {
            loop {
                let returned = self.shared.returned.notified();
                if self.shared.leased.load(Ordering::Acquire) == 0 {
                    return;
                }
                returned.await;
            }
        };
        tokio::time::timeout(deadline, drained).await.is_ok()
    }
}

fn closed() -> Error {
    Error::new(ErrorKind::Connection, "get a connection: the session manager has been closed")
}

/// A connection on loan from the pool.
pub(crate) struct Lease {
    object: Option<managed::Object<Connector>>,
    connection: Arc<Connection>,
    shared: Arc<Shared>,
}

impl Lease {
    pub(crate) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// Whether closing the connection would be the end of the database.
    pub(crate) fn holds_database(&self) -> bool {
        self.shared.single && self.connection.is_usable()
    }

    /// Returns a connection at once, behind the end of a transaction that nobody waits for. Where that is to undo what a user's
    /// own text left, whoever uses the connection next learns first whether it did.
    pub(crate) fn release_behind(mut self, last: Pending) {
        // A database in memory undoes it ahead of whatever is sent next.
        if !self.connection.is_touched() || self.shared.single {
            return self.release_now();
        }
        let Ok(runtime) = Handle::try_current() else { return };
        let connection = Arc::clone(&self.connection);
        let ending = runtime.spawn(async move {
            // A failure shows in the connection.
            let answers = tokio::time::timeout(RESTORE_DEADLINE, last).await.is_ok();
            if connection.is_touched() && !(answers && connection.reset(RESTORE_DEADLINE).await) {
                connection.close();
            }
        });
        if let Some(object) = &mut self.object {
            object.ending = Some(ending);
        }
        self.release_now();
    }

    /// Returns a connection that is clean: nothing of the session is left on it. What a user's own text left, where it was not
    /// undone with the end of that, is undone first, in the background.
    pub(crate) fn release(self) {
        if !self.connection.is_touched() || !self.connection.is_usable() {
            return self.release_now();
        }
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                if self.connection.reset(RESTORE_DEADLINE).await {
                    self.release_now();
                }
            });
        }
    }

    fn release_now(mut self) {
        if let Some(mut object) = self.object.take() {
            object.last_used = Instant::now();
            // One after the other, so that each sees those that came back before it.
            let _turn = self.shared.returning.lock().unwrap_or_else(PoisonError::into_inner);
            let idle = managed::Object::pool(&object).map(|pool| pool.status().available);
            let surplus = idle.is_none_or(|idle| idle >= self.shared.kept);
            if surplus || !self.connection.is_usable() {
                drop(managed::Object::take(object));
            } else {
                drop(object);
            }
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(object) = self.object.take() {
            if self.holds_database() && self.connection.reset_behind() {
                drop(object);
            } else {
                drop(managed::Object::take(object));
            }
        }
        self.shared.leased.fetch_sub(1, Ordering::AcqRel);
        self.shared.returned.notify_waiters();
    }
}

impl std::fmt::Debug for Lease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lease").field("connection", &self.connection).finish()
    }
}
