//! The statements on a real PostgreSQL database.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use uuid::Uuid;

use super::meaning::{find_ids, prepare, questions, rows};
use super::{Mood, R, Row, table, update_where};
use crate::backend::{Backend, Statement};
use crate::fixture::TestPostgres;
use crate::query::{Condition, Predicate};
use crate::statement::{Lock, Select, delete_where};
use crate::value::Value;

async fn filled() -> TestPostgres {
    let database = TestPostgres::new().await;
    let (ddl, inserts) = prepare(Backend::Postgres);
    database.run(&["CREATE TYPE mood AS ENUM ('Fine', 'Sad')".to_owned()]).await.unwrap();
    database.run(&ddl).await.unwrap();
    for insert in inserts {
        database.query(&insert).await.unwrap();
    }
    database
}

async fn ids(database: &TestPostgres, predicate: &Predicate<Row>) -> Vec<i64> {
    let rows = database.query(&find_ids(Backend::Postgres, predicate)).await.unwrap();
    rows.iter().map(|row| row.get::<_, i32>(0).into()).collect()
}

async fn affected(database: &TestPostgres, statement: &Statement) -> usize {
    let returning = Statement { sql: format!("{} RETURNING 1", statement.sql).into(), ..statement.clone() };
    database.query(&returning).await.unwrap().len()
}

#[test]
fn predicates_find_the_rows_that_the_logic_of_sql_says() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let database = runtime.block_on(filled());
    let rows = rows();
    TestRunner::new(Config { cases: 500, failure_persistence: None, ..Config::default() })
        .run(&questions(), |question| {
            let found = runtime.block_on(ids(&database, &question.predicate()));
            prop_assert_eq!(found, question.expected(&rows));
            Ok(())
        })
        .unwrap();
    runtime.block_on(database.drop());
}

#[tokio::test]
async fn lists_of_a_hundred_thousand_values_are_no_problem() {
    let database = filled().await;
    assert_eq!(ids(&database, &R.id.in_list(60..100_060)).await.len(), 60);
    assert_eq!(ids(&database, &R.token.in_list((0..100_000).map(Uuid::from_u128))).await.len(), 120);
    database.drop().await;
}

#[tokio::test]
async fn rows_counts_orders_limits_and_locks_are_those_asked_for() {
    let database = filled().await;
    let select = Select {
        order: vec![R.count.asc().ordering, R.id.desc().ordering],
        limit: Some(3),
        offset: Some(1),
        ..Select::filtered(table(), R.id.lt(10).condition)
    };
    for lock in [None, Some(Lock::Wait), Some(Lock::NoWait), Some(Lock::SkipLocked)] {
        let found = database.query(&Select { lock, ..select.clone() }.rows(Backend::Postgres).unwrap()).await.unwrap();
        let found: Vec<_> = found.iter().map(|row| (row.get::<_, i32>(0), row.get::<_, Option<i64>>(3))).collect();
        assert_eq!(found, [(8, Some(-2)), (1, Some(-2)), (2, Some(-1))]);
    }
    let mood: String = database.query(&select.rows(Backend::Postgres).unwrap()).await.unwrap()[0].get(11);
    assert_eq!(mood, format!("{:?}", Mood::Fine));
    assert_eq!(database.query(&select.count(Backend::Postgres).unwrap()).await.unwrap()[0].get::<_, i64>(0), 3);
    assert!(database.query(&select.exists(Backend::Postgres).unwrap()).await.unwrap()[0].get::<_, bool>(0));
    let last = Select { order: vec![R.count.asc().ordering], ..Select::new(table()) };
    assert_eq!(
        database.query(&last.rows(Backend::Postgres).unwrap()).await.unwrap()[119].get::<_, Option<i64>>(3),
        None
    );
    database.drop().await;
}

#[tokio::test]
async fn updates_and_deletes_touch_the_rows_of_their_condition() {
    let database = filled().await;
    let assigned = [
        R.count.set(R.count + 10).assigned,
        R.note.set("seen").assigned,
        R.least.set(None).assigned,
        R.mood.set(Mood::Sad).assigned,
    ];
    let update = update_where(table(), &assigned, &R.id.in_list([1, 2]).condition, Backend::Postgres).unwrap();
    assert_eq!(affected(&database, &update).await, 2);
    let seen = R.note.eq("seen").and(R.count.ge(8)).and(R.least.is_null()).and(R.mood.eq(Mood::Sad));
    assert_eq!(ids(&database, &seen).await, [1, 2]);
    let delete = delete_where(table(), &seen.condition, Backend::Postgres).unwrap();
    assert_eq!(affected(&database, &delete).await, 2);
    let rest = delete_where(table(), &Condition::Constant(true), Backend::Postgres).unwrap();
    assert_eq!(affected(&database, &rest).await, 118);
    database.drop().await;
}

#[tokio::test]
async fn keys_of_several_columns_find_their_rows() {
    let database = TestPostgres::new().await;
    let lines = "CREATE TABLE order_lines (order_id uuid, position int2, sku text);
                 INSERT INTO order_lines SELECT '00000000-0000-0000-0000-000000000000', n, 'a' FROM generate_series(1, 3) n";
    database.run(&[lines.to_owned()]).await.unwrap();
    let keys = [1, 3, 9].map(|position| vec![Value::Uuid(Uuid::nil()), Value::I16(position)]);
    let delete =
        delete_where(crate::fixture::order_lines(), &Condition::Keys(keys.to_vec()), Backend::Postgres).unwrap();
    assert_eq!(affected(&database, &delete).await, 2);
    database.drop().await;
}
