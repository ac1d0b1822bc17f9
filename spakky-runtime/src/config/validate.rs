//! Ranges, and settings that do not go together.

use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use secrecy::ExposeSecret;

use super::file_mode::FileMode;
use super::input::Setting;
use super::mode::{PoolKind, SslMode};
use super::{DatabaseConfig, url};
use crate::backend::Backend;
use crate::error::{Error, ErrorKind};

/// In place of a file: the certificates that the system trusts.
const SYSTEM: &str = "system";
const MILLISECOND: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3_600);
const YEAR: Duration = Duration::from_secs(365 * 86_400);
/// PostgreSQL counts its limits in milliseconds of 31 bits.
const SERVER_LIMIT: Duration = Duration::from_millis(i32::MAX as u64);

impl DatabaseConfig {
    /// Checks every setting, alone and with the others; a session manager does this before it connects.
    ///
    /// # Errors
    /// [`ErrorKind::Config`], with every setting that is wrong and what it may be.
    pub fn validate(&self) -> Result<(), Error> {
        self.validate_for(cfg!(feature = "postgres"), cfg!(feature = "sqlite"))
    }

    pub(super) fn validate_for(&self, postgres: bool, sqlite: bool) -> Result<(), Error> {
        let mut problems = Vec::new();
        self.check_ranges(&mut problems);
        match self.backend() {
            Ok(Backend::Postgres) => self.check_postgres(postgres, &mut problems),
            Ok(Backend::Sqlite) if url::is_in_memory(self.url.expose_secret()) => {}
            Ok(Backend::Sqlite) => self.check_sqlite(sqlite, &mut problems),
            Err(problem) => problems.push(problem),
        }
        if self.pool_kind == PoolKind::Null && self.pool_max_overflow > 0 {
            problems.push("`pool_max_overflow` has no meaning with `pool_kind` = `null`; remove one of them".into());
        }
        if problems.is_empty() { Ok(()) } else { Err(refused(&problems)) }
    }

    /// The backend by the URL's scheme.
    pub(crate) fn backend(&self) -> Result<Backend, String> {
        url::backend(self.url.expose_secret())
    }

    fn check_ranges(&self, problems: &mut Vec<String>) {
        // Every setting is named, so that a new one is thought of here.
        let DatabaseConfig {
            url: _,
            credentials: _,
            pool_size,
            pool_max_overflow,
            pool_timeout,
            max_connecting,
            pool_recycle,
            pool_pre_ping: _,
            pool_kind: _,
            connect_timeout,
            statement_timeout,
            lock_timeout,
            idle_in_transaction_timeout,
            application_name,
            sslmode: _,
            ssl_root_cert: _,
            ssl_cert: _,
            ssl_key: _,
            require_auth: _,
            autoflush: _,
            expire_on_commit: _,
            autocommit: _,
            echo: _,
            slow_log,
            statement_cache_size,
            pooler: _,
            commit_token: _,
            file_mode,
            cursor_keys,
            catalog_guard: _,
        } = self;
        let mut add = |problem: Option<String>| problems.extend(problem);
        add(range("pool_size", Some(pool_size), 1..=10_000));
        add(range("pool_max_overflow", Some(pool_max_overflow), 0..=10_000));
        add(range("pool_timeout", Some(pool_timeout), MILLISECOND..=HOUR));
        add(range("max_connecting", Some(max_connecting), 1..=1_000));
        add(range("pool_recycle", pool_recycle.as_ref(), Duration::from_secs(1)..=YEAR));
        add(range("connect_timeout", Some(connect_timeout), MILLISECOND..=HOUR));
        add(range("statement_timeout", statement_timeout.as_ref(), MILLISECOND..=SERVER_LIMIT));
        add(range("lock_timeout", lock_timeout.as_ref(), MILLISECOND..=SERVER_LIMIT));
        add(range("idle_in_transaction_timeout", idle_in_transaction_timeout.as_ref(), MILLISECOND..=SERVER_LIMIT));
        add(range("slow_log", slow_log.as_ref(), Duration::ZERO..=YEAR));
        add(range("statement_cache_size", Some(statement_cache_size), 0..=100_000));
        add(file_mode.and_then(FileMode::problem));
        add(cursor_keys.problem());
        add(application_name.as_ref().and_then(|name| check_application_name(name)));
    }

