//! The statements on a real SQLite database.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use uuid::Uuid;

use super::meaning::{find_ids, prepare, questions, rows};
use super::{Price, R, Row, table, update_where};
use crate::backend::sqlite::{SqliteConnection, SqliteOptions};
use crate::backend::{Answer, Backend, Statement, Step};
use crate::query::{Condition, Predicate};
use crate::statement::{Select, SqlWriter, delete_where};
use crate::value::{ColumnType, ColumnValue, ScalarType, Value};

async fn filled() -> SqliteConnection {
    let connection = SqliteConnection::connect(&SqliteOptions::from_url("sqlite::memory:").unwrap()).await.unwrap();
    let (ddl, inserts) = prepare(Backend::Sqlite);
    let steps = ddl.into_iter().map(|sql| Step::Control(sql.into())).chain(inserts.into_iter().map(Step::Statement));
    connection.send(steps.collect()).await.unwrap();
    connection
}

async fn run(connection: &SqliteConnection, statement: Statement) -> Answer {
    connection.send(vec![Step::Statement(statement)]).await.unwrap().remove(0)
}

async fn ids(connection: &SqliteConnection, predicate: &Predicate<Row>) -> Vec<i64> {
    let answer = run(connection, find_ids(Backend::Sqlite, predicate)).await;
    answer.rows.into_iter().map(|mut row| i64::from_value(row.remove(0)).unwrap()).collect()
}

#[test]
fn predicates_find_the_rows_that_the_logic_of_sql_says() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let connection = runtime.block_on(filled());
    let rows = rows();
    TestRunner::new(Config { cases: 1_000, failure_persistence: None, ..Config::default() })
        .run(&questions(), |question| {
            let found = runtime.block_on(ids(&connection, &question.predicate()));
            prop_assert_eq!(found, question.expected(&rows));
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_float_in_a_list_is_read_back_to_the_bit() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let connection = runtime.block_on(filled());
    let floats = || any::<f64>().prop_filter("NaN cannot be stored", |float| !float.is_nan());
    TestRunner::new(Config { cases: 300, failure_persistence: None, ..Config::default() })
        .run(&prop::collection::vec(floats(), 64), |floats| {
            let mut sql = SqlWriter::new(Backend::Sqlite);
            let ty = ColumnType::scalar(ScalarType::F64);
            sql.push_sql("WITH rows(ratio) AS (VALUES ").push_list(&floats, |sql, float| {
                sql.push_sql("(").push_bind(ty, Value::F64(*float)).push_sql(")");
            });
            sql.push_sql(") SELECT count(*) FROM rows");
            sql.push_where(table(), &R.ratio.in_list(&floats).condition).unwrap();
            let answer = runtime.block_on(run(&connection, sql.finish()));
            prop_assert_eq!(&answer.rows[0][0], &Value::I64(64));
            Ok(())
        })
        .unwrap();
}

#[tokio::test]
async fn lists_of_a_hundred_thousand_values_are_no_problem() {
    let connection = filled().await;
    assert_eq!(ids(&connection, &R.id.in_list(60..100_060)).await.len(), 60);
    assert_eq!(ids(&connection, &R.token.in_list((0..100_000).map(Uuid::from_u128))).await.len(), 120);
    assert_eq!(ids(&connection, &R.name.not_in_list((0..100_000).map(|n| n.to_string()))).await.len(), 120);
}

#[tokio::test]
async fn equal_decimals_are_found_however_they_are_spelled() {
    let connection = filled().await;
    for (price, count) in [("12.500", 60), ("12.5", 60), ("100.0", 30), ("100", 30), ("1", 0), ("-0.75", 30)] {
        assert_eq!(ids(&connection, &R.price.eq(Price(price))).await.len(), count, "{price}");
        assert_eq!(ids(&connection, &R.price.in_list([Price(price)])).await.len(), count, "{price}");
    }
}

#[tokio::test]
async fn rows_counts_orders_and_limits_are_those_asked_for() {
    let connection = filled().await;
    let select = Select {
        order: vec![R.count.asc().ordering, R.id.desc().ordering],
        limit: Some(3),
        offset: Some(1),
        ..Select::filtered(table(), R.id.lt(10).condition)
    };
    let answer = run(&connection, select.rows(Backend::Sqlite).unwrap()).await;
    let found: Vec<_> = answer.rows.iter().map(|row| (row[0].clone(), row[3].clone())).collect();
    let expected = [(8, -2), (1, -2), (2, -1)];
    assert_eq!(found, expected.map(|(id, count)| (Value::I64(id), Value::I64(count))));
    assert_eq!(run(&connection, select.count(Backend::Sqlite).unwrap()).await.rows, [[Value::I64(3)]]);
    assert_eq!(run(&connection, select.exists(Backend::Sqlite).unwrap()).await.rows, [[Value::I64(1)]]);
    let last = Select { order: vec![R.count.asc().ordering], ..Select::new(table()) };
    assert!(run(&connection, last.rows(Backend::Sqlite).unwrap()).await.rows[119][3].is_null());
}

#[tokio::test]
async fn updates_and_deletes_touch_the_rows_of_their_condition() {
    let connection = filled().await;
    let assigned = [R.count.set(R.count + 10).assigned, R.note.set("seen").assigned, R.least.set(None).assigned];
    let update = update_where(table(), &assigned, &R.id.in_list([1, 2]).condition, Backend::Sqlite).unwrap();
    assert_eq!(run(&connection, update).await.affected, 2);
    assert_eq!(ids(&connection, &R.note.eq("seen").and(R.count.ge(8)).and(R.least.is_null())).await, [1, 2]);
    let delete = delete_where(table(), &R.note.eq("seen").condition, Backend::Sqlite).unwrap();
    assert_eq!(run(&connection, delete).await.affected, 2);
    let rest = delete_where(table(), &Condition::Constant(true), Backend::Sqlite).unwrap();
    assert_eq!(run(&connection, rest).await.affected, 118);
}

#[tokio::test]
async fn keys_of_several_columns_find_their_rows() {
    let connection = filled().await;
    connection
        .send(vec![
            Step::Control("CREATE TABLE order_lines (order_id BLOB, position INTEGER, sku TEXT) STRICT".into()),
            Step::Control(
                "INSERT INTO order_lines VALUES (zeroblob(16), 1, 'a'), (zeroblob(16), 2, 'b'), (zeroblob(16), 3, 'c')"
                    .into(),
            ),
        ])
        .await
        .unwrap();
    let keys = [1, 3, 9].map(|position| vec![Value::Uuid(Uuid::nil()), Value::I16(position)]);
    let delete = delete_where(crate::fixture::order_lines(), &Condition::Keys(keys.to_vec()), Backend::Sqlite).unwrap();
    assert_eq!(run(&connection, delete).await.affected, 2);
}
