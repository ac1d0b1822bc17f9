//! Stopping, waiting for locks, dropping.

use std::time::{Duration, Instant};

use futures_util::StreamExt;

use super::support::*;
use crate::backend::Step;
use crate::backend::sqlite::SqliteConnection;
use crate::backend::sqlite::options::{Location, SqliteOptions};
use crate::error::ErrorKind;
use crate::value::Value;

/// After this a job that was sent is running.
const BEGUN: Duration = Duration::from_millis(500);
/// Far more than what is measured takes, far less than what it would take if it did not work.
const PROMPT: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_running_query_is_cancelled_promptly() {
    let connection = memory().await;
    let started = Instant::now();
    let mut pending = connection.send(vec![query(ENDLESS, &[])]);
    assert!(tokio::time::timeout(BEGUN, &mut pending).await.is_err());
    connection.cancel().await;
    let failure = pending.await.unwrap_err();
    assert_eq!((failure.error.kind, failure.error.code()), (ErrorKind::Timeout, "9"));
    assert!(started.elapsed() < PROMPT, "{:?}", started.elapsed());
    assert!(connection.is_usable());
    assert_eq!(connection.number("SELECT 1").await, 1);
}

#[tokio::test]
async fn a_cancel_never_hits_a_later_job() {
    let connection = memory().await;
    for _ in 0..300 {
        let earlier = connection.send(vec![query("SELECT 1", &[])]);
        connection.cancel().await;
        let later = connection.send(vec![query(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 3000) SELECT count(*) FROM n",
            &[],
        )]);
        assert_eq!(later.await.unwrap()[0].rows, [vec![Value::I64(3000)]]);
        if let Err(failure) = earlier.await {
            assert_eq!(failure.error.kind, ErrorKind::Timeout);
        }
    }
}

#[tokio::test]
async fn a_cancel_drops_what_has_not_started_but_for_the_end_of_the_transaction() {
    let connection = memory().await;
    connection.table(1).await;
    let insert = |id: i64| query("INSERT INTO t(id) VALUES (?1)", &[Value::I64(id)]);
    connection.all(vec![begin(), insert(2)]).await;
    let running = connection.send(vec![query(ENDLESS, &[])]);
    let queued = connection.send(vec![insert(3)]);
    let rollback = connection.send(vec![Step::Rollback]);
    connection.cancel().await;
    assert_eq!(running.await.unwrap_err().error.kind, ErrorKind::Timeout);
    assert_eq!(queued.await.unwrap_err().error.kind, ErrorKind::Timeout);
    assert!(rollback.await.is_ok());
    assert_eq!(connection.count().await, 1);

    // A COMMIT that is alone in its burst is carried out; one that is glued to a cancelled statement rolls back.
    connection.all(vec![begin(), insert(2)]).await;
    let running = connection.send(vec![control("SELECT 1")]);
    let commit = connection.send(vec![Step::Commit]);
    let glued = connection.send(vec![begin(), query(ENDLESS, &[]), insert(3), Step::Commit]);
    connection.cancel().await;
    let ran = running.await;
    assert_eq!(commit.await.is_ok(), ran.is_ok());
    assert_eq!(glued.await.unwrap_err().error.kind, ErrorKind::Timeout);
    assert_eq!(connection.count().await, if ran.is_ok() { 2 } else { 1 });
    connection.all(vec![begin(), Step::Commit]).await;
}

#[tokio::test]
async fn a_savepoint_is_made_in_a_burst_that_was_given_up_before_it_began() {
    let connection = memory().await;
    connection.table(0).await;
    connection.all(vec![begin(), query("INSERT INTO t(id) VALUES (1)", &[])]).await;
    let nested = connection.send(vec![control("SAVEPOINT a"), query(ENDLESS, &[])]);
    let inside = connection.send(vec![control("SAVEPOINT b"), query("SELECT 1", &[])]);
    connection.cancel().await;
    assert_eq!(nested.await.unwrap_err().error.kind, ErrorKind::Timeout);
    assert!(inside.await.is_err());
    connection.all(vec![control("ROLLBACK TO SAVEPOINT a; RELEASE SAVEPOINT a"), Step::Commit]).await;
    assert_eq!(connection.count().await, 1);
}

