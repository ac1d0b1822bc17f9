//! The order in which statements reach the server, by the server's own log.

use super::server::PrivateServer;
use super::support::*;
use crate::backend::postgres::outcome::{Outcome, resolve};
use crate::backend::postgres::{PostgresConnection, PostgresOptions};
use crate::backend::{Burst, Step};
use crate::value::{ColumnValue, Value};

fn burst(count: usize) -> Burst {
    let mut burst = vec![begin()];
    burst.extend((0..count).map(|number| cached(&format!("SELECT $1::int8 AS s{number}"), vec![bind(1_i64)])));
    burst.push(Step::Commit);
    burst
}

/// The statements that one backend was asked to run, in order.
fn statements(log: &str, pid: i32) -> Vec<String> {
    let prefix = format!("{pid} LOG:  ");
    let run = log.lines().filter_map(|line| line.strip_prefix(&prefix));
    run.filter_map(|line| {
        line.strip_prefix("statement: ").or_else(|| line.strip_prefix("execute ")?.split_once(": ").map(|(_, sql)| sql))
    })
    .map(str::to_owned)
    .collect()
}

async fn order_is_kept(server: &PrivateServer, statement_cache_size: usize) {
    let mut options = PostgresOptions::from_url(&server.url(), None).unwrap();
    options.statement_cache_size = statement_cache_size;
    for count in [1, 2, 3, 50, 500] {
        let connection = PostgresConnection::connect(&options).await.unwrap();
        let Value::I32(pid) = value(&connection, "SELECT pg_backend_pid()").await else { panic!("a pid") };
        for temperature in ["cold", "warm", "hot"] {
            let before = statements(&server.log(), pid).len();
            answers(&connection, burst(count)).await;
            let expected: Vec<String> = std::iter::once("BEGIN".to_owned())
                .chain((0..count).map(|number| format!("SELECT $1::int8 AS s{number}")))
                .chain(std::iter::once("COMMIT".to_owned()))
                .collect();
            assert_eq!(statements(&server.log(), pid)[before..], expected, "{count} statements, {temperature}");
        }
    }
}

#[tokio::test]
async fn statements_arrive_in_order_on_one_thread() {
    let server = PrivateServer::start(&["log_statement=all", "log_line_prefix=%p "], |_| {}).await;
    order_is_kept(&server, 1_000).await;
    // Most of them never prepared, since they push each other out.
    order_is_kept(&server, 10).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn statements_arrive_in_order_on_many_threads() {
    let server = PrivateServer::start(&["log_statement=all", "log_line_prefix=%p "], |_| {}).await;
    order_is_kept(&server, 1_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn bursts_sent_at_once_do_not_mix() {
    let server = PrivateServer::start(&["log_statement=all", "log_line_prefix=%p "], |_| {}).await;
    let options = PostgresOptions::from_url(&server.url(), None).unwrap();
    let connection = std::sync::Arc::new(PostgresConnection::connect(&options).await.unwrap());
    let Value::I32(pid) = value(&connection, "SELECT pg_backend_pid()").await else { panic!("a pid") };
    let before = statements(&server.log(), pid).len();
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let connection = connection.clone();
            tokio::spawn(async move { connection.send(burst(20)).await.unwrap() })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap().len(), 22);
    }
    let log = statements(&server.log(), pid);
    for one in log[before..].chunks(22) {
        assert_eq!((one[0].as_str(), one[21].as_str()), ("BEGIN", "COMMIT"));
        assert!((0..20).all(|number| one[number + 1] == format!("SELECT $1::int8 AS s{number}")));
    }
}

#[tokio::test]
async fn a_transaction_from_before_a_crash_is_of_unknown_outcome() {
    let mut server = PrivateServer::start(&["autovacuum=off"], |_| {}).await;
    let options = PostgresOptions::from_url(&server.url(), None).unwrap();
    let connection = PostgresConnection::connect(&options).await.unwrap();
    let identity = connection.identify().await.unwrap();
    answers(&connection, vec![Step::Control("CREATE TABLE item (id int8)".into())]).await;
    let insert = "INSERT INTO item VALUES (1) RETURNING pg_current_xact_id()::text";
    let mut read = answers(&connection, vec![begin(), query(insert), Step::Commit]).await;
    let xid = String::from_value(read[1].rows.remove(0).remove(0)).unwrap();

    let before = PostgresConnection::connect(&options).await.unwrap();
    assert_eq!(resolve(&before, &xid, &identity, LIMIT).await, Outcome::Committed);
    server.crash().await;
    let after = PostgresConnection::connect(&options).await.unwrap();
    assert_eq!(resolve(&after, &xid, &identity, LIMIT).await, Outcome::Unknown);
    assert_eq!(resolve(&before, &xid, &identity, LIMIT).await, Outcome::Unknown);
}
