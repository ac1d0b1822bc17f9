//! A database of its own for each test, and the frame in which a test runs.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use spakky::config::{DatabaseConfig, Pooler};
use spakky::testing::TestDatabase;
use spakky::{Backend, SessionManager};
use tracing_subscriber::layer::SubscriberExt;

use super::log::SqlLog;
use super::{bank, eventually};

/// How long a test's sessions wait for a connection or a lock: what is held comes free sooner on any machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// A test that takes longer than this hangs.
const LIMIT: Duration = Duration::from_secs(180);

/// The same where the environment asks for more cases than usual.
fn limit() -> Duration {
    if std::env::var_os("SPAKKY_FAULTS_CASES").is_some() { LIMIT * 20 } else { LIMIT }
}

/// Where a test's database is, as its sessions see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Sqlite,
    Postgres,
    /// PostgreSQL by way of a PgBouncer in transaction mode, which has two server connections for all that come.
    PgBouncer,
}

impl From<Backend> for Place {
    fn from(backend: Backend) -> Self {
        match backend {
            Backend::Postgres => Place::Postgres,
            _ => Place::Sqlite,
        }
    }
}

/// One test's database with the bank's tables in it.
#[derive(Clone)]
pub(crate) struct Database {
    /// The sessions under test: a pool of four connections that logs its SQL.
    pub(crate) sessions: SessionManager,
    /// Connections of their own, to look at what others can see.
    observer: SessionManager,
    log: SqlLog,
    place: Place,
    url: String,
    home: Arc<TestDatabase>,
}

impl Database {
    async fn new(place: Place, log: SqlLog) -> Self {
        let home = match place {
            Place::Sqlite => TestDatabase::sqlite().unwrap(),
            Place::Postgres | Place::PgBouncer => TestDatabase::postgres().await.unwrap(),
        };
        let direct = if place == Place::PgBouncer { Place::Postgres } else { place };
        let observer = SessionManager::from_config(patient(home.url(), direct).pool_size(2)).await.unwrap();
        observer.create_tables(&bank::tables()).await.unwrap();
        let url = if place == Place::PgBouncer { behind_pgbouncer(home.url()) } else { home.url().to_owned() };
        let sessions = SessionManager::from_config(patient(&url, place).pool_size(4).echo(true)).await.unwrap();
        log.take();
        log.take_asked();
        Database { sessions, observer, log, place, url, home: Arc::new(home) }
    }

    pub(crate) fn backend(&self) -> Backend {
        self.sessions.backend()
    }

    pub(crate) fn is_sqlite(&self) -> bool {
        self.backend() == Backend::Sqlite
    }

    /// How its sessions get there.
    pub(crate) fn place(&self) -> Place {
        self.place
    }

    /// Where the database is.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Settings for another pool on the same database.
    pub(crate) fn config(&self) -> DatabaseConfig {
        self.config_by(&self.url)
    }

    /// Settings for a pool that gets to the same database by another URL, such as a proxy's.
    pub(crate) fn config_by(&self, url: &str) -> DatabaseConfig {
        patient(url, self.place)
    }

    /// Another pool on the same database.
    pub(crate) async fn connect(&self, change: impl FnOnce(DatabaseConfig) -> DatabaseConfig) -> SessionManager {
        SessionManager::from_config(change(self.config())).await.unwrap()
    }

    /// What others see.
    pub(crate) fn observer(&self) -> &SessionManager {
        &self.observer
    }

    /// Runs SQL as somebody else.
    pub(crate) async fn execute(&self, sql: &str) {
        self.observer.sql(sql).execute().await.unwrap();
    }

    /// What one column of a query shows to others, in order.
    pub(crate) async fn numbers(&self, sql: &str) -> Vec<i64> {
        let rows: Vec<(i64,)> = self.observer.sql(sql).fetch_all().await.unwrap();
        rows.into_iter().map(|(number,)| number).collect()
    }

    /// The statements that the sessions under test sent since this was last asked. Those of spawned tasks are not seen.
    pub(crate) fn sent(&self) -> Vec<String> {
        self.log.take()
    }

    /// How often they asked the catalog ahead of a first write since this was last asked.
    pub(crate) fn catalog_asked(&self) -> usize {
        self.log.take_asked()
    }

    /// Has every write of accounts and postings take a while on SQLite, which otherwise may have answered a call before
    /// it is polled for the first time.
    pub(crate) async fn slow_down(&self) {
        if !self.is_sqlite() {
            return;
        }
        for (table, event) in [("accounts", "INSERT"), ("accounts", "UPDATE"), ("postings", "INSERT")] {
            let work = "SELECT max(x) FROM (WITH RECURSIVE n(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n LIMIT 30000) \
                        SELECT x FROM n)";
            self.execute(&format!(
                "CREATE TRIGGER IF NOT EXISTS slow_{table}_{event} BEFORE {event} ON {table} BEGIN {work}; END"
            ))
            .await;
        }
    }

