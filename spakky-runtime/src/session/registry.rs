//! Managers by name, for programs with several databases.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use super::SessionManager;
use crate::config::DatabaseConfig;
use crate::error::{Error, ErrorKind};

/// The name of the manager that is meant where none is named.
const DEFAULT: &str = "default";

/// Session managers by name: `#[transactional(registry = "reports")]` uses the one called `reports` in
/// [`SessionRegistry::global`].
///
/// A name can stand for a primary and read replicas: [`primary`](Self::get) writes, [`replica`](Self::replica) hands out the
/// replicas in turn.
#[derive(Debug, Default)]
pub struct SessionRegistry {
    managers: RwLock<HashMap<String, Arc<Named>>>,
}

#[derive(Debug)]
struct Named {
    primary: SessionManager,
    replicas: Vec<SessionManager>,
    next: std::sync::atomic::AtomicUsize,
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
        self.set_with_replicas(name, primary, Vec::new());
    }

    /// Sets the manager of a name together with its read replicas.
    pub fn set_with_replicas(&self, name: impl Into<String>, primary: SessionManager, replicas: Vec<SessionManager>) {
        let named = Named { primary, replicas, next: std::sync::atomic::AtomicUsize::new(0) };
        self.managers.write().unwrap_or_else(PoisonError::into_inner).insert(name.into(), Arc::new(named));
    }

    /// The manager of a name.
    ///
    /// # Errors
    /// [`is_config`](Error::is_config), naming those there are.
    pub fn get(&self, name: &str) -> Result<SessionManager, Error> {
        self.named(name).map(|named| named.primary.clone())
    }

    /// One of the read replicas of a name in turn; the primary if it has none.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn replica(&self, name: &str) -> Result<SessionManager, Error> {
        let named = self.named(name)?;
        let turn = named.next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Ok(match named.replicas.len() {
            0 => named.primary.clone(),
            count => named.replicas[turn % count].clone(),
        })
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
        let named = managers.entry(DEFAULT.to_owned()).or_insert_with(|| {
            Arc::new(Named { primary: manager, replicas: Vec::new(), next: std::sync::atomic::AtomicUsize::new(0) })
        });
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
