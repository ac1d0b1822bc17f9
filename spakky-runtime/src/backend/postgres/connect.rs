//! Opening a connection.

#[cfg(unix)]
use std::path::Path;
use std::pin::pin;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio_postgres::config::{Host, SslMode as DriverSslMode, SslNegotiation};
use tokio_postgres::{Client, Config, Connection};

use super::cancel::{CancelRequests, Canceller};
use super::core::{Core, EndReason, Outbox};
use super::error::{config_error, connection_error, from_driver};
use super::negotiate::{Negotiator, Purpose};
use super::options::PostgresOptions;
use super::tap::WireState;
use crate::config::{Pooler, SslMode};
use crate::error::DatabaseError;

/// Opens a connection within the limit of the options.
pub(super) async fn open(options: &PostgresOptions) -> Result<Arc<Core>, DatabaseError> {
    match tokio::time::timeout(options.connect_timeout, open_unlimited(options)).await {
        Ok(opened) => opened,
        Err(_) => Err(connection_error(format!("the server did not answer within {:?}", options.connect_timeout))),
    }
}

async fn open_unlimited(options: &PostgresOptions) -> Result<Arc<Core>, DatabaseError> {
    let wire = Arc::new(WireState::default());
    let ended = Arc::new(OnceLock::new());
    let mut config = options.config.clone();
    if let Some(startup) = options.startup_options() {
        config.options(startup);
    }

    let opened = match config.get_hosts() {
        [Host::Tcp(_), rest @ ..] if rest.iter().all(|host| matches!(host, Host::Tcp(_))) => {
            open_tcp(config, options, &wire, &ended).await?
        }
        #[cfg(unix)]
        [Host::Unix(directory)] => {
            let path = directory.join(format!(".s.PGSQL.{}", config.get_ports().first().copied().unwrap_or(5432)));
            open_unix(&config, &path, &wire, &ended).await?
        }
        _ => return Err(config_error("use these hosts together; name hosts, or the folder of one local socket")),
    };
    let Opened { client, task, canceller } = opened;
    let canceller = if options.pooler == Pooler::RdsProxy { Canceller::Unsupported } else { canceller };

    if !options.types.is_loaded() {
        options.types.load(&client).await.map_err(from_driver)?;
    }
    Ok(Arc::new(Core {
        client,
        wire,
        types: options.types.clone(),
        runtime: Handle::current(),
        cancel_requests: CancelRequests::new(canceller),
        ended,
        task,
        broken: AtomicBool::new(false),
        outbox: Mutex::new(Outbox::new(options.named_statements())),
        restore: super::control::restore(options.config.get_application_name())?,
        touched: AtomicBool::new(false),
    }))
}

struct Opened {
    client: Client,
    task: AbortHandle,
    canceller: Canceller,
}

async fn open_tcp(
    mut config: Config,
    options: &PostgresOptions,
    wire: &Arc<WireState>,
    ended: &Arc<OnceLock<EndReason>>,
) -> Result<Opened, DatabaseError> {
    let tls = options.connector()?;
    let purpose = Purpose::Connection(wire.clone());
    let negotiator = Negotiator { mode: options.ssl_mode, tls, purpose };
    config.ssl_mode(DriverSslMode::Require).ssl_negotiation(SslNegotiation::Direct);
    let (client, connection) = config.connect(negotiator.clone()).await.map_err(from_driver)?;
    let token = client.cancel_token();
    let canceller = Canceller::Tcp(token, Negotiator { purpose: Purpose::Cancel, ..negotiator });
    Ok(Opened { client, task: spawn(connection, ended), canceller })
}

#[cfg(unix)]
async fn open_unix(
    config: &Config,
    path: &Path,
    wire: &Arc<WireState>,
    ended: &Arc<OnceLock<EndReason>>,
) -> Result<Opened, DatabaseError> {
    let mut config = config.clone();
    config.ssl_mode(DriverSslMode::Require).ssl_negotiation(SslNegotiation::Direct);
    let negotiator = Negotiator { mode: SslMode::Disable, tls: None, purpose: Purpose::Connection(wire.clone()) };
    let stream = tokio::net::UnixStream::connect(path)
        .await
        .map_err(|error| connection_error(format!("the socket `{}` cannot be opened: {error}", path.display())))?;
    let (client, connection) = config.connect_raw(stream, negotiator.on("")).await.map_err(from_driver)?;
    let token = client.cancel_token();
    let canceller = Canceller::Unix(token, Negotiator { purpose: Purpose::Cancel, ..negotiator }, path.to_owned());
    Ok(Opened { client, task: spawn(connection, ended), canceller })
}

/// Runs the socket until its client is dropped or it breaks; why it broke is noted before the waiting futures are told.
fn spawn<S, T>(connection: Connection<S, T>, ended: &Arc<OnceLock<EndReason>>) -> AbortHandle
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let ended = ended.clone();
    let run = async move {
        let mut connection = pin!(connection);
        if let Err(error) = connection.as_mut().await {
            let error = from_driver(error);
            let message = std::error::Error::source(&error)
                .and_then(std::error::Error::source)
                .filter(|_| error.code.is_empty())
                .map_or_else(|| error.message.clone(), |cause| format!("{}: {cause}", error.message));
            let _ = ended.set(EndReason { code: error.code.clone(), message });
        }
    };
    tokio::spawn(run).abort_handle()
}