#[tokio::test]
async fn a_cancel_at_any_moment_leaves_a_burst_whole_or_undone() {
    let file = TestFile::new();
    let connection = file.connect().await;
    connection.table(0).await;
    let insert = |round: u32| {
        let fill = "INSERT INTO t(name) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT ?1)
                    SELECT i || '/' || ?2 FROM n";
        let values = [Value::I64(200), Value::I64(i64::from(round))];
        vec![begin(), query(fill, &values), query("SELECT 1", &[]), Step::Commit]
    };
    let started = Instant::now();
    connection.all(insert(0)).await;
    let whole = started.elapsed();
    let (mut committed, mut undone) = (1, 0);
    for round in 1..400 {
        let pending = connection.send(insert(round));
        // From at once to some time after it is through.
        let until = Instant::now() + whole * round / 200;
        while Instant::now() < until {
            std::hint::spin_loop();
        }
        connection.cancel().await;
        match pending.await {
            Ok(_) => committed += 1,
            Err(failure) => {
                assert_eq!(failure.error.kind, ErrorKind::Timeout, "{:?}", failure.error);
                undone += 1;
            }
        }
        assert_eq!(connection.count().await, committed * 200, "round {round}");
    }
    assert!(undone > 0, "no cancel came in time");
}

#[tokio::test]
async fn an_interrupted_write_dooms_the_transaction_and_nothing_commits_by_itself() {
    let connection = memory().await;
    connection.table(1).await;
    connection.all(vec![begin(), query("INSERT INTO t(id) VALUES (2)", &[])]).await;
    let mut pending = connection.send(vec![query(ENDLESS_WRITE, &[])]);
    assert!(tokio::time::timeout(BEGUN, &mut pending).await.is_err());
    connection.cancel().await;
    assert_eq!(pending.await.unwrap_err().error.kind, ErrorKind::Timeout);
    let doomed =
        [query("INSERT INTO t(id) VALUES (3)", &[]), query("SELECT 1", &[]), control("ROLLBACK TO a"), Step::Commit];
    for step in doomed {
        assert_eq!(connection.error(vec![step]).await.kind, ErrorKind::RollbackOnly);
    }
    assert_eq!(connection.count().await, 1);
}

#[tokio::test]
async fn a_second_writer_waits_for_the_first() {
    let file = TestFile::new();
    let (first, second) = (file.connect().await, file.connect().await);
    first.table(0).await;
    first.all(vec![begin(), query("INSERT INTO t(id) VALUES (1)", &[])]).await;
    let mut waiting = second.send(vec![begin(), query("INSERT INTO t(id) VALUES (2)", &[]), Step::Commit]);
    assert!(tokio::time::timeout(Duration::from_millis(30), &mut waiting).await.is_err());
    // A reader does not wait, and does not see what is not committed.
    let third = file.connect().await;
    assert_eq!(third.count().await, 0);
    first.all(vec![Step::Commit]).await;
    waiting.await.unwrap();
    assert_eq!(third.count().await, 2);
}

#[tokio::test]
async fn waiting_for_the_lock_ends_at_the_timeout_and_at_once_when_cancelled() {
    let file = TestFile::new();
    let first = file.connect().await;
    first.table(0).await;
    first.all(vec![begin()]).await;

    let hasty = SqliteConnection::connect(&file.busy_for(Duration::from_millis(40))).await.unwrap();
    let started = Instant::now();
    let failure = hasty.failure(vec![begin(), query("INSERT INTO t(id) VALUES (1)", &[]), Step::Commit]).await;
    assert_eq!((failure.step, failure.error.kind, failure.error.retryable), (0, ErrorKind::LockTimeout, true));
    assert!((Duration::from_millis(40)..PROMPT).contains(&started.elapsed()), "{:?}", started.elapsed());
    // Outside a transaction a statement waits just the same.
    assert_eq!(hasty.error(vec![query("INSERT INTO t(id) VALUES (1)", &[])]).await.kind, ErrorKind::LockTimeout);

    let patient = SqliteConnection::connect(&file.busy_for(Duration::from_secs(600))).await.unwrap();
    let started = Instant::now();
    let mut waiting = patient.send(vec![begin()]);
    assert!(tokio::time::timeout(Duration::from_millis(30), &mut waiting).await.is_err());
    patient.cancel().await;
    assert_eq!(waiting.await.unwrap_err().error.kind, ErrorKind::Timeout);
    assert!(started.elapsed() < PROMPT, "{:?}", started.elapsed());
    first.all(vec![Step::Rollback]).await;
    patient.all(vec![begin(), query("INSERT INTO t(id) VALUES (1)", &[]), Step::Commit]).await;
}