    fn check_postgres(&self, compiled: bool, problems: &mut Vec<String>) {
        if !compiled {
            problems.push(
                "`url` is that of a PostgreSQL database; turn on the cargo feature `postgres` of `spakky`".into(),
            );
        }
        let left = url::parameters(self.url.expose_secret());
        let wrong = |name: &str| {
            let expected = DatabaseConfig::expected(url::setting(name)?)?;
            Some(format!("`url` has a `{name}` with a value it cannot have; it takes {expected}"))
        };
        let bad: Vec<_> = left.filter_map(wrong).collect();
        if bad.is_empty() {
            problems.extend(check_postgres_url(self.url.expose_secret(), self.sslmode));
        } else {
            problems.extend(bad);
        }
        if self.file_mode.is_some() {
            problems.push("`file_mode` has no meaning for a PostgreSQL database; remove it".into());
        }
        problems.extend(self.check_certificates());
    }

    /// What is wrong with how the server and this client know each other.
    fn check_certificates(&self) -> Option<String> {
        let problem = check_system_roots("ssl_root_cert", self.sslmode, self.ssl_root_cert.as_deref());
        if problem.is_some() {
            return problem;
        }
        let problem = match (self.sslmode, &self.ssl_root_cert) {
            (SslMode::Disable, Some(_)) => {
                "`ssl_root_cert` has no meaning with `sslmode` = `disable`; remove one of them".into()
            }
            (SslMode::Prefer, Some(_)) => {
                "`ssl_root_cert` is not looked at with `sslmode` = `prefer`, which is what it is unless set; set `sslmode` to \
                 `verify-full`, or to `verify-ca` where the name of the host is not that of the certificate"
                    .into()
            }
            (SslMode::VerifyCa, None) => {
                "`sslmode` = `verify-ca` needs the certificates that the server's descends from; set `ssl_root_cert`".into()
            }
            _ => match (&self.ssl_cert, &self.ssl_key) {
                (Some(_), None) => "`ssl_cert` needs the private key that belongs to it; set `ssl_key`".into(),
                (None, Some(_)) => "`ssl_key` needs the certificate that belongs to it; set `ssl_cert`".into(),
                (Some(_), Some(_)) if self.sslmode == SslMode::Disable => {
                    "`ssl_cert` has no meaning with `sslmode` = `disable`; remove one of them".into()
                }
                _ => return None,
            },
        };
        Some(problem)
    }

    fn check_sqlite(&self, compiled: bool, problems: &mut Vec<String>) {
        if !compiled {
            problems.push("`url` is that of an SQLite database; turn on the cargo feature `sqlite` of `spakky`".into());
        }
        if url::has_credentials(self.url.expose_secret()) {
            problems.push(
                "`url` names a user and a password, which a file does not have; write `%40` for an `@` of its path"
                    .into(),
            );
        } else {
            problems.extend(self.check_sqlite_url());
        }
        if self.file_mode.is_some() && !cfg!(unix) {
            problems.push("`file_mode` has no meaning on this system; remove it".into());
        }
        if self.credentials.is_some() {
            problems.push("`credentials` has no meaning for an SQLite database; remove it".into());
        }
    }
}

#[cfg(feature = "sqlite")]
impl DatabaseConfig {
    /// What the connection makes of the URL.
    fn check_sqlite_url(&self) -> Option<String> {
        match crate::backend::sqlite::SqliteOptions::from_url(self.url.expose_secret()) {
            Ok(options) if options.is_memory() && self.pool_kind == PoolKind::Null => Some(
                "`pool_kind` = `null` would lose a database in memory with its connection; use `queue` or a file"
                    .into(),
            ),
            Ok(_) => None,
            Err(error) => Some(error.to_string().replacen("read the `sqlite:` url:", "`url` is not understood:", 1)),
        }
    }
}

