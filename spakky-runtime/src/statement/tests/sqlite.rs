//! The statements on a real SQLite database.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use uuid::Uuid;

use super::meaning::{find_ids, prepare, questions, rows};
use super::{Price, R, Row, table, update_where};
use crate::backend::sqlite::{SqliteConnection, SqliteOptions};
use crate::backend::{Answer, Backend, Statement, Step};
use crate::query::{Condition, Predicate};
use crate::schema::{Record, Role, TableDescriptor};
use crate::statement::{Guarded, RaiseStyle, Rise, Select, SqlWriter, Touch, Within, delete, delete_where, update};
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

/// Tables with keys of one and of several columns, with and without a version, a tenant and soft deletion.
fn keyed_tables() -> Vec<&'static TableDescriptor> {
    let optional = |role: Role, ty: ColumnType| {
        move |table: TableDescriptor| {
            table.column_of(&format!("{role:?}").to_lowercase(), ty, |column| column.role = role)
        }
    };
    let roles = [
        optional(Role::Version, i64::TYPE),
        optional(Role::Tenant, String::TYPE),
        optional(Role::DeletedAt, Option::<chrono::DateTime<chrono::Utc>>::TYPE),
    ];
    let mut tables = Vec::new();
    for key in 0..3 {
        for chosen in 0..8 {
            let name: &str = Box::leak(format!("t_{key}_{chosen}").into_boxed_str());
            let table = TableDescriptor::fixture::<Row>(name);
            let table = match key {
                0 => table.id::<i64>("id"),
                1 => table.id::<Uuid>("id"),
                _ => table.id::<String>("a").id::<i16>("b"),
            };
            let roles = roles.iter().enumerate().filter(|(at, _)| chosen & (1 << at) != 0);
            let table = roles.fold(table.column::<String>("note"), |table, (_, add)| add(table));
            tables.push(&*Box::leak(Box::new(table)));
        }
    }
    tables
}

/// A batch whose list is read from its beginning for each row, or whose table is read as a whole, takes the square of its
/// time: by the plan it is seen at once, and on every machine.
#[tokio::test]
async fn no_write_of_several_rows_reads_its_list_or_its_table_for_each() {
    let connection = SqliteConnection::connect(&SqliteOptions::from_url("sqlite::memory:").unwrap()).await.unwrap();
    for table in keyed_tables() {
        let columns: Vec<String> = table.columns.iter().map(|column| column.name.clone()).collect();
        let key: Vec<&str> = table.key_columns().map(|column| column.name.as_str()).collect();
        let kind = if key == ["id"] && table.columns[0].ty == i64::TYPE { " INTEGER" } else { "" };
        let names = columns.join(", ").replacen("id", &format!("id{kind}"), 1);
        let create = format!("CREATE TABLE {} ({names}, PRIMARY KEY ({}))", table.name, key.join(", "));
        connection.send(vec![Step::Control(create.into())]).await.unwrap();
        let row = |number: u8| {
            let values = table.columns.iter().map(|column| match column.ty.scalar {
                _ if column.role == Role::DeletedAt => Value::Null,
                ScalarType::Uuid => Value::Uuid(Uuid::from_u128(number.into())),
                ScalarType::I16 => Value::I16(number.into()),
                ScalarType::I64 => Value::I64(number.into()),
                _ => Value::Text(number.to_string()),
            });
            std::sync::Arc::new(Record::from(values.collect::<Vec<_>>()))
        };
        let within = Within { tenanted: table.tenant().is_some(), live: true, ..Within::default() };
        let touch = Touch { version: Rise::Next, mark: None };
        let (note, raise) = (table.position("note").unwrap(), RaiseStyle::Function("public"));
        for expected in [table.version.map(|_| 1), None] {
            let rows: Vec<Guarded> =
                (1..=3).map(|number| Guarded { row: row(number), expected, found: None }).collect();
            let mut made = update(Backend::Sqlite, raise, table, &[note], touch, within, &rows).unwrap();
            for must_exist in [true, false] {
                made.extend(delete(Backend::Sqlite, raise, table, &rows, within, must_exist).unwrap());
            }
            for (statement, _) in made {
                let sql = format!("EXPLAIN QUERY PLAN {}", statement.sql);
                let asked = Statement { sql: sql.clone().into(), guard: None, ..statement };
                let plan = run(&connection, asked).await.rows;
                let plan: Vec<String> =
                    plan.into_iter().map(|mut row| String::from_value(row.remove(3)).unwrap()).collect();
                let whole = format!("SCAN {}", table.name);
                assert!(plan.iter().any(|line| line.starts_with(&format!("SEARCH {}", table.name))), "{sql}: {plan:?}");
                let bad = |line: &String| line.contains("CORRELATED") || line.starts_with(&whole);
                assert!(!plan.iter().any(bad), "{sql}: {plan:?}");
            }
        }
    }
}
