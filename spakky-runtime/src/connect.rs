//! Where a manager's connections lead, and what is specific to that database.

use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use futures_util::future::BoxFuture;
use secrecy::ExposeSecret;

use crate::backend::{Backend, Connection};
use crate::config::DatabaseConfig;
use crate::error::{Error, ErrorKind};
use crate::statement::RaiseStyle;
use crate::transaction::{Outcome, Question, TransactionMode};

/// How long a writer waits for another where the database has one at a time and the settings name no limit.
#[cfg(any(feature = "sqlite", feature = "testing"))]
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Where a manager's connections lead.
pub(crate) struct Target {
    place: Place,
    config: DatabaseConfig,
    /// How guarded statements report a miss, as the last connection found it.
    raises: RwLock<RaiseStyle>,
}

enum Place {
    #[cfg(feature = "postgres")]
    Postgres(Box<crate::backend::postgres::PostgresTarget>),
    #[cfg(feature = "sqlite")]
    Sqlite(crate::backend::sqlite::SqliteOptions),
    #[cfg(feature = "testing")]
    Memory(std::sync::Arc<crate::backend::memory::MemoryDatabase>),
}

impl Target {
    pub(crate) fn new(config: &DatabaseConfig) -> Result<Self, Error> {
        let url = config.url.expose_secret();
        let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
        let place = match scheme {
            #[cfg(feature = "postgres")]
            "postgres" | "postgresql" => {
                Place::Postgres(Box::new(crate::backend::postgres::PostgresTarget::new(config)?))
            }
            #[cfg(feature = "sqlite")]
            "sqlite" => Place::Sqlite(sqlite_options(config)?),
            #[cfg(feature = "testing")]
            "memory" => {
                let limit = config.lock_timeout.unwrap_or(BUSY_TIMEOUT);
                Place::Memory(std::sync::Arc::new(crate::backend::memory::MemoryDatabase::new(limit)))
            }
            _ => {
                // `DatabaseConfig::validate` names the schemes and features.
                return Err(Error::new(ErrorKind::Config, "connect: no backend for this URL is compiled in"));
            }
        };
        Ok(Target { place, config: config.clone(), raises: RwLock::new(RaiseStyle::Cast) })
    }

    pub(crate) fn backend(&self) -> Backend {
        match &self.place {
            #[cfg(feature = "postgres")]
            Place::Postgres(_) => Backend::Postgres,
            #[cfg(feature = "sqlite")]
            Place::Sqlite(_) => Backend::Sqlite,
            #[cfg(feature = "testing")]
            Place::Memory(_) => Backend::Sqlite,
            #[cfg(not(any(feature = "postgres", feature = "sqlite", feature = "testing")))]
            _ => unreachable!("no backend is compiled in, so no target exists"),
        }
    }

    /// Whether there can be one connection only.
    pub(crate) fn single_connection(&self) -> bool {
        match &self.place {
            #[cfg(feature = "postgres")]
            Place::Postgres(_) => false,
            #[cfg(feature = "sqlite")]
            Place::Sqlite(options) => options.is_memory(),
            #[cfg(feature = "testing")]
            Place::Memory(_) => false,
            #[cfg(not(any(feature = "postgres", feature = "sqlite", feature = "testing")))]
            _ => unreachable!("no backend is compiled in, so no target exists"),
        }
    }

    /// The database, if it is one in memory.
    #[cfg(feature = "testing")]
    pub(crate) fn memory(&self) -> Option<&crate::backend::memory::MemoryDatabase> {
        match &self.place {
            Place::Memory(database) => Some(database),
            #[cfg(any(feature = "postgres", feature = "sqlite"))]
            _ => None,
        }
    }

    /// Whether the database can be asked what its tables are like.
    pub(crate) fn has_catalog(&self) -> bool {
        #[cfg(feature = "testing")]
        return self.memory().is_none();
        #[cfg(not(feature = "testing"))]
        true
    }

