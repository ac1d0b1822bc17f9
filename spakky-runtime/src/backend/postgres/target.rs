//! The server that a manager's connections lead to.

use std::time::Duration;

use secrecy::ExposeSecret;
use tokio::time::Instant;

use super::notice::Notices;
use super::outcome::identify;
use super::{PostgresConnection, PostgresOptions, resolve, resolve_token};
use crate::backend::{Answer, Statement, Step};
use crate::config::{DatabaseConfig, Pooler};
use crate::connect::connect_timeout;
use crate::error::{DatabaseError, Error, ErrorKind};
use crate::schema::raise;
use crate::statement::RaiseStyle;
use crate::transaction::{Outcome, Question, TransactionMode};
use crate::value::Value;

/// The part of the time that is spent with asking by a transaction's id, where there is another way.
const XID_SHARE: u32 = 4;

/// The server that a manager's connections lead to.
#[derive(Clone)]
pub(crate) struct PostgresTarget {
    options: PostgresOptions,
}

impl PostgresTarget {
    pub(crate) fn new(config: &DatabaseConfig) -> Result<Self, Error> {
        let url = config.url.expose_secret();
        let mut options = PostgresOptions::from_url(url, Some(config.sslmode)).map_err(Error::from_database)?;
        options.ssl_root_cert = config.ssl_root_cert.clone();
        options.ssl_cert = config.ssl_cert.clone();
        options.ssl_key = config.ssl_key.clone();
        options.require_auth = config.require_auth.clone();
        options.connect_timeout = config.connect_timeout;
        options.statement_cache_size = config.statement_cache_size;
        options.pooler = config.pooler;
        if let Some(name) = &config.application_name {
            options.set_application_name(name);
        }
        if options.pooler == Pooler::None {
            options.settings = limits(config);
        }
        Ok(PostgresTarget { options })
    }

    /// How to reach it.
    #[cfg(feature = "testing")]
    pub(crate) fn into_options(self) -> PostgresOptions {
        self.options
    }

    /// A new connection, and how guarded statements raise where it leads.
    pub(crate) async fn connect(&self, config: &DatabaseConfig) -> Result<(PostgresConnection, RaiseStyle), Error> {
        let connecting = async {
            let options = self.options_now(config).await?;
            let connection = PostgresConnection::connect(&options).await.map_err(refused)?;
            let raises = greet(&connection).await.map_err(Error::from_database)?;
            self.options.note_newer(connection.speaks_newer());
            Ok((connection, raises))
        };
        match tokio::time::timeout(config.connect_timeout, connecting).await {
            Ok(connected) => connected,
            Err(_) => Err(connect_timeout(config.connect_timeout)),
        }
    }

    /// Subscribes to what the server says beside its answers.
    pub(crate) fn notices(&self) -> Notices {
        self.options.notices.subscribe()
    }

    /// How to reach the server, with the credentials of this moment.
    pub(super) async fn options_now(&self, config: &DatabaseConfig) -> Result<PostgresOptions, Error> {
        let mut options = self.options.clone();
        if let Some(provider) = &config.credentials {
            let credentials = provider.credentials().await.map_err(|error| {
                Error::new(ErrorKind::Connection, "connect: the provider gave no credentials").with_source(error)
            })?;
            options.set_credentials(Some(&credentials.user), credentials.password.expose_secret());
        }
        Ok(options)
    }

    /// Behind a pooler the limits cannot be settings of the connection, which others use in turn.
    pub(crate) fn add_settings(&self, config: &DatabaseConfig, mode: &mut TransactionMode) {
        if self.options.pooler != Pooler::None {
            let mut settings = limits(config);
            settings.append(&mut mode.settings);
            mode.settings = settings;
        }
    }
}

/// Why no connection came about, where the settings are at fault.
pub(super) fn refused(error: DatabaseError) -> Error {
    let message = match (error.kind, error.code.as_str()) {
        // In our own words, which go on from "failed to".
        (ErrorKind::Config, "") => error.message.clone(),
        (_, "28000" | "28P01") => {
            "sign in to the server: it refuses the user or the password; check them in the settings".to_owned()
        }
        (_, "3D000") => "connect to the database: the server has none of this name; check it in `url`".to_owned(),
        _ => return Error::from_database(error),
    };
    Error::new(error.kind, message).with_retryable(error.retryable).with_source(error)
}

/// What became of the transaction that `lost` ran, asked on `connection`.
pub(crate) async fn resolve_on(
    connection: &PostgresConnection,
    lost: &PostgresConnection,
    question: &Question,
    deadline: Duration,
) -> Outcome {
    let Some(server) = lost.server() else { return Outcome::Unknown };
    let end = Instant::now() + deadline;
    if let Some(xid) = &question.xid {
        // Asking for the row decides what the transaction has not decided itself, though its burst may be on its way for ever.
        let limit = if question.token.is_some() { deadline / XID_SHARE } else { deadline };
        let outcome = resolve(connection, xid, server, limit).await;
        if outcome != Outcome::Unknown {
            return outcome;
        }
    }
    match question.token {
        Some(token) => resolve_token(connection, token, server, end.saturating_duration_since(Instant::now())).await,
        None => Outcome::Unknown,
    }
}

/// The limits of the configuration as the server's settings.
fn limits(config: &DatabaseConfig) -> Vec<(String, String)> {
    let milliseconds = |limit: Duration| format!("{}", limit.as_millis().max(1));
    [
        ("statement_timeout", config.statement_timeout),
        ("lock_timeout", config.lock_timeout),
        ("idle_in_transaction_session_timeout", config.idle_in_transaction_timeout),
    ]
    .into_iter()
    .filter_map(|(name, limit)| Some((name.to_owned(), milliseconds(limit?))))
    .collect()
}

/// How guarded statements raise on this server.
pub(crate) async fn find_raise(connection: &PostgresConnection) -> Result<RaiseStyle, DatabaseError> {
    let mut answers = connection.send(vec![question(raise::FIND)]).await.map_err(|failure| failure.error)?;
    Ok(style(answers.first_mut()))
}

/// Asks a connection what has to be known before anything is done on it, in one round trip: how guarded statements raise, whose
/// process it leads to, which server it is.
async fn greet(connection: &PostgresConnection) -> Result<RaiseStyle, DatabaseError> {
    let burst = vec![question(raise::FIND), question(PROCESS), identify()];
    let mut answers = match connection.send(burst).await {
        Ok(answers) => answers,
        // Not every server tells which one it is.
        Err(failure) if failure.step == 2 && !failure.lost => failure.answers,
        Err(failure) => return Err(failure.error),
    };
    let process = answers.get(1).and_then(|answer| answer.rows.first()).map(Vec::as_slice);
    if let Some([Value::I32(process)]) = process {
        connection.note_process(*process);
    }
    connection.keep_identity(answers.get_mut(2));
    Ok(style(answers.first_mut()))
}

/// The process that runs what is sent.
const PROCESS: &str = "SELECT pg_catalog.pg_backend_pid()";

/// A question that is asked once.
fn question(sql: &'static str) -> Step {
    Step::Statement(Statement { cached: false, ..Statement::plain(sql, Vec::new()) })
}

fn style(answer: Option<&mut Answer>) -> RaiseStyle {
    let rows = answer.map(|answer| std::mem::take(&mut answer.rows)).unwrap_or_default();
    let schema =
        rows.into_iter().flatten().find_map(|value| if let Value::Text(schema) = value { Some(schema) } else { None });
    schema.map_or(RaiseStyle::Cast, |schema| RaiseStyle::in_schema(&schema))
}
