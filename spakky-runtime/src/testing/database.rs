//! A database for one test, gone when the test ends, also when it panics.
//!
//! Tests that share nothing run in parallel without locks. What a killed process leaves behind is deleted by a later
//! one, when it is an hour old.

mod name;
#[cfg(feature = "postgres")]
mod postgres;
mod sqlite;

use std::fmt;
use std::sync::Arc;

use crate::{Backend, Error, SessionManager};

/// A database of its own, deleted when the last clone of this is dropped.
///
/// Keep it until every session on it is closed; on PostgreSQL sessions that are left are ended by the server.
#[derive(Clone)]
pub struct TestDatabase {
    url: String,
    home: Arc<Home>,
}

/// What to delete: each deletes itself when dropped.
enum Home {
    #[cfg(feature = "postgres")]
    Postgres(Box<postgres::Database>),
    Sqlite(sqlite::Folder),
}

impl TestDatabase {
    /// An empty database of this backend.
    ///
    /// # Errors
    /// As [`postgres`](Self::postgres) or [`sqlite`](Self::sqlite); when the backend is not compiled in.
    ///
    /// # Cancellation
    /// A database that is being made when the future is dropped is deleted again.
    pub async fn create(backend: Backend) -> Result<Self, Error> {
        match backend {
            #[cfg(feature = "postgres")]
            Backend::Postgres => Self::postgres().await,
            #[cfg(not(feature = "postgres"))]
            Backend::Postgres => {
                let message = "make a test database: the feature `postgres` is off; turn it on";
                Err(Error::new(crate::ErrorKind::Config, message))
            }
            Backend::Sqlite => Self::sqlite(),
        }
    }

    /// An empty database on the PostgreSQL server that `SPAKKY_TEST_POSTGRES_URL` names, as a user who may create
    /// databases. The URL means what it means to a session manager. Text sorts by code points, as it does on SQLite.
    ///
    /// The work is done by a thread with a runtime of its own, so this may be awaited on any runtime, with its clock
    /// paused too. Dropping the database blocks until the server has deleted it, at most ten seconds.
    ///
    /// # Errors
    /// When the variable is missing, the server cannot be reached, or it refuses to create a database.
    ///
    /// # Cancellation
    /// A database that is being made when the future is dropped is deleted again.
    #[cfg(feature = "postgres")]
    pub async fn postgres() -> Result<Self, Error> {
        let server = postgres::Server::from_variable(std::env::var(postgres::VARIABLE).ok())?;
        let database = server.create().await?;
        let url = database.url().to_owned();
        Ok(TestDatabase { url, home: Arc::new(Home::Postgres(Box::new(database))) })
    }

    /// A SQLite database in a folder of its own, below the system's temporary folder.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn sqlite() -> Result<Self, Error> {
        let folder = sqlite::Folder::create(&std::env::temp_dir())?;
        Ok(TestDatabase { url: folder.url()?, home: Arc::new(Home::Sqlite(folder)) })
    }

    /// Connects to the database.
    ///
    /// # Errors
    /// As [`SessionManager::connect`].
    pub async fn connect(&self) -> Result<SessionManager, Error> {
        SessionManager::connect(self.url()).await
    }

    /// Deletes the database now, under whatever sessions and clones there are, and answers whether that went well. Dropping
    /// the last clone does the same, and can only tell on standard error what went wrong.
    ///
    /// On PostgreSQL it blocks until the server has deleted it, at most ten seconds.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses, or the files cannot be deleted.
    pub fn delete(self) -> Result<(), Error> {
        match &*self.home {
            #[cfg(feature = "postgres")]
            Home::Postgres(database) => database.remove(),
            Home::Sqlite(folder) => folder.remove(),
        }
    }

    /// The URL to connect to. On PostgreSQL it holds what the environment's URL holds, a password included.
    pub fn url(&self) -> &str {
        &self.url
    }
}

/// Tells whoever runs the tests what became of a database that was dropped, when nobody is left to be answered: a log may go
/// nowhere, as it does in most tests.
fn tell(error: &Error) {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    tracing::warn!(?error, "a test database was not deleted");
    say(&format!("failed to {error}{cause}"));
}

fn say(what: &str) {
    use std::io::Write as _;
    // Nothing is lost where there is nobody to read it.
    let _ = writeln!(std::io::stderr(), "spakky: {what}");
}

impl fmt::Debug for TestDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestDatabase").finish_non_exhaustive()
    }
}
