//! A database on a PostgreSQL server.
//!
//! Creating and dropping is done on threads of their own: a `Drop` cannot await, the test's runtime may be gone or
//! its clock paused.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

use super::name::{self, Name};
use super::{say, tell};
use crate::backend::postgres::{PostgresConnection, PostgresOptions, PostgresTarget};
use crate::backend::{Bind, Statement, Step};
use crate::config::DatabaseConfig;
use crate::error::{DatabaseError, Error, ErrorKind};
use crate::value::{ColumnValue, Value};

/// The environment variable that names the server.
pub(super) const VARIABLE: &str = "SPAKKY_TEST_POSTGRES_URL";

/// How long creating a database may take.
const CREATE_LIMIT: Duration = Duration::from_secs(120);

/// How long dropping one may take; it holds up the end of a test. The server itself gives sessions five seconds to go.
const DROP_LIMIT: Duration = Duration::from_secs(10);

/// How long nothing is said of it.
const DROP_PATIENCE: Duration = Duration::from_secs(2);

/// Whether this process has looked for leftovers.
static SWEPT: AtomicBool = AtomicBool::new(false);

/// A server where databases can be made.
#[derive(Clone)]
pub(super) struct Server {
    url: String,
    options: PostgresOptions,
}

/// A database that is dropped when this is.
pub(super) struct Database {
    server: Server,
    name: String,
    url: String,
    /// Dropping it was tried.
    dropped: AtomicBool,
}

impl Server {
    /// The server that the value of [`VARIABLE`] names.
    pub(super) fn from_variable(value: Option<String>) -> Result<Self, Error> {
        let Some(url) = value.filter(|url| !url.trim().is_empty()) else {
            return Err(config_error(
                "is not set; run `cargo xtask test`, or set it to the URL of a server where databases may be created \
                 (`eval \"$(cargo xtask services up)\"` starts one)",
            ));
        };
        let config =
            DatabaseConfig::new(url.as_str()).application_name("spakky test database").connect_timeout(CREATE_LIMIT);
        let target = PostgresTarget::new(&config).ok().filter(|_| with_database(&url, "x").is_some());
        let target = target.ok_or_else(|| config_error("is not a URL like `postgres://user@host:port/database`"))?;
        Ok(Server { url, options: target.into_options() })
    }

    /// Makes an empty database.
    pub(super) async fn create(self) -> Result<Database, Error> {
        let name = name::unique();
        let url = with_database(&self.url, &name).unwrap_or_default();
        let (answer, answered) = oneshot::channel();
        let server = self.clone();
        // Dropped by whoever holds it last: by the thread, if nobody waits for the answer any more.
        let database = Database { server: self, name, url, dropped: AtomicBool::new(false) };
        let work = async move {
            let connection = match server.connect().await {
                Ok(connection) => connection,
                Err(error) => return drop(answer.send(Err(error))),
            };
            let statement = format!(
                "CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'",
                database.name
            );
            let made = run(&connection, &statement, Vec::new()).await.map(|_| database);
            // A database that is not taken is dropped here, on a thread of its own again.
            drop(answer.send(made.map_err(|error| server_error("create a test database", error))));
            if !SWEPT.swap(true, Ordering::Relaxed) {
                sweep(&connection).await;
            }
        };
        // The thread ends by itself; nobody waits for its sweeping.
        on_own_thread(CREATE_LIMIT, work).map_err(|error| thread_error("create a test database", error))?;
        answered.await.unwrap_or_else(|_| {
            let message = format!("create a test database: the server took longer than {CREATE_LIMIT:?}");
            Err(Error::new(ErrorKind::Timeout, message))
        })
    }

    async fn connect(&self) -> Result<PostgresConnection, Error> {
        let failed = |error| server_error(&format!("connect to the server of `{VARIABLE}`"), error);
        PostgresConnection::connect(&self.options).await.map_err(failed)
    }
}