#[cfg(not(feature = "sqlite"))]
impl DatabaseConfig {
    /// Without the backend there is nothing to ask.
    fn check_sqlite_url(&self) -> Option<String> {
        None
    }
}

/// Whether a root certificate stands for all that the system trusts.
pub(crate) fn is_system(root: &Path) -> bool {
    root == Path::new(SYSTEM)
}

/// What is wrong with all that the system trusts as the root certificate, which is set by `key`: only the name in the server's own
/// certificate tells it from others.
pub(crate) fn check_system_roots(key: &str, mode: SslMode, root: Option<&Path>) -> Option<String> {
    (root.is_some_and(is_system) && mode != SslMode::VerifyFull).then(|| {
        format!(
            "`{key}` = `{SYSTEM}` needs `sslmode` = `verify-full`: with `{mode}`, a server of whatever name would be trusted"
        )
    })
}

/// The error with all that is wrong.
pub(super) fn refused(problems: &[String]) -> Error {
    Error::new(ErrorKind::Config, format!("configure the database: {}", problems.join("; ")))
}

fn range<T: Setting + PartialOrd>(key: &str, value: Option<&T>, allowed: RangeInclusive<T>) -> Option<String> {
    let found = value.filter(|value| !allowed.contains(value))?;
    let (low, high) = (allowed.start().show(), allowed.end().show());
    Some(format!("`{key}` must be between {low} and {high}, found {}", found.show()))
}

/// PostgreSQL would cut a longer name and replace what it does not print.
fn check_application_name(name: &str) -> Option<String> {
    let printable = name.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    (name.len() > 63 || !printable).then(|| "`application_name` must be at most 63 printable ASCII characters".into())
}

/// What the connection makes of the URL.
#[cfg(feature = "postgres")]
fn check_postgres_url(text: &str, sslmode: SslMode) -> Option<String> {
    use crate::backend::postgres::{Key, Server, SslNegotiation, Unread};

    if let Some(name) = url::parameters(text).find(|name| !Key::WORDS.contains(name)) {
        return Some(format!("`url` has the parameter `{name}`, which is not known here; remove it"));
    }
    let not_read = |unread| match unread {
        Unread::Form => {
            "`url` is not understood; use `postgres://user:password@host:port/database`, with any of `:/?#@%` in \
                         user and password written as `%` and two digits"
                .to_owned()
        }
        Unread::Value(key) => format!("`url` has a `{key}` with a value it cannot have"),
        Unread::Word { key, takes, .. } => {
            format!("`url` has a `{key}` with a value it cannot have; it takes one of `{}`", takes.join("`, `"))
        }
    };
    let server = match Server::read(text) {
        Ok(server) => server,
        Err(unread) => return Some(not_read(unread)),
    };
    let is_direct = server.ssl_negotiation == SslNegotiation::Direct;
    if is_direct && matches!(sslmode, SslMode::Disable | SslMode::Prefer) {
        return Some(format!(
            "`url` has `sslnegotiation=direct`, which leaves no choice whether to encrypt; set `sslmode` to `verify-full`, found \
             `{sslmode}`"
        ));
    }
    let (hosts, addresses, ports) = (server.hosts.len(), server.addresses.len(), server.ports.len());
    if hosts == 0 && addresses == 0 {
        return Some("`url` names no host; use `postgres://user:password@host/database`".into());
    }
    if hosts > 0 && addresses > 0 && hosts != addresses {
        return Some(format!(
            "`url` names {hosts} hosts and {addresses} `hostaddr`; name as many of one as of the other"
        ));
    }
    let places = hosts.max(addresses);
    // Each host of a URL has a port already, which `port` adds to.
    (ports > 1 && ports != places).then(|| {
        "`url` names other numbers of ports and hosts; write each port behind its host, as in `host:5433`".into()
    })
}

/// Without the backend there is nothing to ask.
#[cfg(not(feature = "postgres"))]
fn check_postgres_url(_url: &str, _sslmode: SslMode) -> Option<String> {
    None
}
