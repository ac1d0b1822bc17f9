//! Streams and read-only files.

use std::time::Duration;

use futures_util::{FutureExt, StreamExt};

use super::support::*;
use crate::backend::Step;
use crate::backend::sqlite::SqliteConnection;
use crate::backend::sqlite::options::SqliteOptions;
use crate::error::ErrorKind;
use crate::value::Value;

const NUMBERS: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n";

#[tokio::test]
async fn a_stream_hands_out_every_row_in_order() {
    let connection = memory().await;
    let mut stream = connection.stream(statement(&format!("{NUMBERS} LIMIT ?1"), &[Value::I64(1000)]), false);
    let mut expected = 0;
    while let Some(row) = stream.next().await {
        expected += 1;
        assert_eq!(row.unwrap(), [Value::I64(expected)]);
    }
    assert_eq!(expected, 1000);
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn a_stream_reads_only_a_little_ahead() {
    let connection = memory().await;
    connection.table(1000).await;
    connection.all(vec![begin()]).await;
    let mut stream = connection.stream(statement("UPDATE t SET name = id RETURNING id", &[]), false);
    assert_eq!(stream.next().await.unwrap().unwrap(), [Value::I64(1)]);
    drop(stream);
    // An endless query would fill the memory.
    let mut stream = connection.stream(statement(NUMBERS, &[]), false);
    let mut next = connection.send(vec![query("SELECT 1", &[])]);
    for _ in 0..500 {
        stream.next().await.unwrap().unwrap();
    }
    assert!((&mut next).now_or_never().is_none(), "the next burst waits for the stream");
    drop(stream);
    next.await.unwrap();
    connection.all(vec![Step::Commit]).await;
}

#[tokio::test]
async fn dropping_a_stream_stops_the_query_and_leaves_the_transaction_good() {
    let connection = memory().await;
    connection.table(1).await;
    connection.all(vec![begin(), query("INSERT INTO t(id) VALUES (2)", &[])]).await;
    let running = connection.stream(statement(ENDLESS, &[]), false);
    let queued = connection.stream(statement(ENDLESS, &[]), false);
    drop((queued, running));
    connection.all(vec![query("INSERT INTO t(id) VALUES (3)", &[]), Step::Commit]).await;
    assert_eq!(connection.count().await, 3);
}

#[tokio::test]
async fn a_stream_that_fails_or_is_cancelled_says_so() {
    let connection = memory().await;
    let mut stream = connection.stream(statement("SELECT nonsense", &[]), false);
    assert_eq!(stream.next().await.unwrap().unwrap_err().kind, ErrorKind::Schema);
    assert!(stream.next().await.is_none());

    let mut stream = connection.stream(statement(NUMBERS, &[]), false);
    stream.next().await.unwrap().unwrap();
    assert!(connection.reset(Duration::from_secs(60)).await);
    let mut last = stream.next().await.unwrap();
    while last.is_ok() {
        last = stream.next().await.unwrap();
    }
    assert_eq!(last.unwrap_err().kind, ErrorKind::Timeout);
}

#[tokio::test]
async fn a_stream_of_a_dropped_connection_ends_with_an_error() {
    let connection = memory().await;
    let mut stream = connection.stream(statement(NUMBERS, &[]), false);
    stream.next().await.unwrap().unwrap();
    drop(connection);
    while let Some(row) = stream.next().await {
        if let Err(error) = row {
            assert_eq!(error.kind, ErrorKind::Timeout);
            return;
        }
    }
    panic!("the stream ended as if all rows had been read");
}

#[tokio::test]
async fn a_file_opened_for_reading_is_not_written() {
    let file = TestFile::new();
    let writer = file.connect().await;
    writer.table(2).await;
    let reader = SqliteConnection::connect(&SqliteOptions { read_only: true, ..file.options() }).await.unwrap();
    assert_eq!(reader.count().await, 2);
    assert_eq!(reader.error(vec![query("DELETE FROM t", &[])]).await.kind, ErrorKind::ReadOnly);
    let failure = reader.failure(vec![begin(), query("DELETE FROM t", &[]), Step::Commit]).await;
    assert_eq!(failure.error.kind, ErrorKind::ReadOnly);
    reader.all(vec![begin_read_only(), query("SELECT * FROM t", &[]), Step::Commit]).await;
    drop(writer);
    eventually("a reader of a file that nobody writes", async || {
        let again = SqliteConnection::connect(&SqliteOptions { read_only: true, ..file.options() }).await.unwrap();
        again.count().await == 2
    })
    .await;
}

#[tokio::test]
async fn a_read_only_transaction_keeps_its_snapshot_and_never_waits_for_a_writer() {
    let file = TestFile::new();
    let (writer, reader) = (file.connect().await, file.connect().await);
    writer.table(1).await;
    reader.all(vec![begin_read_only(), query("SELECT * FROM t", &[])]).await;
    writer.all(vec![begin(), query("INSERT INTO t(id) VALUES (2)", &[])]).await;
    assert_eq!(reader.count().await, 1);
    writer.all(vec![Step::Commit]).await;
    assert_eq!(reader.count().await, 1);
    reader.all(vec![Step::Commit]).await;
    assert_eq!(reader.count().await, 2);
}

#[tokio::test]
async fn a_connection_syncs_every_commit_and_checks_foreign_keys() {
    let file = TestFile::new();
    let connection = file.connect().await;
    assert_eq!(connection.rows("PRAGMA journal_mode").await, [vec![text("wal")]]);
    assert_eq!(connection.number("PRAGMA synchronous").await, 2);
    assert_eq!(connection.number("PRAGMA foreign_keys").await, 1);
}