impl Database {
    /// Its URL.
    pub(super) fn url(&self) -> &str {
        &self.url
    }
}

impl Database {
    /// Drops it, unless that was tried before. Blocks, at most for [`DROP_LIMIT`]; tells on standard error that it takes long.
    pub(super) fn remove(&self) -> Result<(), Error> {
        if self.dropped.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        let (server, name) = (self.server.clone(), self.name.clone());
        let action = format!("drop the test database `{name}`");
        let (answer, answered) = std::sync::mpsc::channel();
        let doing = action.clone();
        let work = async move {
            let statement = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
            let dropped = match server.connect().await {
                Ok(connection) => run(&connection, &statement, Vec::new()).await,
                Err(error) => return drop(answer.send(Err(error))),
            };
            drop(answer.send(dropped.map(drop).map_err(|error| server_error(&doing, error))));
        };
        on_own_thread(DROP_LIMIT, work).map_err(|error| thread_error(&action, error))?;
        // Waiting keeps a process from ending before its last database is gone. The thread gives up before this does.
        let taken = answered.recv_timeout(DROP_PATIENCE).or_else(|_| {
            say(&format!("waits for the server, for up to {DROP_LIMIT:?}, to {action}"));
            answered.recv_timeout(DROP_LIMIT)
        });
        taken.unwrap_or_else(|_| {
            let message =
                format!("{action}: the server took longer than {DROP_LIMIT:?}; it is left to a later run, or to you");
            Err(Error::new(ErrorKind::Timeout, message))
        })
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Err(error) = self.remove() {
            tell(&error);
        }
    }
}

/// Drops what dead processes left and nobody uses. Whatever fails is for the next process to try.
async fn sweep(connection: &PostgresConnection) {
    let unused = "SELECT datname::text FROM pg_database d WHERE starts_with(datname::text, $1) \
                  AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.datid = d.oid)";
    let Ok(rows) = run(connection, unused, vec![text(name::PREFIX)]).await else { return };
    for name in rows.into_iter().flatten() {
        let Value::Text(name) = name else { continue };
        if Name::parse(&name).is_some_and(Name::is_leftover) {
            let _ = run(connection, &format!("DROP DATABASE IF EXISTS {name}"), Vec::new()).await;
        }
    }
}

/// Runs one statement, in no transaction of ours; answers with its rows.
async fn run(connection: &PostgresConnection, sql: &str, binds: Vec<Bind>) -> Result<Vec<Vec<Value>>, DatabaseError> {
    let statement = Statement { sql: sql.into(), cached: false, ..Statement::plain("", binds) };
    let answers = connection.send(vec![Step::Statement(statement)]).await.map_err(|failure| failure.error)?;
    Ok(answers.into_iter().flat_map(|answer| answer.rows).collect())
}

fn text(value: &str) -> Bind {
    Bind { ty: String::TYPE, value: Value::Text(value.to_owned()) }
}

/// Runs this on a new thread and a new runtime; what it has not done in time is dropped.
fn on_own_thread(
    limit: Duration,
    work: impl Future<Output = ()> + Send + 'static,
) -> io::Result<thread::JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new().name("spakky-test-database".to_owned()).spawn(move || {
        let _ = runtime.block_on(async { tokio::time::timeout(limit, work).await });
        // A name server that does not answer holds nobody up.
        runtime.shutdown_background();
    })
}

/// The same URL with another database.
fn with_database(url: &str, name: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let (address, parameters) = match rest.split_once('?') {
        Some((address, parameters)) => (address, format!("?{parameters}")),
        None => (rest, String::new()),
    };
    let host = address.split_once('/').map_or(address, |(host, _)| host);
    Some(format!("{scheme}://{host}/{name}{parameters}"))
}

fn config_error(what: &str) -> Error {
    Error::new(ErrorKind::Config, format!("find the PostgreSQL server for tests: `{VARIABLE}` {what}"))
}

