//! Runs the body of a `#[spakky::test]`.

use std::future::Future;

use tokio::runtime::{Builder, Runtime};

use super::shared::Borrowed;
use super::{Recorder, TestDatabase};
use crate::repository::Repository;
use crate::schema::{SchemaRegistry, Table};
use crate::session::SessionManager;
use crate::{Backend, Error, ErrorKind};

/// What a test asks for.
#[derive(Debug)]
pub struct Setup {
    backend: Backend,
    workers: Option<usize>,
    schema: Option<SchemaRegistry>,
    rollback: bool,
}

impl Setup {
    /// A test on one thread, with an empty database.
    pub fn new(backend: Backend) -> Self {
        Setup { backend, workers: None, schema: None, rollback: false }
    }

    /// On several threads; 0 are as many as there are processors.
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = Some(workers);
        self
    }

    /// With these tables.
    #[must_use]
    pub fn schema(mut self, schema: SchemaRegistry) -> Self {
        self.schema = Some(schema);
        self
    }

    /// Inside one transaction, which is undone at the end.
    #[must_use]
    pub fn rollback(mut self) -> Self {
        self.rollback = true;
        self
    }

    /// The database, with its tables.
    async fn home(&self) -> Result<Home, Error> {
        if self.rollback {
            return Borrowed::new(self.backend, self.schema.as_ref()).await.map(Home::Shared);
        }
        TestDatabase::create(self.backend).await.map(Home::Own)
    }

    fn runtime(&self) -> std::io::Result<Runtime> {
        match self.workers {
            None => Builder::new_current_thread().enable_all().build(),
            Some(0) => Builder::new_multi_thread().enable_all().build(),
            Some(workers) => Builder::new_multi_thread().worker_threads(workers).enable_all().build(),
        }
    }
}

/// What is kept until a test has ended.
enum Home {
    Own(TestDatabase),
    Shared(Borrowed),
}

impl Home {
    fn database(&self) -> Option<&TestDatabase> {
        match self {
            Home::Own(database) => Some(database),
            Home::Shared(borrowed) => borrowed.database(),
        }
    }
}

/// What a `#[spakky::test]` has at hand.
#[derive(Debug)]
pub struct TestContext {
    database: TestDatabase,
    sessions: SessionManager,
    is_shared: bool,
}

impl TestContext {
    async fn new(home: &Home, setup: &Setup) -> Result<Self, Error> {
        let Some(database) = home.database().cloned() else {
            return Err(Error::new(ErrorKind::Config, "make a test database: there is none"));
        };
        let sessions = database.connect().await?;
        if let (Some(schema), false) = (&setup.schema, setup.rollback) {
            sessions.create_tables(schema).await?;
        }
        Ok(TestContext { database, sessions, is_shared: setup.rollback })
    }

    /// The test's database. With `rollback` it goes on to other tests, and only what is done by [`sessions`](Self::sessions)
    /// is taken back.
    pub fn database(&self) -> &TestDatabase {
        &self.database
    }

    /// Sessions of that database.
    pub fn sessions(&self) -> &SessionManager {
        &self.sessions
    }
}

/// What can be a parameter of a `#[spakky::test]`. Implement it for what your tests have in common.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a parameter of a `#[spakky::test]`",
    label = "not known to tests",
    note = "a parameter is a `TestDatabase`, `SessionManager`, `Repository<Row>`, `Recorder` or `Backend`; implement \
            `spakky::testing::TestArgument` for `{Self}` to make it one"
)]
pub trait TestArgument: Sized {
    /// The argument.
    fn of(context: &TestContext) -> Self;
}

impl TestArgument for TestDatabase {
    /// # Panics
    /// In a test with `rollback`: what is done by other sessions of the database would not be taken back.
    fn of(context: &TestContext) -> Self {
        assert!(
            !context.is_shared,
            "a test with `rollback` has no `TestDatabase` of its own; take `sessions: SessionManager`, or remove `rollback`"
        );
        context.database.clone()
    }
}

impl TestArgument for SessionManager {
    fn of(context: &TestContext) -> Self {
        context.sessions.clone()
    }
}

impl<Row: Table> TestArgument for Repository<Row> {
    fn of(context: &TestContext) -> Self {
        context.sessions.repository()
    }
}

impl TestArgument for Recorder {
    fn of(context: &TestContext) -> Self {
        Recorder::new(&context.sessions)
    }
}

impl TestArgument for Backend {
    fn of(context: &TestContext) -> Self {
        context.sessions.backend()
    }
}

/// Runs a test with a database of its own, which is gone when this returns or panics.
///
/// # Panics
/// When the body does, and when the database cannot be made.
pub fn run<Fut: Future>(setup: Setup, body: impl FnOnce(&TestContext) -> Fut) -> Fut::Output {
    // Declared first, so that it is dropped last: when the runtime with everything on it is gone.
    let mut home = None;
    let runtime = setup.runtime().unwrap_or_else(|error| panic!("a runtime for the test cannot be built: {error}"));
    runtime.block_on(async {
        let context = async {
            let home = home.insert(setup.home().await?);
            TestContext::new(home, &setup).await
        };
        match context.await {
            Ok(context) if setup.rollback => {
                let enclosure = context.sessions.enclose();
                let output = body(&context).await;
                enclosure.undo().await;
                output
            }
            Ok(context) => body(&context).await,
            Err(error) => panic!("a database for the test cannot be made: {error}{}", cause(&error)),
        }
    })
}

fn cause(error: &Error) -> String {
    std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default()
}