    /// Waits until no connection of the sessions under test is in use or in a transaction.
    pub(crate) async fn is_at_rest(&self) {
        eventually("the pool is full again", Duration::from_secs(60), async || self.sessions.status().in_use == 0)
            .await;
        if self.backend() == Backend::Postgres {
            let open = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                        AND state LIKE 'idle in transaction%'";
            eventually("no transaction is left open", Duration::from_secs(60), async || {
                self.numbers(open).await == [0]
            })
            .await;
        }
    }
}

/// Settings with which nothing fails for want of time.
fn patient(url: &str, place: Place) -> DatabaseConfig {
    let config = DatabaseConfig::new(url).pool_timeout(PATIENCE).connect_timeout(PATIENCE);
    match place {
        Place::Sqlite => config.lock_timeout(PATIENCE),
        // Waits for a lock for ever unless it is told otherwise.
        Place::Postgres => config,
        Place::PgBouncer => config.pooler(Pooler::PgBouncer),
    }
}

/// The same database by way of the PgBouncer that stands in front of the server.
fn behind_pgbouncer(url: &str) -> String {
    const VARIABLE: &str = "SPAKKY_TEST_PGBOUNCER_URL";
    let pooler = std::env::var(VARIABLE).unwrap_or_else(|_| {
        panic!("`{VARIABLE}` is not set; run the tests with `cargo xtask test`, which starts a PgBouncer")
    });
    let (_, database) = url.rsplit_once('/').unwrap();
    let (server, _) = pooler.rsplit_once('/').unwrap();
    format!("{server}/{database}")
}

/// Has somebody listen on every thread. Otherwise tracing may take note that nobody listens to a place in the code while
/// another test begins to, and leave that test without its events.
pub(crate) fn listen_everywhere() {
    static LISTENS: std::sync::Once = std::sync::Once::new();
    LISTENS.call_once(|| {
        tracing::subscriber::set_global_default(tracing_subscriber::registry()).unwrap();
    });
}

/// Runs one test on a runtime of its own, in a database of its own, and makes sure that it leaves nothing behind.
pub(crate) fn run<F: Future<Output = ()>>(place: impl Into<Place>, test: impl FnOnce(Database) -> F) {
    let place: Place = place.into();
    listen_everywhere();
    let log = SqlLog::default();
    let subscriber = tracing_subscriber::registry().with(log.clone());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let home = tracing::subscriber::with_default(subscriber, || {
        runtime.block_on(async {
            let database = Database::new(place, log).await;
            let home = Arc::clone(&database.home);
            let body = async {
                test(database.clone()).await;
                database.is_at_rest().await;
            };
            tokio::time::timeout(limit(), body).await.unwrap_or_else(|_| panic!("the test hangs"));
            home
        })
    });
    runtime.shutdown_timeout(PATIENCE);
    drop(home);
}

/// Makes a test for each backend of async functions that take a [`Database`]: `sqlite::name` and `postgres::name`.
macro_rules! on_each_backend {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[test]
            fn $name() {
                $crate::support::run(spakky::Backend::Sqlite, super::$name);
            })+
        }

        mod postgres {
            $(#[test]
            fn $name() {
                $crate::support::run(spakky::Backend::Postgres, super::$name);
            })+
        }
    };
}

/// Makes a test on PostgreSQL of async functions that take a [`Database`].
macro_rules! on_postgres {
    ($($name:ident),+ $(,)?) => {
        mod postgres {
            $(#[test]
            fn $name() {
                $crate::support::run(spakky::Backend::Postgres, super::$name);
            })+
        }
    };
}

/// Makes a test on SQLite of async functions that take a [`Database`].
macro_rules! on_sqlite {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[test]
            fn $name() {
                $crate::support::run(spakky::Backend::Sqlite, super::$name);
            })+
        }
    };
}

/// Makes a test of async functions that take a [`Database`], with a PgBouncer between it and PostgreSQL.
macro_rules! on_pgbouncer {
    ($($name:ident),+ $(,)?) => {
        mod pgbouncer {
            $(#[test]
            fn $name() {
                $crate::support::run($crate::support::Place::PgBouncer, super::$name);
            })+
        }
    };
}

pub(crate) use {on_each_backend, on_pgbouncer, on_postgres, on_sqlite};
