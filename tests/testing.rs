//! `#[spakky::test]` and what it offers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use spakky::__private::testing::{Setup, run};
use spakky::prelude::*;
use spakky::testing::{Recorder, TestArgument, TestContext, TestDatabase};
use spakky::{Backend, Error};

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "notes")]
#[mappable(domain = Self)]
struct Note {
    #[table(id)]
    id: i64,
    text: String,
    #[table(version)]
    version: i64,
}

fn note(id: i64) -> Note {
    Note { id, text: format!("note {id}"), version: 0 }
}

/// What several tests have in common.
struct Stored(Repository<Note>);

impl TestArgument for Stored {
    fn of(context: &TestContext) -> Self {
        Stored(context.sessions().repository())
    }
}

#[spakky::test(schema = [Note])]
async fn every_test_has_tables_of_its_own(sessions: SessionManager, notes: Repository<Note>) -> Result<(), Error> {
    notes.autocommit().add_now(&mut note(1)).await?;
    assert_eq!(sessions.repository::<Note>().query().count().await?, 1);
    Ok(())
}

#[spakky::test]
async fn without_tables_there_are_none(db: TestDatabase, backend: Backend) {
    let sessions = db.connect().await.unwrap();
    assert_eq!(sessions.backend(), backend);
    let error = sessions.repository::<Note>().query().count().await.unwrap_err();
    assert!(error.is_schema(), "{error:?}");
}

#[spakky::test(backend = sqlite, schema = [Note])]
async fn one_backend_is_one_test(sessions: SessionManager, mut notes: Repository<Note>) {
    assert_eq!(sessions.backend(), Backend::Sqlite);
    notes = notes.autocommit();
    notes.add_now(&mut note(1)).await.unwrap();
}

#[spakky::test(flavor = "multi_thread", worker_threads = 2, schema = [Note])]
async fn a_runtime_may_have_several_threads(Stored(notes): Stored) {
    let barrier = std::sync::Arc::new(std::sync::Barrier::new(2));
    let meet = |barrier: std::sync::Arc<std::sync::Barrier>| async move { barrier.wait().is_leader() };
    // On one thread the first would wait for the second for ever.
    let (one, other) = (tokio::spawn(meet(barrier.clone())), tokio::spawn(meet(barrier)));
    assert!(one.await.unwrap() ^ other.await.unwrap());
    assert_eq!(notes.query().count().await.unwrap(), 0);
}

#[spakky::test(schema = [Note])]
#[should_panic(expected = "a reason of its own")]
async fn a_test_may_be_meant_to_panic(_sessions: SessionManager) {
    panic!("a reason of its own");
}

#[spakky::test(schema = [Note])]
async fn what_was_sent_is_recorded(sessions: SessionManager, notes: Repository<Note>, recorder: Recorder) {
    sessions
        .transaction(TransactionOptions::new(), async |_| notes.add_all(&mut [note(1), note(2), note(3)]))
        .await
        .unwrap();
    let recorded = recorder.take();
    let kinds: Vec<&str> = recorded.statements.iter().map(|sql| sql.split(' ').next().unwrap()).collect();
    let insert = if sessions.backend() == Backend::Postgres { "WITH" } else { "INSERT" };
    assert_eq!(kinds, ["BEGIN", insert, "COMMIT"]);
    assert_eq!((recorded.round_trips, recorded.rows_read, recorded.rows_written), (1, 0, 3));
    assert!(!recorded.statements.iter().any(|sql| sql.contains("note ")), "{recorded:?}");

    assert_eq!(notes.query().all().await.unwrap().len(), 3);
    let recorded = recorder.take();
    assert_eq!((recorded.statements.len(), recorded.round_trips), (1, 1));
    assert_eq!((recorded.rows_read, recorded.rows_written), (3, 0));
    assert_eq!(recorder.take(), Default::default());
}

#[spakky::test(backend = sqlite)]
async fn a_recorder_that_is_dropped_records_no_more(sessions: SessionManager) {
    let (one, other) = (Recorder::new(&sessions), Recorder::new(&sessions));
    drop(one);
    sessions.sql("SELECT 1").fetch_all::<(i64,)>().await.unwrap();
    assert_eq!(other.take().statements, ["SELECT 1"]);
}

/// The file of a database on SQLite.
fn file(database: &TestDatabase) -> PathBuf {
    Path::new(database.url().strip_prefix("sqlite://").unwrap()).to_owned()
}

#[test]
fn the_database_is_gone_when_the_test_has_ended_or_panicked() {
    let seen = Mutex::new(Vec::new());
    let setup = || Setup::new(Backend::Sqlite).schema(schema![Note]);
    let look = |context: &TestContext| {
        let path = file(context.database());
        assert!(path.exists());
        seen.lock().unwrap().push(path);
        context.sessions().clone()
    };
    let count = run(setup(), |context| {
        let sessions = look(context);
        async move { sessions.repository::<Note>().query().count().await.unwrap() }
    });
    assert_eq!(count, 0);
    let body = || {
        run(setup(), |context| {
            let sessions = look(context);
            async move {
                let open = sessions.begin();
                open.run(sessions.repository::<Note>().add_now(&mut note(1))).await.unwrap();
                panic!("in the middle of a transaction");
            }
        })
    };
    let panic = catch_unwind(AssertUnwindSafe(body)).map(|()| "no panic").unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"in the middle of a transaction"));
    let seen = seen.into_inner().unwrap();
    assert_eq!(seen.iter().map(|path| path.exists()).collect::<Vec<_>>(), [false, false]);
    assert_ne!(seen[0], seen[1]);
}

#[test]
fn the_database_on_postgres_is_gone_too_when_a_test_panicked() {
    let url = Mutex::new(String::new());
    let body = || {
        run(Setup::new(Backend::Postgres), |context| {
            url.lock().unwrap().push_str(context.database().url());
            let sessions = context.sessions().clone();
            async move {
                let open = sessions.begin();
                open.session().sql("SELECT 1").fetch_all::<(i32,)>().await.unwrap();
                panic!("in the middle of a transaction");
            }
        })
    };
    catch_unwind(AssertUnwindSafe(body)).map(|()| "no panic").unwrap_err();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let error = runtime.block_on(SessionManager::connect(url.into_inner().unwrap())).unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("does not exist"), "{error:?}");
}
