//! Rows one by one.

use std::time::Duration;

use futures_util::TryStreamExt;

use super::support::*;
use crate::backend::{Statement, Step};
use crate::error::ErrorKind;
use crate::value::Value;

fn numbers(count: i64) -> Statement {
    let Step::Statement(statement) =
        cached("SELECT n, repeat('x', 1000) FROM generate_series(1, $1::int8) n", vec![bind(count)])
    else {
        unreachable!("it is a statement");
    };
    statement
}

#[tokio::test]
async fn rows_come_one_by_one_cold_and_prepared() {
    let database = TestDatabase::create().await;
    let connection = database.connect().await;
    for _ in 0..3 {
        let mut rows = connection.stream(numbers(5_000), false);
        let mut expected = 1;
        while let Some(row) = rows.try_next().await.unwrap() {
            assert_eq!(row[0], Value::I64(expected));
            expected += 1;
        }
        assert_eq!(expected, 5_001);
    }
    assert!(connection.reset(std::time::Duration::ZERO).await, "all was read, so nothing is left over");
}

#[tokio::test]
async fn a_stream_dropped_half_way_leaves_a_usable_connection() {
    let database = TestDatabase::create().await;
    let connection = database.connect().await;
    let mut rows = connection.stream(numbers(20_000), false);
    assert_eq!(rows.try_next().await.unwrap().unwrap()[0], Value::I64(1));
    drop(rows);
    assert_eq!(value(&connection, "SELECT 7").await, Value::I32(7));

    drop(connection.stream(numbers(2_000_000_000), false));
    assert!(connection.reset(LIMIT).await);
    assert_eq!(value(&connection, "SELECT 8").await, Value::I32(8));
}

#[tokio::test]
async fn a_failure_in_the_middle_ends_the_stream() {
    let database = TestDatabase::create().await;
    let connection = database.connect().await;
    let Step::Statement(failing) = query("SELECT 1 / (3 - n) FROM generate_series(1, 5) n") else {
        unreachable!("it is a statement");
    };
    let mut rows = connection.stream(failing, false);
    assert_eq!(rows.try_next().await.unwrap().unwrap()[0], Value::I32(0));
    assert_eq!(rows.try_next().await.unwrap().unwrap()[0], Value::I32(1));
    let error = rows.try_next().await.unwrap_err();
    assert_eq!((error.kind, error.code()), (ErrorKind::Database, "22012"));
    assert_eq!(rows.try_next().await.unwrap(), None);

    let mut unsent = numbers(1);
    unsent.binds[0].value = Value::Bool(true);
    let error = connection.stream(unsent, false).try_next().await.unwrap_err();
    assert_eq!((error.kind, error.message.as_str()), (ErrorKind::Mapping, "expected int8, found bool"));
    assert!(connection.is_usable());
}

#[tokio::test]
async fn a_type_that_others_made_is_learned_behind_the_stream_that_missed_it() {
    let database = TestDatabase::create().await;
    let connection = database.connect().await;
    assert!(connection.learn_types(Duration::ZERO).await, "nothing is asked as long as all are known");
    database.run("CREATE TYPE mood AS ENUM ('glad'); CREATE TYPE pair AS (a int4, b text)").await;
    let Step::Statement(moods) = query("SELECT 'glad'::mood, ROW(1, 'b')::pair") else {
        unreachable!("it is a statement")
    };
    let first = async || connection.stream(moods.clone(), false).try_next().await.unwrap().unwrap().remove(0);
    assert_ne!(first().await, Value::Text("glad".into()));
    assert!(connection.learn_types(LIMIT).await);
    assert_eq!(first().await, Value::Text("glad".into()));
    assert!(connection.learn_types(Duration::ZERO).await, "a row type is known, too");
}
