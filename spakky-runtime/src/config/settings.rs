//! The settings: one table of name, type and default, from which struct, setters, parser and dump are made.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

#[cfg(all(feature = "migrations", feature = "sqlite"))]
use secrecy::ExposeSecret;
use secrecy::SecretString;

use super::cursor_keys::CursorKeys;
use super::file_mode::FileMode;
use super::input::{Input, Setting};
use super::mode::{AuthMethod, PoolKind, Pooler, SslMode};
use super::require_auth::RequireAuth;
use super::{CredentialsProvider, SharedCredentials, url};

macro_rules! settings {
    ($($(#[$doc:meta])* $name:ident: $ty:ty = $default:expr, |$arg:ident: $arg_ty:ty| $value:expr;)+) => {
        /// The settings of one database.
        ///
        /// ```
        /// use std::time::Duration;
        /// use spakky_runtime::config::DatabaseConfig;
        ///
        /// let config = DatabaseConfig::new("sqlite://orders.db").pool_size(4).statement_timeout(Duration::from_secs(5));
        /// assert_eq!(config.to_string(), "sqlite://orders.db");
        /// ```
        #[derive(Clone)]
        pub struct DatabaseConfig {
            pub(crate) url: SecretString,
            pub(crate) credentials: Option<SharedCredentials>,
            $(pub(crate) $name: $ty,)+
        }

        impl DatabaseConfig {
            /// Every setting's name, as it stands in a file; in the environment in capitals behind `SPAKKY_DB__`.
            pub const KEYS: &'static [&'static str] = &["url", $(stringify!($name)),+];

            /// The defaults, for the database at this URL: `postgres://user:password@host/database`, `sqlite://file.db`
            /// or `sqlite::memory:`.
            ///
            /// `sslmode`, `sslrootcert`, `sslcert`, `sslkey`, `require_auth`, `application_name` and `connect_timeout` may
            /// stand in the URL of a PostgreSQL database too, as libpq reads them; a setter called afterwards wins.
            pub fn new(url: impl Into<SecretString>) -> Self {
                let mut config = DatabaseConfig { url: SecretString::default(), credentials: None, $($name: $default,)+ };
                config.set_url(url.into());
                config
            }

            $($(#[$doc])*
            #[must_use]
            pub fn $name(mut self, $arg: $arg_ty) -> Self {
                self.$name = $value;
                self
            })+

            /// Sets one setting from text or a file's value; the error says what is expected.
            pub(super) fn set(&mut self, key: &str, input: &Input) -> Result<(), String> {
                match key {
                    "url" => self.set_url(accept(input)?),
                    $(stringify!($name) => self.$name = accept(input)?,)+
                    _ => return Err("no such setting".into()),
                }
                Ok(())
            }

            /// What a setting may be, for a message.
            pub(super) fn expected(key: &str) -> Option<String> {
                match key {
                    $(stringify!($name) => Some(<$ty as Setting>::expected()),)+
                    _ => None,
                }
            }

            /// Every setting with its value, safe to print.
            pub(super) fn shown(&self) -> Vec<(&'static str, String)> {
                vec![("url", self.url.show()), $((stringify!($name), self.$name.show())),+]
            }
        }
    };
}

settings! {
    /// How many connections are kept open. 10 unless set. A database in memory has one, whatever is set.
    pool_size: usize = 10, |connections: usize| connections;

    /// How many connections above `pool_size` may be open for a while. 0 unless set.
    pool_max_overflow: usize = 0, |connections: usize| connections;

    /// How long to wait for a free connection. 5 seconds unless set.
    pool_timeout: Duration = Duration::from_secs(5), |limit: Duration| limit;

    /// How many connections may be opened at once. 4 unless set.
    max_connecting: usize = 4, |connections: usize| connections;

    /// How old a connection may get before it is replaced (a little earlier at random, so that not all go at once).
    /// 30 minutes unless set; `None` never replaces one.
    pool_recycle: Option<Duration> = Some(Duration::from_secs(1_800)), |age: impl Into<Option<Duration>>| age.into();

    /// Whether a connection is asked for a sign of life before it is used, unless it was used within the last
    /// half-second. True unless set.
    pool_pre_ping: bool = true, |ping: bool| ping;

    /// What becomes of a connection that is given back. [`PoolKind::Queue`] unless set.
    pool_kind: PoolKind = PoolKind::Queue, |kind: PoolKind| kind;

    /// How long opening one connection may take, credentials and TLS included. 10 seconds unless set.
    connect_timeout: Duration = Duration::from_secs(10), |limit: Duration| limit;

    /// How long one statement may run. No limit unless set.
    statement_timeout: Option<Duration> = None, |limit: impl Into<Option<Duration>>| limit.into();

    /// How long one statement may wait for a lock; on SQLite, for the one writer. Unless set, the server's own limit on
    /// PostgreSQL and 5 seconds on SQLite.
    lock_timeout: Option<Duration> = None, |limit: impl Into<Option<Duration>>| limit.into();

    /// How long a transaction may wait for the program's next statement before PostgreSQL ends it. No limit unless set.
    idle_in_transaction_timeout: Option<Duration> = None, |limit: impl Into<Option<Duration>>| limit.into();

    /// The name that PostgreSQL lists the connections under.
    application_name: Option<String> = None, |name: impl Into<String>| Some(name.into());

    /// Encryption of the connection to PostgreSQL. [`SslMode::Prefer`] unless set.
    sslmode: SslMode = SslMode::Prefer, |mode: SslMode| mode;

    /// A file of PEM certificates to trust, or the word `system` for those that the system trusts, which needs
    /// [`SslMode::VerifyFull`] and is what that takes unless set. Each connection reads the file anew, so that it may be
    /// replaced while the program runs. A server's certificate that signed itself is trusted if it stands in the file.
    ssl_root_cert: Option<PathBuf> = None, |path: impl Into<PathBuf>| Some(path.into());

    /// A file with the PEM certificate that the server knows this client by, those between it and its authority behind it.
    /// It needs `ssl_key`. Each connection reads both files anew.
    ssl_cert: Option<PathBuf> = None, |path: impl Into<PathBuf>| Some(path.into());

    /// A file with the private key of `ssl_cert`, in PEM form and without a passphrase.
    ssl_key: Option<PathBuf> = None, |path: impl Into<PathBuf>| Some(path.into());

    /// The ways of signing in that the server may ask for; a connection that is asked for another is given up before
    /// anything is proven. In the environment, in a file and in a URL they stand in one text with commas between them, each
    /// with a `!` ahead of it for all others.
    ///
    /// Unless set, all that are known, with one exception: a password in clear goes over a line that is not encrypted only
    /// where [`AuthMethod::Password`] is among these.
    require_auth: RequireAuth = RequireAuth::default(), |methods: impl IntoIterator<Item = AuthMethod>| RequireAuth::of(methods);

    /// Whether a query sends pending writes ahead of itself. True unless set.
    autoflush: bool = true, |flush: bool| flush;

    /// Whether what a session knows of its rows is forgotten when it commits, so that the next use reads them again.
    /// False unless set.
    expire_on_commit: bool = false, |expire: bool| expire;

    /// Whether a write outside any scope is a transaction of its own instead of an error. False unless set.
    autocommit: bool = false, |commit: bool| commit;

    /// Whether every statement's text is logged (at level `INFO`, without values). False unless set.
    echo: bool = false, |echo: bool| echo;

    /// From how long on a burst is logged as slow (at level `WARN`). Never unless set.
    slow_log: Option<Duration> = None, |threshold: impl Into<Option<Duration>>| threshold.into();

    /// How many prepared statements each connection keeps. 256 unless set; 0 keeps none.
    statement_cache_size: usize = 256, |statements: usize| statements;

    /// What stands between the program and PostgreSQL. [`Pooler::None`] unless set.
    pooler: Pooler = Pooler::None, |pooler: Pooler| pooler;

    /// Whether a transaction that sends all its writes together with COMMIT writes a row of its own into the table
    /// `spakky_commit_token` with them (PostgreSQL). If the line then breaks before any answer came, the row tells what became
    /// of it; without it, nobody can know, and the caller is told so ([`is_outcome_unknown`](crate::Error::is_outcome_unknown)).
    /// It costs no round trip. False unless set.
    ///
    /// The table is made by [`create_tables`](crate::SessionManager::create_tables) where this is on, and by
    /// [`create_commit_token_table`](crate::SessionManager::create_commit_token_table). Rows are removed by and by once they
    /// are an hour old. SQLite always knows how its transactions end: there the setting has no effect.
    commit_token: bool = false, |write: bool| write;

    /// Whether the catalog is asked, ahead of the first write to each table and in the same burst, if the table's columns give
    /// back what the program writes. A write to a table in which one does not is refused, and nothing of it is stored
    /// ([`is_schema`](crate::Error::is_schema)). It costs no round trip. True unless set.
    catalog_guard: bool = true, |ask: bool| ask;

    /// The permissions of an SQLite database's file and of the `-wal`, `-shm` and `-journal` beside it, in Unix's octal digits:
    /// `0600` for the owner alone. A file that is there gets them too, and a connection that cannot give them is refused.
    /// Unless set, a new file has those that the process gives to all its files, and one that is there keeps its own.
    file_mode: Option<FileMode> = None, |mode: u32| Some(FileMode::new(mode));

    /// What the cursors of pages are signed with: secrets of 32 bytes or more, of which the first one signs and all are
    /// accepted, so that a new one can be put in front while cursors of the old one are about. In the environment and in a
    /// file they stand in one text with commas between them.
    ///
    /// Unless set, each process draws one at random: cursors are then good for this process and as long as it runs.
    cursor_keys: CursorKeys = CursorKeys::default(), |keys: impl IntoIterator<Item = impl Into<SecretString>>| CursorKeys::new(keys);
}

fn accept<T: Setting>(input: &Input) -> Result<T, String> {
    T::parse(input).ok_or_else(T::expected)
}

impl DatabaseConfig {
    /// Asks `provider` for user and password at each connect, in place of those in the URL.
    #[must_use]
    pub fn credentials(mut self, provider: impl CredentialsProvider) -> Self {
        self.credentials = Some(SharedCredentials::new(provider));
        self
    }

    /// The same settings for another database.
    #[cfg(feature = "migrations")]
    pub(crate) fn with_url(mut self, url: &str) -> Self {
        self.url = url.into();
        self
    }

    /// The file of an SQLite database, if it is not there.
    #[cfg(feature = "migrations")]
    pub(crate) fn missing_file(&self) -> Option<PathBuf> {
        #[cfg(feature = "sqlite")]
        return url::file(self.url.expose_secret()).filter(|path| !path.exists());
        #[cfg(not(feature = "sqlite"))]
        None
    }

    /// Takes the settings that libpq allows in a URL out of it. One with a value it cannot have stays there, where
    /// validation refuses it.
    fn set_url(&mut self, url: SecretString) {
        self.url = url::take_settings(url, |key, value| self.set(key, &Input::Text(value)).is_ok());
    }
}

/// The URL without password and parameters.
impl fmt::Display for DatabaseConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url.show())
    }
}

impl fmt::Debug for DatabaseConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("DatabaseConfig");
        for (key, value) in self.shown() {
            debug.field(key, &format_args!("{value}"));
        }
        debug.field("credentials", &self.credentials);
        debug.finish()
    }
}

/// Every setting as text, the URL without its password: for a status page.
impl serde::Serialize for DatabaseConfig {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.shown())
    }
}
