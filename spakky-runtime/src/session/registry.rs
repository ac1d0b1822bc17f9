//! Managers by name, for programs with several databases.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use super::{SessionManager, Transaction};
use crate::config::DatabaseConfig;
use crate::error::{Error, ErrorKind};
use crate::transaction::TransactionOptions;

/// The name of the manager that is meant where none is named.
const DEFAULT: &str = "default";

/// Session managers by name: `#[transactional(registry = "reports")]` uses the one called `reports` in
/// [`SessionRegistry::global`].
///
/// # Replicas
///
/// A name can stand for a primary and read replicas. `#[transactional(registry = "name", read_only)]` opens its transaction on
/// a replica in turn, everything else on the primary; [`get`](Self::get) gives the primary, [`replica`](Self::replica) the next
/// replica. The scopes of all of them are those of the primary: its repositories work in a scope on a replica, too.
///
/// * A read-only function that is called inside a scope of the name takes part in it, on whatever database that is: in one
///   that writes it sees what was written. Its own writes are refused all the same.
/// * A function that is not read-only and is called inside a read-only scope takes part in that: its writes are refused. With
///   `requires_new` it opens a transaction on the primary.
/// * A replica may be behind: what a scope wrote need not be seen by the next read-only one.
/// * A replica that cannot be reached is an error, which may be retried: the next call goes to the next one. Reads are not
///   sent to the primary instead, which would get all of them when it can bear them least.
#[derive(Debug, Default)]
pub struct SessionRegistry {
    managers: RwLock<HashMap<String, Arc<Named>>>,
}

#[derive(Debug)]
struct Named {
    primary: SessionManager,
    replicas: Vec<SessionManager>,
    next: AtomicUsize,
}

impl Named {
    fn new(primary: SessionManager, replicas: Vec<SessionManager>) -> Self {
        Named { primary, replicas, next: AtomicUsize::new(0) }
    }

    /// The replica whose turn it is, or else the primary, to read from.
    fn reader(&self) -> SessionManager {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let reader = match self.replicas.len() {
            0 => &self.primary,
            count => &self.replicas[turn % count],
        };
        reader.reader_of(&self.primary)
    }
}

impl SessionRegistry {
    /// An empty registry.
    pub fn new() -> Self {
        Self::default()
    }

    /// The registry of the program.
    pub fn global() -> &'static SessionRegistry {
        static GLOBAL: OnceLock<SessionRegistry> = OnceLock::new();
        GLOBAL.get_or_init(SessionRegistry::new)
    }

    /// Sets the manager of a name, in place of the one it had, which stays usable by those who hold it.
    pub fn set(&self, name: impl Into<String>, primary: SessionManager) {
        self.insert(name.into(), Named::new(primary, Vec::new()));
    }

    /// Sets the manager of a name together with its read replicas.
    ///
    /// # Errors
    /// [`is_config`](Error::is_config) for a replica on another backend than the primary.
    pub fn set_with_replicas(
        &self,
        name: impl Into<String>,
        primary: SessionManager,
        replicas: Vec<SessionManager>,
    ) -> Result<(), Error> {
        let name = name.into();
        let backend = primary.backend();
        if let Some(other) = replicas.iter().map(SessionManager::backend).find(|other| *other != backend) {
            let message =
                format!("set the replicas of `{name}`: the primary is on {backend}, and one of them on {other}");
            return Err(Error::new(ErrorKind::Config, message));
        }
        self.insert(name, Named::new(primary, replicas));
        Ok(())
    }

    fn insert(&self, name: String, named: Named) {
        self.managers.write().unwrap_or_else(PoisonError::into_inner).insert(name, Arc::new(named));
    }

    /// The manager of a name.
    ///
    /// # Errors
    /// [`is_config`](Error::is_config), naming those there are.
    pub fn get(&self, name: &str) -> Result<SessionManager, Error> {
        self.named(name).map(|named| named.primary.clone())
    }

    /// One of the read replicas of a name in turn; the primary if it has none. Made for read-only scopes: the repositories of
    /// the primary find them.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn replica(&self, name: &str) -> Result<SessionManager, Error> {
        self.named(name).map(|named| named.reader())
    }

    /// Opens a read-only transaction on one of the read replicas of a name in turn, which the caller ends.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn read_only(&self, name: &str) -> Result<Transaction, Error> {
        self.replica(name).map(|replica| replica.read_only())
    }

    /// The manager of a name for a scope with these options.
    pub(crate) async fn for_scope(&self, name: &str, options: &TransactionOptions) -> Result<SessionManager, Error> {
        let manager = match self.named(name) {
            Err(_) if name == DEFAULT => Named::new(self.default_manager().await?, Vec::new()),
            Err(error) => return Err(error),
            Ok(named) if options.read_only => return Ok(named.reader()),
            Ok(named) => return Ok(named.primary.clone()),
        };
        Ok(if options.read_only { manager.reader() } else { manager.primary })
    }

    /// The manager called `default`; the first call connects it with the settings of the environment if none was set.
    ///
    /// # Errors
    /// As [`SessionManager::from_env`].
    pub async fn default_manager(&self) -> Result<SessionManager, Error> {
        if let Ok(manager) = self.get(DEFAULT) {
            return Ok(manager);
        }
        let manager = SessionManager::from_config(DatabaseConfig::from_env()?).await?;
        let mut managers = self.managers.write().unwrap_or_else(PoisonError::into_inner);
        // Two first calls at once: one manager wins, the other is dropped unused.
        let named = managers.entry(DEFAULT.to_owned()).or_insert_with(|| Arc::new(Named::new(manager, Vec::new())));
        Ok(named.primary.clone())
    }

    /// The names there are, sorted.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.managers.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect();
        names.sort();
        names
    }

    /// Forgets every name. Managers stay usable by those who hold them.
    pub fn reset(&self) {
        self.managers.write().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn named(&self, name: &str) -> Result<Arc<Named>, Error> {
        let found = self.managers.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        found.ok_or_else(|| {
            let names = self.names();
            let known = match names.as_slice() {
                [] => "none is set".to_owned(),
                names => format!("there are `{}`", names.join("`, `")),
            };
            Error::new(
                ErrorKind::Config,
                format!("find the session manager `{name}`: {known}; set it with `SessionRegistry::global().set(..)`"),
            )
        })
    }
}
