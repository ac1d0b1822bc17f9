//! How to reach a server, and what may be sent to it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustls::ClientConfig;
use socket2::TcpKeepalive;
use tokio_postgres::config::{Config, Host, SslNegotiation};

use super::error::config_error;
use super::notice::NoticeSink;
use super::socket::Opening;
use super::tls;
use super::types::TypeCatalog;
use crate::config::{Pooler, RequireAuth, SslMode};
use crate::error::DatabaseError;

/// How to reach a server. Clones share what was learnt of it (its types, the TLS set-up).
#[derive(Clone)]
pub(crate) struct PostgresOptions {
    pub(crate) config: Config,
    pub(crate) ssl_mode: SslMode,
    pub(crate) ssl_root_cert: Option<PathBuf>,
    pub(crate) ssl_cert: Option<PathBuf>,
    pub(crate) ssl_key: Option<PathBuf>,
    pub(crate) require_auth: RequireAuth,
    /// For all of it: finding the host, the socket, TLS, signing in.
    pub(crate) connect_timeout: Duration,
    /// How many statements are kept prepared; 0 prepares none.
    pub(crate) statement_cache_size: usize,
    pub(crate) pooler: Pooler,
    /// Settings of the whole connection (`statement_timeout`, …), sent while signing in. Not sent through a pooler.
    pub(crate) settings: Vec<(String, String)>,
    pub(super) types: Arc<TypeCatalog>,
    pub(super) notices: NoticeSink,
    tls: Arc<tls::SetUp>,
    /// Whether a server that speaks the newer protocol answered, with nothing in between.
    speaks_newer: Arc<AtomicBool>,
}

impl PostgresOptions {
    /// Reads a URL (`postgres://user:password@host/database?sslmode=require`). `ssl_mode` wins over the URL's `sslmode`.
    pub(crate) fn from_url(url: &str, ssl_mode: Option<SslMode>) -> Result<Self, DatabaseError> {
        let (url, ssl) = take_ssl_parameters(url)?;
        // The driver's error may quote the URL, and with it the password.
        let mut config = Config::from_str(&url).map_err(|_| {
            config_error("read the database URL; its form is `postgres://user:password@host:port/database`")
        })?;
        if config.get_hosts().is_empty() {
            match config.get_hostaddrs().to_vec() {
                addresses if addresses.is_empty() => {
                    config.host("localhost");
                }
                addresses => addresses.iter().for_each(|address| {
                    config.host(address.to_string());
                }),
            }
        }
        Ok(PostgresOptions {
            connect_timeout: config.get_connect_timeout().copied().unwrap_or(Duration::from_secs(10)),
            config,
            ssl_mode: ssl_mode.or(ssl.mode).unwrap_or(SslMode::Prefer),
            ssl_root_cert: ssl.root_cert,
            ssl_cert: None,
            ssl_key: None,
            require_auth: RequireAuth::default(),
            statement_cache_size: 256,
            pooler: Pooler::None,
            settings: Vec::new(),
            types: Arc::default(),
            notices: NoticeSink::default(),
            tls: Arc::default(),
            speaks_newer: Arc::default(),
        })
    }

    pub(crate) fn set_application_name(&mut self, name: &str) {
        self.config.application_name(name);
    }

    /// User and password for the next connection, where they are not those of the URL.
    pub(crate) fn set_credentials(&mut self, user: Option<&str>, password: &str) {
        if let Some(user) = user {
            self.config.user(user);
        }
        self.config.password(password);
    }

    pub(super) fn named_statements(&self) -> usize {
        if self.pooler == Pooler::None { self.statement_cache_size } else { 0 }
    }

