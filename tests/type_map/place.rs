//! Where a test of the type map runs.

use std::future::Future;

use spakky::testing::TestDatabase;
use spakky::{Backend, Error, SchemaRegistry, SessionManager};

use super::row::{Mood, Plain};

/// A database with the native types of these tests and the tables asked for.
pub(super) struct Place {
    pub(super) sessions: SessionManager,
    _database: TestDatabase,
}

impl Place {
    pub(super) async fn new(backend: Backend, schema: &SchemaRegistry) -> Result<Self, Error> {
        let database = match backend {
            Backend::Postgres => TestDatabase::postgres().await?,
            _ => TestDatabase::sqlite()?,
        };
        let sessions = SessionManager::connect(database.url()).await?;
        if backend == Backend::Postgres {
            sessions.transaction(Default::default(), async |session| session.sql(Mood::CREATE).execute().await).await?;
        }
        sessions.create_tables(schema).await?;
        Ok(Place { sessions, _database: database })
    }

    pub(super) fn backend(&self) -> Backend {
        self.sessions.backend()
    }
}

/// Runs `test` on a database of either backend.
pub(super) fn on_both<Fut: Future<Output = Result<(), Error>>>(schema: SchemaRegistry, test: impl Fn(Place) -> Fut) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let ended = runtime.block_on(async { test(Place::new(backend, &schema).await?).await });
        ended.unwrap_or_else(|error| panic!("on {backend}: {error:?}"));
    }
}

/// A row with a sample of everything, to change one thing in.
pub(super) fn plain(id: i64) -> Plain {
    super::sample::first(id)
}