    /// Opens a connection. Boxed: the futures of drivers and TLS would otherwise be part of every future that may open one.
    pub(crate) fn connect(&self) -> BoxFuture<'_, Result<Connection, Error>> {
        Box::pin(self.open())
    }

    async fn open(&self) -> Result<Connection, Error> {
        match &self.place {
            #[cfg(feature = "postgres")]
            Place::Postgres(target) => {
                let (connection, raises) = target.connect(&self.config).await?;
                self.set_raise_style(raises);
                Ok(Connection::Postgres(connection))
            }
            #[cfg(feature = "sqlite")]
            Place::Sqlite(options) => {
                let connecting = crate::backend::sqlite::SqliteConnection::connect(options);
                match tokio::time::timeout(self.config.connect_timeout, connecting).await {
                    Ok(connected) => connected.map(Connection::Sqlite).map_err(not_opened),
                    Err(_) => Err(connect_timeout(self.config.connect_timeout)),
                }
            }
            #[cfg(feature = "testing")]
            Place::Memory(database) => {
                Ok(Connection::Memory(crate::backend::memory::MemoryConnection::connect(database)))
            }
            #[cfg(not(any(feature = "postgres", feature = "sqlite", feature = "testing")))]
            _ => unreachable!("no backend is compiled in, so no target exists"),
        }
    }

    /// Subscribes to what the server says beside its answers.
    #[cfg(feature = "postgres")]
    pub(crate) fn notices(&self) -> Result<crate::postgres::Notices, Error> {
        match &self.place {
            Place::Postgres(target) => Ok(target.notices()),
            #[cfg(any(feature = "sqlite", feature = "testing"))]
            _ => Err(Error::new(ErrorKind::Config, "subscribe to notices: only PostgreSQL has them")),
        }
    }

    /// Listens to channels on a connection of its own.
    #[cfg(feature = "postgres")]
    pub(crate) async fn listen(&self, channels: Vec<String>) -> Result<crate::postgres::Listener, Error> {
        match &self.place {
            Place::Postgres(target) => {
                let target = crate::backend::postgres::PostgresTarget::clone(target);
                crate::postgres::Listener::open(target, &self.config, channels).await
            }
            #[cfg(any(feature = "sqlite", feature = "testing"))]
            _ => Err(Error::new(
                ErrorKind::Config,
                "listen for notifications: only PostgreSQL has them; within one program, use `on_mutation`",
            )),
        }
    }

    /// How guarded statements report a miss.
    pub(crate) fn raise_style(&self) -> RaiseStyle {
        *self.raises.read().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(feature = "postgres")]
    fn set_raise_style(&self, style: RaiseStyle) {
        *self.raises.write().unwrap_or_else(PoisonError::into_inner) = style;
    }

    /// Looks again, since DDL has run that may have installed `spakky_raise`. Nothing may be under way on the connection.
    pub(crate) async fn find_raise(&self, connection: &Connection) {
        #[cfg(feature = "postgres")]
        if let Connection::Postgres(connection) = connection
            && let Ok(style) = crate::backend::postgres::find_raise(connection).await
        {
            self.set_raise_style(style);
        }
        #[cfg(not(feature = "postgres"))]
        let _ = connection;
    }

    /// Adds the settings that travel with BEGIN.
    pub(crate) fn add_settings(&self, mode: &mut TransactionMode) {
        match &self.place {
            #[cfg(feature = "postgres")]
            Place::Postgres(target) => target.add_settings(&self.config, mode),
            #[cfg(feature = "sqlite")]
            Place::Sqlite(_) => drop(std::mem::take(&mut mode.settings)),
            #[cfg(feature = "testing")]
            Place::Memory(_) => drop(std::mem::take(&mut mode.settings)),
            #[cfg(not(any(feature = "postgres", feature = "sqlite", feature = "testing")))]
            _ => unreachable!("no backend is compiled in, so no target exists"),
        }
    }
}

/// What became of the transaction that `lost` ran, asked on another connection of the same database.
pub(crate) async fn resolve(
    connection: &Connection,
    lost: &Connection,
    question: &Question,
    deadline: Duration,
) -> Outcome {
    match (connection, lost) {
        #[cfg(feature = "postgres")]
        (Connection::Postgres(connection), Connection::Postgres(lost)) => {
            crate::backend::postgres::resolve_on(connection, lost, question, deadline).await
        }
        #[cfg(any(feature = "sqlite", feature = "testing", not(feature = "postgres")))]
        _ => Outcome::Unknown,
    }
}

#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) fn connect_timeout(limit: std::time::Duration) -> Error {
    Error::new(ErrorKind::Connection, format!("connect within {limit:?}; is the database there, and not overloaded?"))
        .with_retryable(true)
}

/// Why a file was not opened. The connection has put its name ahead of what SQLite says.
#[cfg(feature = "sqlite")]
fn not_opened(error: crate::error::DatabaseError) -> Error {
    match error.kind {
        ErrorKind::Config | ErrorKind::Connection => {
            Error::new(error.kind, error.message.clone()).with_retryable(error.retryable).with_source(error)
        }
        _ => Error::from_database(error),
    }
}

#[cfg(feature = "sqlite")]
fn sqlite_options(config: &DatabaseConfig) -> Result<crate::backend::sqlite::SqliteOptions, Error> {
    let mut options = crate::backend::sqlite::SqliteOptions::from_url(config.url.expose_secret())?;
    options.file_mode = config.file_mode.map(crate::config::FileMode::bits);
    options.busy_timeout = config.lock_timeout.unwrap_or(BUSY_TIMEOUT);
    options.statement_cache_size = config.statement_cache_size;
    Ok(options)
}
