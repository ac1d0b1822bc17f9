//! Bursts: what is answered, what a failure leaves behind, what becomes of dropped futures.

use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use super::support::*;
use crate::backend::Step;
use crate::backend::postgres::PostgresConnection;
use crate::error::ErrorKind;
use crate::transaction::{Isolation, TransactionMode};
use crate::value::Value;

const INSERT: &str = "INSERT INTO item (id, name) VALUES ($1, $2)";

async fn with_items() -> (TestDatabase, PostgresConnection) {
    let database = TestDatabase::create().await;
    database.run("CREATE TABLE item (id int8 PRIMARY KEY, name text NOT NULL)").await;
    let connection = database.connect().await;
    (database, connection)
}

fn insert(id: i64) -> Step {
    cached(INSERT, vec![bind(id), bind(format!("item {id}"))])
}

#[tokio::test]
async fn a_burst_answers_step_by_step() {
    let (_database, connection) = with_items().await;
    let answers = answers(
        &connection,
        vec![
            begin(),
            insert(1),
            insert(2),
            cached("SELECT id, name FROM item WHERE id >= $1 ORDER BY id", vec![bind(1_i64)]),
            Step::Commit,
        ],
    )
    .await;
    assert_eq!(answers.len(), 5);
    assert_eq!((answers[1].affected, answers[2].affected), (1, 1));
    assert_eq!(
        answers[3].rows,
        [vec![Value::I64(1), Value::Text("item 1".into())], vec![Value::I64(2), Value::Text("item 2".into())]]
    );
    assert!(connection.is_usable());
}

#[tokio::test]
async fn the_first_failing_step_is_the_one_reported() {
    let (database, connection) = with_items().await;
    let failure = failure(&connection, vec![begin(), insert(1), insert(1), insert(2), Step::Commit]).await;
    assert_eq!(failure.step, 2);
    assert_eq!(failure.answers.len(), 2);
    assert_eq!(failure.error.kind, ErrorKind::UniqueViolation);
    assert!(!failure.lost);
    assert_eq!(database.number("SELECT count(*) FROM item").await, 0);
    assert_eq!(value(&connection, "SELECT 1").await, Value::I32(1));
}

#[tokio::test]
async fn a_commit_that_became_a_rollback_is_a_failure_even_when_no_answer_was_read() {
    let (database, connection) = with_items().await;
    drop(connection.send(vec![begin(), insert(1), query("SELECT 1 / 0")]));
    let failure = failure(&connection, vec![Step::Commit]).await;
    assert_eq!(failure.error.kind, ErrorKind::RollbackOnly);
    assert_eq!(failure.step, 0);
    assert_eq!(database.number("SELECT count(*) FROM item").await, 0);
}

#[tokio::test]
async fn a_deferred_constraint_fails_at_commit() {
    let (database, connection) = with_items().await;
    database
        .run(
            "CREATE TABLE child (parent int8 NOT NULL CONSTRAINT fk_child REFERENCES item DEFERRABLE INITIALLY DEFERRED)",
        )
        .await;
    let failure =
        failure(&connection, vec![begin(), cached("INSERT INTO child VALUES ($1)", vec![bind(7_i64)]), Step::Commit])
            .await;
    assert_eq!(failure.step, 2);
    assert_eq!(failure.error.kind, ErrorKind::ForeignKeyViolation);
    assert_eq!(failure.error.constraint.as_deref(), Some("fk_child"));
    assert_eq!(database.number("SELECT count(*) FROM child").await, 0);
}

#[tokio::test]
async fn begin_carries_its_options_and_settings() {
    let (_database, connection) = with_items().await;
    let settings = vec![
        ("app.tenant".to_owned(), "it's a \\ \"tenant\"".to_owned()),
        ("statement_timeout".to_owned(), "1234".to_owned()),
    ];
    let mode =
        TransactionMode { isolation: Some(Isolation::Serializable), read_only: true, deferrable: true, settings };
    let answers = answers(
        &connection,
        vec![
            Step::Begin(mode),
            query(
                "SELECT current_setting('transaction_isolation'), current_setting('transaction_read_only'), \
                 current_setting('transaction_deferrable'), current_setting('app.tenant'), \
                 current_setting('statement_timeout')",
            ),
            Step::Commit,
            query("SELECT current_setting('app.tenant'), current_setting('statement_timeout')"),
        ],
    )
    .await;
    let texts = |texts: &[&str]| texts.iter().map(|text| Value::Text((*text).to_owned())).collect::<Vec<_>>();
    assert_eq!(answers[1].rows[0], texts(&["serializable", "on", "on", "it's a \\ \"tenant\"", "1234ms"]));
    assert_eq!(answers[3].rows[0], texts(&["", "0"]));
}