#[tokio::test]
async fn nothing_is_run_behind_a_transaction_that_could_not_be_begun() {
    let file = TestFile::new();
    let holder = file.connect().await;
    holder.table(0).await;
    holder.all(vec![begin()]).await;
    let insert = |id: i64| query("INSERT INTO t(id) VALUES (?1)", &[Value::I64(id)]);
    // The second one waits for the lock in its turn, and would get it.
    let hasty = SqliteConnection::connect(&file.busy_for(Duration::from_millis(20))).await.unwrap();
    let first = hasty.send(vec![begin(), control("SAVEPOINT a")]).await.unwrap_err();
    assert_eq!((first.step, first.error.kind), (0, ErrorKind::LockTimeout));
    holder.all(vec![Step::Rollback]).await;
    let second = hasty.send_behind(vec![insert(1)]).await.unwrap_err();
    let told = "the transaction that this belongs to could not be begun";
    assert_eq!((second.step, second.error.kind, second.error.message.as_str()), (0, ErrorKind::RollbackOnly, told));
    let mut stream = hasty.stream(statement("INSERT INTO t(id) VALUES (2) RETURNING id", &[]), true);
    assert_eq!(stream.next().await.unwrap().unwrap_err().message, told);
    assert_eq!(holder.count().await, 0);

    // The next transaction takes both.
    let (first, second) = (hasty.send(vec![begin()]), hasty.send_behind(vec![insert(3)]));
    first.await.unwrap();
    second.await.unwrap();
    hasty.all(vec![Step::Commit]).await;
    assert_eq!(holder.count().await, 1);
}

#[tokio::test]
async fn a_reset_ends_everything_and_leaves_a_clean_connection() {
    let connection = memory().await;
    connection.table(1).await;
    connection.all(vec![begin_read_only()]).await;
    let running = connection.send(vec![query(ENDLESS, &[])]);
    let queued = connection.send(vec![query(ENDLESS, &[])]);
    assert!(connection.reset(PROMPT).await);
    assert_eq!(running.await.unwrap_err().error.kind, ErrorKind::Timeout);
    assert_eq!(queued.await.unwrap_err().error.kind, ErrorKind::Timeout);
    connection.all(vec![query("INSERT INTO t(id) VALUES (2)", &[]), begin(), Step::Commit]).await;

    connection.all(vec![control("PRAGMA foreign_keys = OFF"), control("PRAGMA busy_timeout = 0")]).await;
    assert!(connection.reset(PROMPT).await);
    assert_eq!(connection.number("PRAGMA foreign_keys").await, 1);
    assert!(connection.ping(PROMPT).await);
}

#[tokio::test]
async fn a_ping_of_a_busy_connection_misses_its_deadline() {
    let connection = memory().await;
    let running = connection.send(vec![query(ENDLESS, &[])]);
    assert!(!connection.ping(Duration::from_millis(20)).await);
    connection.cancel().await;
    assert!(running.await.is_err());
    assert!(connection.ping(PROMPT).await);
}

async fn drop_amid_a_write(file: &TestFile) {
    let connection = file.connect().await;
    connection.table(0).await;
    connection.all(vec![begin(), query("INSERT INTO t(id) VALUES (1)", &[])]).await;
    let pending = connection.send(vec![query(ENDLESS_WRITE, &[])]);
    let started = Instant::now();
    drop(connection);
    assert!(started.elapsed() < PROMPT, "{:?}", started.elapsed());
    assert_eq!(pending.await.unwrap_err().error.kind, ErrorKind::Timeout);
    // The lock is free and nothing was kept.
    let next = file.connect().await;
    next.all(vec![begin(), query("INSERT INTO t(id) VALUES (7)", &[]), Step::Commit]).await;
    assert_eq!(next.rows("SELECT id FROM t").await, [vec![Value::I64(7)]]);
}

