//! How to reach a server, and what may be sent to it.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustls::ClientConfig;
use socket2::TcpKeepalive;

use super::error::config_error;
use super::notice::NoticeSink;
use super::server::{Server, SslNegotiation, Unread};
use super::socket::Opening;
use super::tls;
use super::types::TypeCatalog;
use crate::config::{Pooler, RequireAuth, SslMode, check_system_roots, is_system};
use crate::error::DatabaseError;

/// How to reach a server. Clones share what was learnt of it (its types, the TLS set-up).
#[derive(Clone)]
pub(crate) struct PostgresOptions {
    pub(crate) server: Server,
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
    /// Reads a URL (`postgres://user:password@host/database?sslmode=require`). `ssl_mode` wins over the URL's `sslmode`. Without
    /// either, `sslrootcert=system` means `verify-full`.
    pub(crate) fn from_url(url: &str, ssl_mode: Option<SslMode>) -> Result<Self, DatabaseError> {
        let server = Server::read(url).map_err(|unread| refused(url, unread))?;
        let unset = match &server.ssl_root_cert {
            Some(root) if is_system(root) => SslMode::VerifyFull,
            _ => SslMode::Prefer,
        };
        Ok(PostgresOptions {
            connect_timeout: server.connect_timeout.unwrap_or(Duration::from_secs(10)),
            ssl_mode: ssl_mode.or(server.ssl_mode).unwrap_or(unset),
            ssl_root_cert: server.ssl_root_cert.clone(),
            server,
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
        self.server.application_name = Some(name.to_owned());
    }

    /// User and password for the next connection, where they are not those of the URL.
    pub(crate) fn set_credentials(&mut self, user: Option<&str>, password: &str) {
        if let Some(user) = user {
            self.server.user = Some(user.to_owned());
        }
        self.server.set_password(password);
    }

    pub(super) fn named_statements(&self) -> usize {
        if self.pooler == Pooler::None { self.statement_cache_size } else { 0 }
    }

    /// How a line to the server is opened.
    pub(super) fn opening(&self) -> Result<Opening, DatabaseError> {
        let server = &self.server;
        let keepalive = server.keepalives.then(|| {
            let mut keepalive = TcpKeepalive::new().with_time(server.keepalives_idle);
            if let Some(interval) = server.keepalives_interval {
                keepalive = keepalive.with_interval(interval);
            }
            if let Some(retries) = server.keepalives_retries {
                keepalive = keepalive.with_retries(retries);
            }
            keepalive
        });
        Ok(Opening {
            mode: self.ssl_mode,
            tls: self.encryption()?,
            is_direct: server.ssl_negotiation == SslNegotiation::Direct,
            keepalive,
            user_timeout: server.tcp_user_timeout,
        })
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
        if let Some(problem) = check_system_roots("sslrootcert", self.ssl_mode, self.ssl_root_cert.as_deref()) {
            return Err(config_error(format!("connect to the server: {problem}")));
        }
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
        let mut options = self.server.options.clone().unwrap_or_default();
        for (name, value) in &self.settings {
            let escaped = value.replace('\\', "\\\\").replace(' ', "\\ ");
            options.push_str(&format!(" -c {name}={escaped}"));
        }
        Some(options)
    }
}

impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("places", &self.server.places())
            .field("database", &self.server.database)
            .field("ssl_mode", &self.ssl_mode)
            .field("pooler", &self.pooler)
            .finish_non_exhaustive()
    }
}

/// Why no server can be read out of a URL.
fn refused(url: &str, unread: Unread) -> DatabaseError {
    // Behind the first one, all ahead of another may belong to a password.
    let is_plain = url.matches('@').count() < 2;
    config_error(match unread {
        Unread::Form => "read the database URL; its form is `postgres://user:password@host:port/database`".to_owned(),
        Unread::Value(key) => format!("read the database URL: its `{key}` has a value it cannot have"),
        Unread::Word { key, takes, .. } if !is_plain => {
            format!("read the database URL: its `{key}` is none of `{}`", takes.join("`, `"))
        }
        Unread::Word { key, found, takes } => format!("use {key} `{found}`; it is one of `{}`", takes.join("`, `")),
    })
}
