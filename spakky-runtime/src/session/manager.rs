//! The session manager: one database, its pool, and the way into scopes.

mod alone;
mod tables;

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tracing::Span;

use super::checked::CheckedTables;
use super::{PlainSql, Session, SessionStatistics, Transaction, UndoneVersions, check_runtime, find_session};
use crate::backend::{Backend, Burst, BurstResult, Connection, Draw, Pending, Statement, Step};
use crate::config::DatabaseConfig;
use crate::connect::Target;
use crate::error::{Error, ErrorKind};
use crate::mutation::{Listeners, MutationEvent};
use crate::pool::{Lease, Pool, PoolStatus};
use crate::repository::Repository;
use crate::schema::Table;
use crate::statement::RaiseStyle;
use crate::transaction::{
    Body, Outcome, Policy, Propagation, Question, TransactionMode, TransactionOptions, Unstoppable, commit_token,
    run_once,
};

/// How long the outcome of a COMMIT is asked for whose answer did not come.
const RESOLVE_LIMIT: Duration = Duration::from_secs(10);

/// A session that is being opened.
pub(crate) type Opening = BoxFuture<'static, Result<Session, Error>>;

/// One database and its connections. Cheap to clone; clones share the pool.
///
/// The URL decides the backend: `postgres://…` or `sqlite://file.db`.
///
/// ```no_run
/// # async fn example() -> Result<(), spakky_runtime::Error> {
/// use spakky_runtime::session::SessionManager;
///
/// let sessions = SessionManager::connect("sqlite://orders.db").await?;
/// sessions.ping().await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct SessionManager {
    inner: Arc<Inner>,
    /// By which its scopes are found: that of the primary, for a replica of it.
    scope: u64,
    /// It is there to be read from, as the registry hands it out.
    reader: bool,
}

struct Inner {
    id: u64,
    config: DatabaseConfig,
    backend: Backend,
    pool: Pool,
    checked: CheckedTables,
    totals: Totals,
    /// How many commit tokens were written.
    commit_tokens: AtomicU64,
    listeners: Arc<Listeners>,
    undone_versions: UndoneVersions,
    #[cfg(feature = "testing")]
    recorders: crate::testing::recorder::Recorders,
    /// The transaction around a whole test, in which all others are.
    #[cfg(feature = "testing")]
    enclosing: std::sync::Mutex<Option<Session>>,
}

/// What all sessions of the manager sent, and the reads outside any.
#[derive(Default)]
struct Totals {
    statements: AtomicU64,
    round_trips: AtomicU64,
    rows_read: AtomicU64,
    rows_written: AtomicU64,
}

impl SessionManager {
    /// Connects to the database at `url` with default settings.
    ///
    /// # Errors
    /// [`is_config`](Error::is_config) for a URL that is none or whose backend is not compiled in;
    /// [`is_connection`](Error::is_connection) if the database cannot be reached.
    pub async fn connect(url: impl Into<String>) -> Result<Self, Error> {
        Self::from_config(DatabaseConfig::new(url.into())).await
    }