#[tokio::test(flavor = "current_thread")]
async fn dropping_a_connection_amid_a_statement_returns_at_once_on_one_thread() {
    drop_amid_a_write(&TestFile::new()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_a_connection_amid_a_statement_returns_at_once_on_several_threads() {
    drop_amid_a_write(&TestFile::new()).await;
}

#[test]
fn a_connection_outlives_its_runtime_and_is_dropped_outside_of_any() {
    let file = TestFile::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let connection = runtime.block_on(file.connect());
    runtime.block_on(connection.table(3));
    let pending = connection.send(vec![query("SELECT count(*) FROM t", &[])]);
    drop(runtime);
    // Sent and answered without a runtime.
    let answer = block_on(pending).unwrap();
    assert_eq!(answer[0].rows, [vec![Value::I64(3)]]);
    drop(connection.send(vec![query(ENDLESS, &[])]));
    drop(connection);
}

/// Drives a future without tokio.
fn block_on<T>(mut future: std::pin::Pin<Box<dyn Future<Output = T> + Send>>) -> T {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = std::sync::Arc::new(Unpark(std::thread::current())).into();
    loop {
        match future.as_mut().poll(&mut std::task::Context::from_waker(&waker)) {
            std::task::Poll::Ready(value) => return value,
            std::task::Poll::Pending => std::thread::park_timeout(Duration::from_secs(10)),
        }
    }
}

#[tokio::test]
async fn dropping_a_connect_that_waits_leaves_nothing_behind() {
    let file = TestFile::new();
    let holder = file.connect().await;
    holder.all(vec![control("PRAGMA journal_mode = DELETE"), control("CREATE TABLE t(id)"), begin()]).await;
    // Changing to WAL mode needs the file alone.
    let options = file.busy_for(Duration::from_secs(600));
    let connecting = tokio::time::timeout(Duration::from_millis(30), SqliteConnection::connect(&options));
    assert!(connecting.await.is_err());
    let hasty = SqliteConnection::connect(&file.busy_for(Duration::from_millis(20))).await.unwrap_err();
    assert_eq!(hasty.kind, ErrorKind::LockTimeout);
    holder.all(vec![Step::Commit]).await;
    file.connect().await.all(vec![begin(), Step::Commit]).await;
}

#[tokio::test]
async fn a_file_that_cannot_be_opened_is_named() {
    let file = TestFile::new();
    let missing = SqliteOptions { create: false, ..file.options() };
    let error = SqliteConnection::connect(&missing).await.unwrap_err();
    assert_eq!((error.kind, error.retryable), (ErrorKind::Config, false));
    assert!(error.message().starts_with("open the database file `"), "{error}");
    assert!(error.message().ends_with("test file.db`: there is no such file; mend the path in `url`"), "{error}");

    let Location::File(path) = file.options().location else { panic!("a file") };
    std::fs::write(&path, "this is a text, and it is certainly not a database of any kind whatsoever").unwrap();
    assert_eq!(SqliteConnection::connect(&file.options()).await.unwrap_err().code(), "26");
}

#[tokio::test]
async fn many_connections_write_one_row_and_lose_nothing() {
    let file = TestFile::new();
    let first = file.connect().await;
    first.table(1).await;
    first.all(vec![control("CREATE TABLE counter(n INTEGER); INSERT INTO counter VALUES (0)")]).await;
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let options = file.options();
            tokio::spawn(async move {
                let connection = SqliteConnection::connect(&options).await.unwrap();
                for _ in 0..25 {
                    let read = connection.all(vec![begin(), query("SELECT n FROM counter", &[])]).await.remove(1).rows;
                    let Value::I64(n) = read[0][0] else { panic!("a number") };
                    connection.all(vec![query("UPDATE counter SET n = ?1", &[Value::I64(n + 1)]), Step::Commit]).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(first.number("SELECT n FROM counter").await, 200);
}
