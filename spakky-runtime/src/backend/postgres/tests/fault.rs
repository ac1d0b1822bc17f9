//! The line breaks.

use std::time::Duration;

use super::support::*;
use crate::backend::Step;
use crate::backend::postgres::{PostgresConnection, Server};
use crate::error::ErrorKind;
use crate::testing::proxy::{CountingProxy, Cut, Direction};
use crate::value::Value;

struct Faulty {
    proxy: CountingProxy,
    connection: PostgresConnection,
    database: TestDatabase,
}

impl Faulty {
    async fn start() -> Self {
        let database = TestDatabase::create().await;
        database.run("CREATE TABLE item (id int8 PRIMARY KEY)").await;
        let proxy = CountingProxy::start(database.url()).await.unwrap();
        let mut options = database.options();
        options.server = Server::read(proxy.url()).unwrap();
        let connection = PostgresConnection::connect(&options).await.unwrap();
        Faulty { proxy, connection, database }
    }

    async fn rows(&self) -> i64 {
        self.database.number("SELECT count(*) FROM item").await
    }
}

fn insert(id: i64) -> Step {
    cached("INSERT INTO item (id) VALUES ($1)", vec![bind(id)])
}

#[tokio::test]
async fn a_commit_whose_answer_is_cut_off_is_lost_with_the_answers_before_it() {
    let faulty = Faulty::start().await;
    faulty.proxy.cut(Cut::after(|message| message.is_sql("COMMIT")));
    let failed = failure(&faulty.connection, vec![begin(), insert(1), Step::Commit]).await;
    assert_eq!((failed.step, failed.lost), (2, true));
    assert_eq!(failed.answers.len(), 2);
    assert_eq!(failed.answers[1].affected, 1);
    assert_eq!(failed.error.kind, ErrorKind::Connection);
    assert!(!faulty.connection.is_usable());
    faulty.database.wait_for("SELECT count(*) FROM item", 1).await;
}

#[tokio::test]
async fn a_commit_that_never_arrives_is_lost_too() {
    let faulty = Faulty::start().await;
    faulty.proxy.cut(Cut::before(|message| message.is_sql("COMMIT")));
    let failed = failure(&faulty.connection, vec![begin(), insert(1), Step::Commit]).await;
    assert!(failed.lost && failed.error.retryable);
    assert_eq!(faulty.rows().await, 0);
}

#[tokio::test]
async fn a_cut_without_any_answer_fails_the_first_step() {
    let faulty = Faulty::start().await;
    faulty.proxy.cut(Cut::after(|message| message.is_sql("COMMIT")).without_earlier_answers());
    let failed = failure(&faulty.connection, vec![begin(), insert(1), Step::Commit]).await;
    assert_eq!((failed.step, failed.lost, failed.answers.len()), (0, true, 0));
    faulty.database.wait_for("SELECT count(*) FROM item", 1).await;
}

#[tokio::test]
async fn a_line_cut_at_any_byte_of_a_burst_is_noticed() {
    for direction in [Direction::ToServer, Direction::ToClient] {
        for bytes in [0, 1, 7, 40] {
            let faulty = Faulty::start().await;
            faulty.proxy.cut(Cut::after_bytes(direction, bytes));
            let failed = failure(&faulty.connection, vec![begin(), insert(1), Step::Commit]).await;
            assert!(failed.lost, "{direction:?} {bytes}");
            assert!(!faulty.connection.is_usable());
            assert!(!faulty.proxy.is_armed());
        }
    }
}

#[tokio::test]
async fn a_black_hole_is_left_at_the_deadline() {
    let faulty = Faulty::start().await;
    faulty.proxy.set_black_hole(true);
    let deadline = Duration::from_millis(300);
    drop(faulty.connection.send(vec![begin(), insert(1)]));
    assert!(!faulty.connection.reset(deadline).await);
    assert!(!faulty.connection.is_usable());
    assert!(!faulty.connection.ping(deadline).await);
    faulty.proxy.set_black_hole(false);
    assert_eq!(faulty.rows().await, 0);
}

#[tokio::test]
async fn a_ping_that_nobody_answers_ends_at_its_deadline() {
    let faulty = Faulty::start().await;
    assert!(faulty.connection.ping(LIMIT).await);
    faulty.proxy.set_black_hole(true);
    assert!(!faulty.connection.ping(Duration::from_millis(100)).await);
}

#[tokio::test]
async fn a_server_that_refuses_is_a_connection_error() {
    let faulty = Faulty::start().await;
    faulty.proxy.set_refuse(true);
    let mut options = faulty.database.options();
    options.server = Server::read(faulty.proxy.url()).unwrap();
    let error = PostgresConnection::connect(&options).await.unwrap_err();
    assert_eq!((error.kind, error.retryable), (ErrorKind::Connection, true));
}

#[tokio::test]
async fn connecting_ends_at_its_limit() {
    let faulty = Faulty::start().await;
    faulty.proxy.set_black_hole(true);
    let mut options = faulty.database.options();
    options.server = Server::read(faulty.proxy.url()).unwrap();
    options.connect_timeout = Duration::from_millis(200);
    let error = PostgresConnection::connect(&options).await.unwrap_err();
    assert_eq!((error.kind, error.retryable), (ErrorKind::Connection, true));
    assert_eq!(error.message, "the server did not answer within 200ms");
}

#[tokio::test]
async fn cancelling_goes_by_the_same_way_and_is_counted() {
    let faulty = Faulty::start().await;
    drop(faulty.connection.send(vec![begin(), insert(1), query("SELECT pg_sleep(600)")]));
    assert!(faulty.connection.reset(LIMIT).await);
    assert!(faulty.proxy.counts().cancel_requests >= 1);
    assert_eq!(value(&faulty.connection, "SELECT 1").await, Value::I32(1));
    assert_eq!(faulty.rows().await, 0);
}

#[tokio::test]
async fn a_delay_is_part_of_every_round_trip() {
    let faulty = Faulty::start().await;
    let half = Duration::from_millis(20);
    faulty.proxy.set_delay(half, half);
    let start = std::time::Instant::now();
    answers(&faulty.connection, vec![begin(), insert(1), Step::Commit]).await;
    assert!(start.elapsed() >= half * 2);
    assert_eq!(faulty.proxy.round_trips(), 2, "one at sign-in, to read the types");
}

#[tokio::test]
async fn cut_now_ends_all_connections() {
    let faulty = Faulty::start().await;
    let pending = faulty.connection.send(vec![query("SELECT pg_sleep(600)")]);
    faulty.proxy.cut_now();
    assert!(pending.await.unwrap_err().lost);
    assert!(!faulty.connection.is_usable());
}