    /// How a line to the server is opened.
    pub(super) fn opening(&self) -> Result<Opening, DatabaseError> {
        let keepalive = self.config.get_keepalives().then(|| {
            let mut keepalive = TcpKeepalive::new().with_time(self.config.get_keepalives_idle());
            if let Some(interval) = self.config.get_keepalives_interval() {
                keepalive = keepalive.with_interval(interval);
            }
            if let Some(retries) = self.config.get_keepalives_retries() {
                keepalive = keepalive.with_retries(retries);
            }
            keepalive
        });
        // The driver takes libpq's milliseconds for seconds.
        let user_timeout = self.config.get_tcp_user_timeout().map(|limit| Duration::from_millis(limit.as_secs()));
        let is_direct = self.config.get_ssl_negotiation() == SslNegotiation::Direct;
        Ok(Opening { mode: self.ssl_mode, tls: self.encryption()?, is_direct, keepalive, user_timeout })
    }

    /// Whether the server is known to speak the newer protocol.
    pub(super) fn speaks_newer(&self) -> bool {
        self.speaks_newer.load(Ordering::Relaxed)
    }

    /// Keeps in mind whether the server speaks it.
    pub(super) fn note_newer(&self, speaks: bool) {
        self.speaks_newer.store(speaks, Ordering::Relaxed);
    }

    fn encryption(&self) -> Result<Option<Arc<ClientConfig>>, DatabaseError> {
        if self.ssl_mode == SslMode::Disable {
            return Ok(None);
        }
        let wanted = tls::Wanted {
            mode: self.ssl_mode,
            root_cert: self.ssl_root_cert.as_deref(),
            certificate: self.ssl_cert.as_deref(),
            key: self.ssl_key.as_deref(),
        };
        self.tls.with(&wanted).map(Some)
    }

    /// The settings as the server reads them while signing in: `-c name=value`, spaces escaped.
    pub(super) fn startup_options(&self) -> Option<String> {
        if self.settings.is_empty() || self.pooler != Pooler::None {
            return None;
        }
        let mut options = self.config.get_options().unwrap_or_default().to_owned();
        for (name, value) in &self.settings {
            let escaped = value.replace('\\', "\\\\").replace(' ', "\\ ");
            options.push_str(&format!(" -c {name}={escaped}"));
        }
        Some(options)
    }
}

impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts = self.config.get_hosts().iter().map(|host| match host {
            Host::Tcp(name) => name.clone(),
            #[cfg(unix)]
            Host::Unix(path) => path.display().to_string(),
        });
        f.debug_struct("PostgresOptions")
            .field("hosts", &hosts.collect::<Vec<_>>())
            .field("ports", &self.config.get_ports())
            .field("database", &self.config.get_dbname())
            .field("ssl_mode", &self.ssl_mode)
            .field("pooler", &self.pooler)
            .finish_non_exhaustive()
    }
}

#[derive(Default)]
struct SslParameters {
    mode: Option<SslMode>,
    root_cert: Option<PathBuf>,
}

fn parse_ssl_mode(word: &str) -> Result<SslMode, DatabaseError> {
    word.parse()
        .map_err(|_| config_error(format!("use sslmode `{word}`; it is one of `{}`", SslMode::WORDS.join("`, `"))))
}

/// Takes the TLS parameters out of the URL, since the driver does not know all of them.
fn take_ssl_parameters(url: &str) -> Result<(String, SslParameters), DatabaseError> {
    let mut ssl = SslParameters::default();
    let Some((base, query)) = url.split_once('?') else { return Ok((url.to_owned(), ssl)) };
    let mut kept = Vec::new();
    for pair in query.split('&') {
        match pair.split_once('=') {
            Some(("sslmode", mode)) => ssl.mode = Some(parse_ssl_mode(mode)?),
            Some(("sslrootcert", path)) => ssl.root_cert = Some(PathBuf::from(percent_decoded(path))),
            _ => kept.push(pair),
        }
    }
    let query = if kept.is_empty() { String::new() } else { format!("?{}", kept.join("&")) };
    Ok((format!("{base}{query}"), ssl))
}

fn percent_decoded(text: &str) -> String {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let escaped = (byte == b'%')
            .then(|| after.get(..2).and_then(|pair| std::str::from_utf8(pair).ok()))
            .flatten()
            .and_then(|pair| u8::from_str_radix(pair, 16).ok());
        decoded.push(escaped.unwrap_or(byte));
        rest = if escaped.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&decoded).into_owned()
}