#[tokio::test]
async fn a_value_that_cannot_be_sent_fails_its_step_and_nothing_of_the_burst_is_sent() {
    let (database, connection) = with_items().await;
    let mut bad = bind(String::new());
    bad.value = Value::Text("a\0b".into());
    let failure =
        failure(&connection, vec![begin(), insert(1), cached(INSERT, vec![bind(2_i64), bad]), insert(3), Step::Commit])
            .await;
    assert_eq!((failure.step, failure.answers.len()), (2, 0));
    assert_eq!(failure.error.kind, ErrorKind::Mapping);
    assert_eq!(failure.error.message, "text with a NUL character cannot be stored; remove it or store bytes");
    assert_eq!(database.number("SELECT count(*) FROM item").await, 0);
    assert!(connection.reset(LIMIT).await);
    assert_eq!(database.number("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE '%transaction%'").await, 0);
}

#[tokio::test]
async fn a_dropped_future_leaves_a_usable_connection() {
    let (database, connection) = with_items().await;
    drop(connection.send(vec![begin(), insert(1)]));
    assert!(connection.reset(LIMIT).await);
    assert_eq!(database.number("SELECT count(*) FROM item").await, 0);
    assert_eq!(value(&connection, "SELECT 1").await, Value::I32(1));

    let mut pending = connection.send(vec![begin(), insert(2), query("SELECT pg_sleep(600)"), Step::Commit]);
    let polled = pending.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_pending());
    drop(pending);
    let start = Instant::now();
    assert!(connection.reset(LIMIT).await);
    assert!(start.elapsed() < Duration::from_secs(60), "the sleeping statement was not cancelled");
    assert_eq!(database.number("SELECT count(*) FROM item").await, 0);
    assert_eq!(value(&connection, "SELECT 1").await, Value::I32(1));
}

#[tokio::test]
async fn a_burst_runs_to_its_commit_when_its_future_is_dropped() {
    let (database, connection) = with_items().await;
    drop(connection.send(vec![begin(), insert(1), Step::Commit]));
    assert_eq!(value(&connection, "SELECT count(*) FROM item").await, Value::I64(1));
    assert!(connection.reset(LIMIT).await);
    assert_eq!(database.number("SELECT count(*) FROM item").await, 1);
}

#[tokio::test]
async fn a_clean_connection_is_reset_without_a_trip() {
    let (database, connection) = with_items().await;
    answers(&connection, vec![begin(), insert(1), Step::Commit]).await;
    let before = value(&connection, "SELECT pg_backend_pid()").await;
    // No time at all: nothing may be asked.
    assert!(connection.reset(Duration::ZERO).await);
    assert_eq!(value(&connection, "SELECT pg_backend_pid()").await, before);
    assert_eq!(database.number("SELECT count(*) FROM item").await, 1);
}

#[tokio::test]
async fn cancel_returns_promptly_and_fails_what_runs() {
    let (database, connection) = with_items().await;
    let start = Instant::now();
    let pending = connection.send(vec![query("SELECT pg_sleep(600)")]);
    database
        .wait_for(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()",
            1,
        )
        .await;
    let (result, ()) = tokio::join!(pending, connection.cancel());
    let failure = result.expect_err("a cancelled statement fails");
    assert_eq!(failure.error.kind, ErrorKind::Timeout);
    assert_eq!(failure.error.code(), "57014");
    assert!(!failure.lost);
    assert!(start.elapsed() < Duration::from_secs(60));
    assert!(connection.is_usable());
    assert_eq!(value(&connection, "SELECT 1").await, Value::I32(1));
}