    /// Connects with these settings.
    ///
    /// # Errors
    /// As [`connect`](Self::connect), and for any setting out of range, named.
    pub async fn from_config(config: DatabaseConfig) -> Result<Self, Error> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        config.validate()?;
        let target = Target::new(&config)?;
        let backend = target.backend();
        let pool = Pool::new(&config, target)?;
        let asks_catalog = config.catalog_guard && pool.target().has_catalog();
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let manager = SessionManager {
            scope: id,
            reader: false,
            inner: Arc::new(Inner {
                id,
                config,
                backend,
                pool,
                checked: CheckedTables::new(asks_catalog),
                totals: Totals::default(),
                commit_tokens: AtomicU64::new(0),
                listeners: Arc::default(),
                undone_versions: UndoneVersions::default(),
                #[cfg(feature = "testing")]
                recorders: Default::default(),
                #[cfg(feature = "testing")]
                enclosing: Default::default(),
            }),
        };
        manager.ping().await?;
        Ok(manager)
    }

    /// Connects with settings from environment variables: `SPAKKY_DB__URL`, `SPAKKY_DB__POOL_SIZE` and so on.
    ///
    /// # Errors
    /// As [`from_config`](Self::from_config).
    pub async fn from_env() -> Result<Self, Error> {
        Self::from_config(DatabaseConfig::from_env()?).await
    }

    /// The versions that undone units of work gave to values.
    pub(crate) fn undone_versions(&self) -> &UndoneVersions {
        &self.inner.undone_versions
    }

    /// The backend that the URL chose.
    pub fn backend(&self) -> Backend {
        self.inner.backend
    }

    /// The settings in force.
    pub fn config(&self) -> &DatabaseConfig {
        &self.inner.config
    }

    /// A repository of this database.
    pub fn repository<Row: Table>(&self) -> Repository<Row> {
        Repository::new(self)
    }

    /// Runs `body` in a transaction: `Ok` commits, `Err` rolls back and comes back unchanged.
    ///
    /// ```no_run
    /// # async fn example(sessions: spakky_runtime::session::SessionManager) -> Result<(), spakky_runtime::Error> {
    /// use spakky_runtime::transaction::TransactionOptions;
    ///
    /// sessions
    ///     .transaction(TransactionOptions::new().name("pay order"), async |session| {
    ///         session.sql("UPDATE orders SET status = 'paid'").execute().await?;
    ///         Ok::<_, spakky_runtime::Error>(())
    ///     })
    ///     .await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// The body's error, or through `From` whatever kept the transaction from committing. `retry` in the options needs a
    /// body that can run again: use [`transaction_with_retry`](Self::transaction_with_retry) for it.
    ///
    /// # Cancellation
    /// Dropping the future rolls back, unless COMMIT was already sent.
    pub async fn transaction<T, E, F>(&self, options: TransactionOptions, body: F) -> Result<T, E>
    where
        F: AsyncFnOnce(Session) -> Result<T, E>,
        E: From<Error>,
    {
        if options.retry.is_some() {
            let message = "retry a body that can run only once; use `transaction_with_retry`";
            return Err(Error::new(ErrorKind::InvalidTransaction, message).into());
        }
        self.check_gives_session(&options)?;
        let body = std::pin::pin!(Some(async move { body(Session::current()?).await }));
        let body: Body<'_, _> = body;
        run_once(self, &options, body, &Policy::default()).await
    }

    /// Runs `body` in a transaction, again after a failure that the options' retry policy covers.
    ///
    /// An async closure is such a body, as long as it changes nothing around it; one that counts its runs is written
    /// `|session| { runs += 1; async move { … } }`.
    ///
    /// # Errors
    /// As [`transaction`](Self::transaction), from the last attempt.
    ///
    /// # Cancellation
    /// Dropping the future rolls back, unless COMMIT was already sent.
    pub async fn transaction_with_retry<T, E, F, Fut>(&self, options: TransactionOptions, mut body: F) -> Result<T, E>
    where
        F: FnMut(Session) -> Fut,
        Fut: Future<Output = Result<T, E>>,
        E: From<Error>,
    {
        self.check_gives_session(&options)?;
        let mut retry = crate::transaction::Retry::new(&options);
        loop {
            let attempt = std::pin::pin!(Some(async { body(Session::current()?).await }));
            match crate::transaction::run(self, &options, attempt, &Policy::default(), &mut retry).await {
                crate::transaction::Attempt::Done(result) => return result,
                crate::transaction::Attempt::Again => {}
            }
        }
    }

    /// A body that takes a session needs a scope that has one.
    fn check_gives_session(&self, options: &TransactionOptions) -> Result<(), Error> {
        let gives = match options.propagation {
            Propagation::Never | Propagation::NotSupported => false,
            Propagation::Supports => self.find_current().is_some(),
            Propagation::Required | Propagation::RequiresNew | Propagation::Nested | Propagation::Mandatory => true,
        };
        if gives {
            return Ok(());
        }
        let message = format!(
            "give the body of `{}` a session: with this propagation it runs without a transaction here; use \
             `#[transactional]`, whose body takes none",
            options.display_name()
        );
        Err(Error::new(ErrorKind::InvalidTransaction, message))
    }

    /// Opens a transaction that the caller ends. Dropping it rolls back.
    pub fn begin(&self) -> Transaction {
        self.begin_with(TransactionOptions::new())
    }

    /// Opens a transaction with options that the caller ends. `timeout` and `retry`, which need a body, have no effect
    /// here; the propagation is always `requires_new`.
    pub fn begin_with(&self, options: TransactionOptions) -> Transaction {
        let options = options.propagation(Propagation::RequiresNew);
        let opened = options.check().and_then(|()| self.open_now(&options));
        Transaction::new(opened.unwrap_or_else(|error| {
            let session = self.open(&options, 1);
            session.state().doom(0, error.to_string());
            session
        }))
    }

    /// Opens a read-only transaction that the caller ends.
    pub fn read_only(&self) -> Transaction {
        self.begin_with(TransactionOptions::new().read_only().name("read-only"))
    }

    /// The session of the scope around this place, for this database.
    ///
    /// # Errors
    /// [`is_no_session`](Error::is_no_session) outside any scope of this manager.
    pub fn current(&self) -> Result<Session, Error> {
        self.find_current().ok_or_else(|| {
            Error::new(
                ErrorKind::NoSession,
                "find a session of this database: there is no scope of it around this call; use `#[transactional]` or \
                 `sessions.transaction(..)`",
            )
        })
    }

    /// The same as [`current`](Self::current).
    ///
    /// # Errors
    /// As [`current`](Self::current).
    pub fn session(&self) -> Result<Session, Error> {
        self.current()
    }

    /// Plain SQL, with values as `$1`, `$2`, …: in the scope of this manager around the place where it is sent, as
    /// repositories do; outside any, in a transaction of its own, with the settings of the request's context. (Statements
    /// that PostgreSQL runs outside of transactions alone, such as `VACUUM`, have none.)
    pub fn sql(&self, sql: impl Into<String>) -> PlainSql {
        PlainSql::new(self.clone(), None, sql.into())
    }

    /// Calls `listener` with what each transaction of this manager's sessions wrote, statement by statement, once its COMMIT
    /// was confirmed: for caches, read models, metrics. Writes outside a scope ([`autocommit`]) are told too, those of a
    /// transaction or a nested scope that was rolled back never; nor what plain SQL and lent connections do, nor a
    /// transaction whose outcome stays unknown.
    ///
    /// Events of one row with a version come in the order in which its transactions were committed. (Those of a row that
    /// was deleted and added anew may not.)
    ///
    /// The listener runs in the task that waits for the COMMIT, ahead of its after-commit hooks; it should be quick, and
    /// hand longer work to a channel. A panic in it is logged.
    ///
    /// [`autocommit`]: crate::Repository::autocommit
    pub fn on_mutation(&self, listener: impl Fn(&MutationEvent) + Send + Sync + 'static) {
        self.inner.listeners.add(Arc::new(listener));
    }

    /// Subscribes to what the server says beside its answers on any connection of the pool, from now on (PostgreSQL): `RAISE NOTICE`
    /// and the like. One arrives when the answer that it comes with is read.
    ///
    /// # Errors
    /// [`is_config`](Error::is_config) on SQLite.
    #[cfg(feature = "postgres")]
    pub fn notices(&self) -> Result<crate::postgres::Notices, Error> {
        self.inner.pool.target().notices()
    }

    /// Listens, on a connection of its own beside the pool, to what is sent to these channels by `NOTIFY` (PostgreSQL). The names
    /// are taken as they are: `NOTIFY Orders` without quotes sends to `orders`.
    ///
    /// # Errors
    /// [`is_config`](Error::is_config) for no name or one that cannot be, on SQLite, and behind a pooler that gives its
    /// connections to one program after another; else as for any connection.
    #[cfg(feature = "postgres")]
    pub async fn listen(
        &self,
        channels: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<crate::postgres::Listener, Error> {
        let channels = channels.into_iter().map(Into::into).collect();
        self.inner.pool.target().listen(channels).await
    }

    /// Whether the database compares by rules of its own: one in memory compares as the program does.
    pub(crate) fn has_catalog(&self) -> bool {
        self.inner.pool.target().has_catalog()
    }

    pub(super) fn checked_tables(&self) -> &CheckedTables {
        &self.inner.checked
    }

    pub(crate) fn listeners(&self) -> &Arc<Listeners> {
        &self.inner.listeners
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// [`is_connection`](Error::is_connection) or [`is_pool_timeout`](Error::is_pool_timeout) if not.
    ///
    /// # Cancellation
    /// Dropping the future has no effect.
    pub async fn ping(&self) -> Result<(), Error> {
        let lease = self.lease(true).await?;
        let limit = self.inner.config.connect_timeout;
        let asking = async move {
            let answers = lease.connection().ping(limit).await;
            if answers {
                lease.release();
            }
            answers
        };
        if Unstoppable::new(Handle::try_current().ok(), Span::none(), drop, asking).await {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Connection, "reach the database: it did not answer a ping"))
    }

    /// The pool's counts.
    pub fn status(&self) -> PoolStatus {
        self.inner.pool.status()
    }

    /// What was sent since the manager was made, by all its sessions and by reads outside any.
    pub fn statistics(&self) -> SessionStatistics {
        let totals = &self.inner.totals;
        SessionStatistics {
            statements: totals.statements.load(Ordering::Relaxed),
            round_trips: totals.round_trips.load(Ordering::Relaxed),
            rows_read: totals.rows_read.load(Ordering::Relaxed),
            rows_written: totals.rows_written.load(Ordering::Relaxed),
        }
    }

    /// Adds to the totals.
    pub(crate) fn count(&self, more: SessionStatistics) {
        let totals = &self.inner.totals;
        totals.statements.fetch_add(more.statements, Ordering::Relaxed);
        totals.round_trips.fetch_add(more.round_trips, Ordering::Relaxed);
        totals.rows_read.fetch_add(more.rows_read, Ordering::Relaxed);
        totals.rows_written.fetch_add(more.rows_written, Ordering::Relaxed);
    }

    /// Refuses new work and waits until the work in progress has ended and all connections are back.
    ///
    /// # Errors
    /// [`is_timeout`](Error::is_timeout) if some work did not end within `deadline`; the pool stays closed.
    pub async fn close(&self, deadline: Duration) -> Result<(), Error> {
        check_runtime()?;
        if self.inner.pool.close(deadline).await {
            return Ok(());
        }
        let left = self.status().in_use;
        Err(Error::new(ErrorKind::Timeout, format!("close within {deadline:?}: {left} connections are still in use")))
    }

    /// Whether transactions write a row by which their outcome is known.
    pub(crate) fn writes_commit_tokens(&self) -> bool {
        self.inner.config.commit_token && self.backend() == Backend::Postgres
    }

    /// By which the scopes of this database, and of replicas of it, are found.
    pub(crate) fn id(&self) -> u64 {
        self.scope
    }

    /// Whether both hand out connections of the same pool.
    pub(crate) fn shares_pool(&self, other: &SessionManager) -> bool {
        self.inner.id == other.inner.id
    }

    /// The same database as one to read what `primary` has, in scopes that the repositories of `primary` find.
    pub(crate) fn reader_of(&self, primary: &SessionManager) -> SessionManager {
        SessionManager { inner: Arc::clone(&self.inner), scope: primary.scope, reader: true }
    }

    /// Whether it was handed out to be read from, so that a read-only scope may be part of one that writes.
    pub(crate) fn is_reader(&self) -> bool {
        self.reader
    }

    pub(crate) fn find_current(&self) -> Option<Session> {
        find_session(self.id())
    }

    /// A session for the `attempt`-th run of a scope that has a transaction of its own.
    /// Where it has to wait for its turn, the future of it: a test's, which is no part of other futures.
    pub(crate) fn open_root(&self, options: &TransactionOptions, attempt: u32) -> Result<Session, Opening> {
        #[cfg(feature = "testing")]
        if let Some(outer) = self.enclosing() {
            let options = *options;
            return Err(Box::pin(async move { outer.begin_enclosed(&options, attempt).await }));
        }
        Ok(self.open(options, attempt))
    }

    /// The same for a caller that cannot wait.
    fn open_now(&self, options: &TransactionOptions) -> Result<Session, Error> {
        #[cfg(feature = "testing")]
        if let Some(outer) = self.enclosing() {
            return outer.begin_enclosed_now(options);
        }
        Ok(self.open(options, 1))
    }

    /// A session with a transaction of the database's.
    pub(crate) fn open(&self, options: &TransactionOptions, attempt: u32) -> Session {
        Session::new(self.clone(), options, attempt)
    }

    pub(crate) async fn lease(&self, wait: bool) -> Result<Lease, Error> {
        self.lease_inside(&Span::none(), wait).await
    }

    /// The same for work that belongs to a span which is not the current one.
    pub(crate) async fn lease_inside(&self, around: &Span, wait: bool) -> Result<Lease, Error> {
        check_runtime()?;
        // Pinned here: as an argument of another future it would be stored twice.
        let waiting = pin!(self.inner.pool.lease(wait));
        self.observe_wait(around, waiting).await
    }

    /// How guarded statements report a miss on this database.
    pub(crate) fn raise_style(&self) -> RaiseStyle {
        self.inner.pool.target().raise_style()
    }

    /// The mode of a transaction with the settings that travel with its BEGIN.
    pub(crate) fn transaction_mode(&self, mode: &TransactionMode) -> TransactionMode {
        let mut mode = mode.clone();
        self.inner.pool.target().add_settings(&mut mode);
        mode
    }

    /// What became of a transaction that was lost with its connection, asked on another.
    pub(crate) async fn resolve_outcome(&self, lost: &Connection, question: Option<Question>) -> Outcome {
        let Some(question) = question else { return Outcome::Unknown };
        let end = tokio::time::Instant::now() + RESOLVE_LIMIT;
        loop {
            let Ok(Ok(lease)) = tokio::time::timeout_at(end, self.lease(true)).await else { return Outcome::Unknown };
            let left = end.saturating_duration_since(tokio::time::Instant::now());
            let outcome = crate::connect::resolve(lease.connection(), lost, &question, left).await;
            if outcome != Outcome::Unknown || lease.connection().is_usable() {
                lease.release();
                return outcome;
            }
            // What broke the one connection has often broken those that lay idle, and the pool has not noticed yet.
        }
    }

    /// Now and then has commit tokens removed that nobody will ask for any more, behind a COMMIT that was answered. Nobody
    /// waits for it.
    pub(crate) fn sweep_commit_tokens(&self, lease: &Lease) {
        if self.inner.commit_tokens.fetch_add(1, Ordering::Relaxed).is_multiple_of(commit_token::SWEPT_EVERY) {
            let sweep = vec![Step::Statement(commit_token::sweep())];
            self.echo(&sweep);
            self.count(SessionStatistics { statements: 1, ..SessionStatistics::default() });
            drop(lease.connection().send(sweep));
        }
    }

    /// Waits for the answer to a burst, up to the statement time-out where the database does not keep it itself.
    pub(crate) async fn answered(&self, connection: &Connection, pending: &mut Pending) -> BurstResult {
        match self.inner.config.statement_timeout {
            Some(limit) if self.inner.backend == Backend::Sqlite => {
                match tokio::time::timeout(limit, &mut *pending).await {
                    Ok(result) => result,
                    Err(_) => {
                        connection.cancel().await;
                        pending.await
                    }
                }
            }
            _ => pending.await,
        }
    }

    /// Logs one statement, if the settings say so.
    pub(crate) fn echo_statement(&self, statement: &Statement) {
        self.echo_sql(&statement.sql);
    }

    /// Logs a burst's statements, if the settings say so.
    pub(crate) fn echo(&self, burst: &Burst) {
        for step in burst {
            self.echo_sql(match step {
                Step::Statement(statement) | Step::Draw(Draw { statement, .. }) => &statement.sql,
                Step::Control(sql) => sql,
                Step::Begin(_) => "BEGIN",
                Step::Commit => "COMMIT",
                Step::Rollback => "ROLLBACK",
            });
        }
    }

    fn echo_sql(&self, sql: &str) {
        if self.inner.config.echo {
            tracing::info!(target: "spakky::sql", "{sql}");
        }
        // What the manager asks for itself, once, is not what a test expects of its program.
        #[cfg(feature = "testing")]
        if !crate::statement::is_catalog_guard(sql) {
            self.inner.recorders.note(sql);
        }
    }

    #[cfg(feature = "testing")]
    pub(super) fn enclosing_slot(&self) -> std::sync::MutexGuard<'_, Option<Session>> {
        self.inner.enclosing.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    #[cfg(feature = "testing")]
    pub(crate) fn recorders(&self) -> &crate::testing::recorder::Recorders {
        &self.inner.recorders
    }
}

impl std::fmt::Debug for SessionManager {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionManager")
            .field("backend", &self.inner.backend)
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}