fn server_error(action: &str, error: DatabaseError) -> Error {
    let reason = match (error.kind, error.code.as_str()) {
        // In our own words, which go on from "failed to".
        (ErrorKind::Config, "") => error.message.clone(),
        (_, "") => "it cannot be reached".to_owned(),
        _ => format!("the server refused it: {}", error.message),
    };
    Error::new(error.kind, format!("{action}: {reason}")).with_source(error)
}

fn thread_error(action: &str, error: io::Error) -> Error {
    Error::new(ErrorKind::ResourceExhausted, format!("{action}: no thread can be started")).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server() -> Server {
        Server::from_variable(std::env::var(VARIABLE).ok()).unwrap()
    }

    async fn exists(connection: &PostgresConnection, name: &str) -> bool {
        let found = run(connection, "SELECT true FROM pg_database WHERE datname = $1", vec![text(name)]).await;
        !found.unwrap().is_empty()
    }

    async fn execute(connection: &PostgresConnection, sql: &str) {
        run(connection, sql, Vec::new()).await.unwrap();
    }

    #[test]
    fn a_missing_variable_names_the_command_that_sets_it() {
        for value in [None, Some(" ".to_owned())] {
            let error = Server::from_variable(value).err().unwrap();
            assert!(error.is_config());
            assert_eq!(
                error.to_string(),
                "find the PostgreSQL server for tests: `SPAKKY_TEST_POSTGRES_URL` is not set; run `cargo xtask test`, \
                 or set it to the URL of a server where databases may be created \
                 (`eval \"$(cargo xtask services up)\"` starts one)"
            );
        }
    }

    #[test]
    fn a_url_that_is_none_is_refused_without_showing_it() {
        for value in ["host=localhost password=secret", "postgres://u:secret@h:port/x"] {
            let error = Server::from_variable(Some(value.to_owned())).err().unwrap();
            assert!(error.is_config());
            assert!(error.to_string().ends_with("is not a URL like `postgres://user@host:port/database`"), "{error}");
            assert!(!format!("{error:?}").contains("secret"));
        }
    }

    #[test]
    fn only_the_database_of_a_url_changes() {
        let changed = |url| with_database(url, "new").unwrap();
        assert_eq!(changed("postgres://u:p@h:1/old?sslmode=disable"), "postgres://u:p@h:1/new?sslmode=disable");
        assert_eq!(changed("postgresql://h"), "postgresql://h/new");
    }

    /// A name like those of a process that is gone, long ago.
    fn old_name() -> String {
        format!("{}1000000000_2000000000_{:016x}", name::PREFIX, uuid::Uuid::now_v7().as_u128() as u64)
    }

    // One test, since a sweep that meets a database just taken into use waits for five seconds.
    #[tokio::test]
    async fn leftovers_of_dead_processes_are_swept_and_what_is_alive_or_in_use_stays() {
        SWEPT.store(true, Ordering::Relaxed);
        let database = server().create().await.unwrap();
        let connection = server().connect().await.unwrap();
        let leftover = old_name();
        execute(&connection, &format!("CREATE DATABASE {leftover}")).await;
        let (in_use, user) = create_and_use(&connection).await;
        sweep(&connection).await;
        assert!(!exists(&connection, &leftover).await);
        assert!(exists(&connection, &in_use).await);
        assert!(exists(&connection, &database.name).await);
        execute(&user, "SELECT 1").await;
        execute(&connection, &format!("DROP DATABASE {in_use} WITH (FORCE)")).await;
    }

    /// A leftover with a session on it. Another process may sweep it before: then it is made again.
    async fn create_and_use(connection: &PostgresConnection) -> (String, PostgresConnection) {
        for _ in 0..100 {
            let name = old_name();
            execute(connection, &format!("CREATE DATABASE {name}")).await;
            let mut user = server();
            user.options.server.database = Some(name.clone());
            if let Ok(user) = user.connect().await {
                return (name, user);
            }
        }
        panic!("every leftover was swept before it could be used");
    }
}