#[tokio::test]
async fn a_terminated_connection_is_lost_and_unusable() {
    let (database, connection) = with_items().await;
    let Value::I32(pid) = value(&connection, "SELECT pg_backend_pid()").await else { panic!("a pid") };
    let pending = connection.send(vec![query("SELECT pg_sleep(600)")]);
    database
        .wait_for(&format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {pid} AND wait_event = 'PgSleep'"), 1)
        .await;
    database.run(&format!("SELECT pg_terminate_backend({pid})")).await;
    let failed = pending.await.expect_err("the backend is gone");
    assert_eq!(failed.error.kind, ErrorKind::Connection);
    assert!(failed.lost && !failed.unsent && failed.error.retryable);
    assert!(!connection.is_usable());
    assert!(!connection.reset(LIMIT).await);
    assert!(!connection.ping(LIMIT).await);

    let later = failure(&connection, vec![begin(), insert(1), Step::Commit]).await;
    assert_eq!(later.error.kind, ErrorKind::Connection);
    assert!(!later.lost && later.error.retryable, "a COMMIT that was not sent is not in doubt");
    let later = failure(&connection, vec![insert(1)]).await;
    assert!(later.lost && later.unsent && later.error.retryable, "nor is a statement");
}

#[tokio::test]
async fn a_connection_ended_while_idle_tells_why() {
    let (database, connection) = with_items().await;
    let Value::I32(pid) = value(&connection, "SELECT pg_backend_pid()").await else { panic!("a pid") };
    database.run(&format!("SELECT pg_terminate_backend({pid})")).await;
    database.wait_for(&format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {pid}"), 0).await;
    let failed = failure(&connection, vec![query("SELECT 1")]).await;
    assert_eq!(failed.error.kind, ErrorKind::Connection);
    assert_eq!(failed.error.code(), "57P01");
    assert!(failed.lost && failed.error.retryable && !connection.is_usable());
}

#[tokio::test]
async fn a_connection_that_ended_behind_a_commit_nobody_waited_for_is_known_to_have_ended() {
    let (database, _) = with_items().await;
    for id in 1..3 {
        let connection = database.connect().await;
        let Value::I32(pid) = value(&connection, "SELECT pg_backend_pid()").await else { panic!("a pid") };
        drop(connection.send(vec![begin(), insert(id), Step::Commit]));
        database.wait_for("SELECT count(*) FROM item", id).await;
        database.run(&format!("SELECT pg_terminate_backend({pid})")).await;
        database.wait_for(&format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {pid}"), 0).await;
        if id == 1 {
            assert!(!connection.is_usable());
        }
        let failed = failure(&connection, vec![begin(), insert(7), Step::Commit]).await;
        assert_eq!((failed.error.code(), failed.lost), ("57P01", false), "a COMMIT that was not sent is not in doubt");
    }
}

#[tokio::test]
async fn a_burst_behind_one_that_was_not_sent_runs_in_no_transaction_and_fails() {
    let (database, connection) = with_items().await;
    let settings = vec![("app.tenant".to_owned(), "a\0b".to_owned())];
    let first =
        connection.send(vec![Step::Begin(TransactionMode { settings, ..TransactionMode::default() }), insert(1)]);
    let second = connection.send_behind(vec![insert(2)]);
    assert_eq!(first.await.expect_err("a setting with NUL").error.kind, ErrorKind::Config);
    assert_eq!(second.await.expect_err("no transaction").error.code(), "25P01");
    assert_eq!(database.number("SELECT count(*) FROM item").await, 0);

    // Behind the end of another transaction it waits for its turn, and insists all the same.
    drop(connection.send(vec![begin(), insert(3), Step::Commit]));
    let first = connection.send(vec![Step::Begin(TransactionMode::default()), query("SELECT 1 / 0")]);
    let second = connection.send_behind(vec![insert(4)]);
    assert!(first.await.is_err());
    assert!(second.await.is_err());
    assert!(connection.reset(LIMIT).await);
    assert_eq!(database.number("SELECT sum(id)::int8 FROM item").await, 3);
}

/// A user's own text, outside of any transaction, with what undoes its traces behind it.
fn by_user(sql: &str) -> Step {
    let Step::Statement(statement) = query(sql) else { unreachable!("it is a statement") };
    Step::Statement(crate::backend::Statement { by_user: true, ..statement })
}

#[tokio::test]
async fn the_commit_that_a_sync_stands_for_fails_the_statement_before_it() {
    let (database, connection) = with_items().await;
    database.run("CREATE TABLE child (parent int8 NOT NULL REFERENCES item DEFERRABLE INITIALLY DEFERRED)").await;
    for step in [by_user("INSERT INTO child VALUES (7)"), query("INSERT INTO child VALUES (7)")] {
        let failed = failure(&connection, vec![step]).await;
        assert_eq!((failed.step, failed.error.kind), (0, ErrorKind::ForeignKeyViolation));
        assert!(failed.answers.is_empty() && !failed.lost);
    }
    assert_eq!(database.number("SELECT count(*) FROM child").await, 0);
    assert_eq!(value(&connection, "SELECT 1").await, Value::I32(1));
}

#[tokio::test]
async fn a_copy_that_nobody_feeds_fails_and_leaves_no_answer_behind() {
    let (database, _) = with_items().await;
    database.run("CREATE VIEW seen AS SELECT * FROM item").await;
    for sql in ["COPY item FROM STDIN", "COPY seen FROM STDIN"] {
        for simple in [false, true] {
            let connection = database.connect().await;
            let step = if simple { Step::Control(sql.into()) } else { query(sql) };
            let failed = failure(&connection, vec![step]).await;
            assert!(!failed.lost || simple || !connection.is_usable(), "{sql}");
            // Either it goes on as if nothing had been, or it is closed.
            for number in 0..3 {
                if connection.is_usable() {
                    assert_eq!(value(&connection, &format!("SELECT {number}")).await, Value::I32(number), "{sql}");
                }
            }
        }
    }
}

#[tokio::test]
async fn what_waits_is_told_when_the_connection_is_closed() {
    let (_database, connection) = with_items().await;
    let pending = connection.send(vec![query("SELECT pg_sleep(600)")]);
    let closing = async {
        tokio::task::yield_now().await;
        connection.close();
    };
    let waiting = tokio::time::timeout(LIMIT, tokio::task::unconstrained(pending));
    let (result, ()) = tokio::join!(waiting, closing);
    assert_eq!(result.expect("it is told").expect_err("it was closed").error.kind, ErrorKind::Connection);
}

#[tokio::test]
async fn what_waits_for_its_turn_is_told_though_nobody_takes_the_answers_before_it() {
    let (_database, connection) = with_items().await;
    let mut first = connection.send(vec![begin(), query("SELECT pg_sleep(600)")]);
    let second = connection.send(vec![insert(1)]);
    let third = connection.send(vec![insert(2)]);
    assert!(first.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    let closing = async {
        tokio::task::yield_now().await;
        connection.close();
    };
    let waiting = tokio::time::timeout(LIMIT, async { tokio::join!(second, third) });
    let (waited, ()) = tokio::join!(waiting, closing);
    let (second, third) = waited.expect("they are told");
    for result in [second, third] {
        assert_eq!(result.expect_err("it was closed").error.kind, ErrorKind::Connection);
    }
    drop(first);
}

#[tokio::test]
async fn a_transaction_that_failed_and_was_left_is_no_business_of_whoever_comes_next() {
    let (database, connection) = with_items().await;
    drop(connection.send(vec![begin(), query("SELECT 1 / 0"), Step::Commit]));
    answers(&connection, vec![insert(1)]).await;
    drop(connection.send(vec![begin(), query("SELECT 1 / 0"), Step::Commit]));
    answers(&connection, vec![begin(), insert(2), Step::Commit]).await;
    // The same where the answer is here by then.
    drop(connection.send(vec![begin(), query("SELECT 1 / 0"), Step::Commit]));
    let aborted =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE '%(aborted)'";
    database.wait_for(aborted, 1).await;
    answers(&connection, vec![begin(), insert(3), Step::Commit]).await;
    assert_eq!(database.number("SELECT count(*) FROM item").await, 3);
}

#[tokio::test]
async fn more_statements_than_are_kept_fit_into_a_burst() {
    let (database, _) = with_items().await;
    let mut options = database.options();
    options.statement_cache_size = 2;
    let connection = PostgresConnection::connect(&options).await.unwrap();
    let select = |number: i32| cached(&format!("SELECT {number}"), Vec::new());
    answers(&connection, vec![select(0)]).await;
    for _ in 0..3 {
        let burst = (0..6).map(select).collect();
        let read: Vec<_> = answers(&connection, burst).await.into_iter().flat_map(|answer| answer.rows).collect();
        assert_eq!(read, (0..6).map(|number| vec![Value::I32(number)]).collect::<Vec<_>>());
    }
    assert!(prepared(&connection).await.len() <= 6);
}
