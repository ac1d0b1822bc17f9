//! The text of each statement, exactly.

use uuid::Uuid;

use super::{Mood, Price, R, Row, table, update_where};
use crate::backend::{Backend, Statement};
use crate::error::Error;
use crate::fixture::order_lines;
use crate::query::{Assignment, Condition, Order, Predicate};
use crate::schema::{Column, Role};
use crate::statement::{Lock, Select, delete_where};
use crate::value::{ColumnValue, Value};

fn values(statement: &Statement) -> Vec<Value> {
    statement.binds.iter().map(|bind| bind.value.clone()).collect()
}

/// What stands behind `WHERE`, and the values bound in it.
fn written(backend: Backend, predicate: &Predicate<Row>) -> (String, Vec<Value>) {
    let statement = delete_where(table(), &predicate.condition, backend).unwrap();
    let text = statement.sql.strip_prefix("DELETE FROM \"rows\"").unwrap();
    (text.strip_prefix(" WHERE ").unwrap_or(text).to_owned(), values(&statement))
}

#[track_caller]
fn assert_both(predicate: &Predicate<Row>, postgres: &str, sqlite: &str) {
    assert_eq!(written(Backend::Postgres, predicate).0, postgres);
    assert_eq!(written(Backend::Sqlite, predicate).0, sqlite);
}

fn refusal(backend: Backend, predicate: &Predicate<Row>) -> Error {
    delete_where(table(), &predicate.condition, backend).unwrap_err()
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

#[test]
fn comparisons_bind_their_value() {
    assert_both(&R.id.eq(1), r#""id" = $1"#, r#""id" = ?1"#);
    assert_both(&R.name.ne("a"), r#""name" <> $1"#, r#""name" <> ?1"#);
    assert_both(&R.name.lt(String::from("a")), r#""name" < $1"#, r#""name" < ?1"#);
    assert_both(&R.note.le("a"), r#""note" <= $1"#, r#""note" <= ?1"#);
    assert_both(&R.count.gt(5), r#""count" > $1"#, r#""count" > ?1"#);
    assert_both(&R.count.ge(Some(5)), r#""count" >= $1"#, r#""count" >= ?1"#);
    assert_both(&R.bytes.eq(&b"ab"[..]), r#""bytes" = $1"#, r#""bytes" = ?1"#);
    assert_both(&R.mood.eq(Mood::Sad), r#""mood" = $1::mood"#, r#""mood" = ?1"#);
    assert_both(&R.count.between(1, 9), r#""count" >= $1 AND "count" <= $2"#, r#""count" >= ?1 AND "count" <= ?2"#);
    assert_eq!(written(Backend::Postgres, &R.count.between(1, 9)).1, [Value::I64(1), Value::I64(9)]);
}

#[test]
fn a_bound_value_has_the_type_of_its_column() {
    let statement = delete_where(table(), &R.count.eq(5).condition, Backend::Postgres).unwrap();
    assert_eq!(statement.binds[0].ty, Option::<i64>::TYPE);
}

#[test]
fn none_asks_for_null() {
    assert_both(&R.note.eq(None::<&str>), r#""note" IS NULL"#, r#""note" IS NULL"#);
    assert_both(&R.count.ne(None), r#""count" IS NOT NULL"#, r#""count" IS NOT NULL"#);
    assert_both(&R.note.is_null(), r#""note" IS NULL"#, r#""note" IS NULL"#);
    assert_both(&R.note.is_not_null(), r#""note" IS NOT NULL"#, r#""note" IS NOT NULL"#);
    let error = refusal(Backend::Postgres, &R.count.lt(None));
    assert!(error.is_invalid_query());
    assert_eq!(
        error.to_string(),
        "query `rows`: column `count` is compared by order with `None`, which no value is before or after; use `is_null`"
    );
}

#[test]
fn columns_compare_with_columns_and_with_arithmetic_on_them() {
    assert_both(&R.count.ge(R.least), r#""count" >= "least""#, r#""count" >= "least""#);
    assert_both(&R.count.ge(R.least + 1), r#""count" >= ("least" + $1)"#, r#""count" >= ("least" + ?1)"#);
    assert_both(
        &R.count.ge(R.least * 2 - R.count),
        r#""count" >= (("least" * $1) - "count")"#,
        r#""count" >= (("least" * ?1) - "count")"#,
    );
    assert_both(&R.count.in_list([R.least]), r#"FALSE OR "count" = "least""#, r#"FALSE OR "count" = "least""#);
}

#[test]
fn predicates_nest_with_parentheses() {
    let (a, b, c) = (|| R.id.eq(1), || R.id.eq(2), || R.id.eq(3));
    let pg = |predicate: Predicate<Row>| written(Backend::Postgres, &predicate).0;
    assert_eq!(pg(a().and(b()).and(c())), r#""id" = $1 AND "id" = $2 AND "id" = $3"#);
    assert_eq!(pg(a().and(b()).or(c())), r#"("id" = $1 AND "id" = $2) OR "id" = $3"#);
    assert_eq!(pg(a().and(b().or(c()))), r#""id" = $1 AND ("id" = $2 OR "id" = $3)"#);
    assert_eq!(pg(!a().or(b())), r#"NOT ("id" = $1 OR "id" = $2)"#);
    assert_eq!(pg(a().and(!b())), r#""id" = $1 AND NOT ("id" = $2)"#);
    assert_eq!(pg(Predicate::all([a(), b()])), r#""id" = $1 AND "id" = $2"#);
    assert_eq!(pg(Predicate::any([a(), b()])), r#""id" = $1 OR "id" = $2"#);
    assert_eq!(pg(Predicate::all([])), "");
    assert_eq!(pg(Predicate::any([])), "FALSE");
    assert_eq!(pg(!Predicate::all([])), "NOT (TRUE)");
}

#[test]
fn a_list_is_one_bound_value_whatever_its_length() {
    assert_both(&R.id.in_list([1, 2, 3]), r#""id" = ANY($1)"#, r#""id" IN (SELECT value FROM json_each(?1))"#);
    assert_both(&R.id.not_in_list([1]), r#""id" <> ALL($1)"#, r#""id" NOT IN (SELECT value FROM json_each(?1))"#);
    assert_both(
        &R.mood.in_list([Mood::Sad]),
        r#""mood" = ANY($1::mood[])"#,
        r#""mood" IN (SELECT value FROM json_each(?1))"#,
    );
    assert_both(
        &R.token.in_list([Uuid::nil()]),
        r#""token" = ANY($1)"#,
        r#""token" IN (SELECT unhex(value) FROM json_each(?1))"#,
    );
    assert_both(
        &R.ratio.in_list([0.5]),
        r#""ratio" = ANY($1)"#,
        r#""ratio" IN (SELECT CAST(value AS REAL) FROM json_each(?1))"#,
    );
    assert_both(
        &R.tags.in_list([vec!["a".to_owned()]]),
        r#""tags" IN ($1)"#,
        r#""tags" IN (SELECT value FROM json_each(?1))"#,
    );
    assert_both(&R.id.in_list::<i32>([]), "FALSE", "FALSE");
    assert_both(&R.id.not_in_list::<i32>([]), "TRUE", "TRUE");

    let (_, bound) = written(Backend::Postgres, &R.name.in_list(["a", "b"]));
    assert_eq!(bound, [Value::Array(vec![text("a"), text("b")])]);
    assert_eq!(written(Backend::Sqlite, &R.name.in_list(["a", "\"b"])).1, [text(r#"["a","\"b"]"#)]);
    assert_eq!(written(Backend::Sqlite, &R.flag.in_list([true, false])).1, [text("[1,0]")]);
    assert_eq!(
        written(Backend::Sqlite, &R.ratio.in_list([0.1, f64::INFINITY, f64::NEG_INFINITY])).1,
        [text(r#"["1e-1","9e999","-9e999"]"#)]
    );
    assert!(refusal(Backend::Sqlite, &R.ratio.in_list([f64::NAN])).is_mapping());
}

#[test]
fn none_in_a_list_stands_for_null() {
    assert_eq!(
        written(Backend::Postgres, &R.count.in_list([Some(1), None, None])).0,
        r#""count" = ANY($1) OR "count" IS NULL"#
    );
    assert_eq!(
        written(Backend::Postgres, &R.count.not_in_list([None, Some(1)])).0,
        r#""count" <> ALL($1) AND "count" IS NOT NULL"#
    );
    assert_eq!(written(Backend::Postgres, &R.count.in_list([None])).0, r#"FALSE OR "count" IS NULL"#);
}

#[test]
fn patterns_mind_case_and_take_values_as_they_are() {
    assert_both(&R.name.contains("5%"), r#""name" LIKE $1"#, r#""name" GLOB ?1"#);
    let bound = |predicate: Predicate<Row>| {
        (written(Backend::Postgres, &predicate).1.remove(0), written(Backend::Sqlite, &predicate).1.remove(0))
    };
    assert_eq!(bound(R.name.contains("5%")), (text(r"%5\%%"), text("*5%*")));
    assert_eq!(bound(R.name.starts_with("a_*")), (text(r"a\_*%"), text("a_[*]*")));
    assert_eq!(bound(R.note.ends_with(r"\")), (text(r"%\\"), text(r"*\")));
    assert_eq!(bound(R.name.like(r"a%b_\%")), (text(r"a%b_\%"), text("a*b?%")));
    assert_both(&R.note.ilike("A%"), r#""note" ILIKE $1"#, r#""note" LIKE ?1 ESCAPE '\'"#);
    assert_both(&R.mood.contains("a"), r#""mood"::text LIKE $1"#, r#""mood" GLOB ?1"#);
}

#[test]
fn a_value_that_cannot_be_stored_is_reported_with_its_column() {
    for predicate in [R.name.eq("a\0"), R.name.in_list(["a\0"]), R.id.eq(1).and(!R.name.gt("a\0"))] {
        let error = refusal(Backend::Sqlite, &predicate);
        assert!(error.is_mapping());
        assert_eq!(error.columns(), ["name"]);
        assert_eq!(
            error.to_string(),
            "store column `name` of `rows`: text with a NUL character cannot be stored; remove it or store bytes"
        );
    }
    assert!(refusal(Backend::Postgres, &R.name.like("a\\")).is_mapping());
    assert!(refusal(Backend::Postgres, &R.name.contains("a\0")).is_mapping());
}

#[test]
fn a_column_of_another_table_is_refused() {
    let error = refusal(Backend::Postgres, &Column::<Row, i32>::new("ship_", "street").eq(1));
    assert!(error.is_invalid_query());
    assert_eq!(error.to_string(), "query `rows`: the table has no column `ship_street`");
}

#[test]
fn sqlite_refuses_what_its_text_cannot_answer() {
    assert_both(
        &R.price.eq(Price("12.50")),
        r#""price" = $1"#,
        r#"CASE WHEN instr("price", '.') THEN rtrim(rtrim("price", '0'), '.') ELSE "price" END = ?1"#,
    );
    assert_eq!(written(Backend::Sqlite, &R.price.eq(Price("12.50"))).1, [Value::Decimal("12.5".into())]);
    assert_eq!(written(Backend::Sqlite, &R.price.in_list([Price("12.00"), Price("100")])).1, [text(r#"["12","100"]"#)]);
    assert_eq!(written(Backend::Postgres, &R.price.lt(Price("1"))).0, r#""price" < $1"#);
    let error = refusal(Backend::Sqlite, &R.price.lt(Price("1")));
    assert!(error.is_invalid_query());
    assert_eq!(
        error.to_string(),
        "query `rows`: column `price` is a decimal, which SQLite stores as text whose order is another; compare and sort \
         in the program, or store an integer"
    );
    assert!(refusal(Backend::Sqlite, &R.tags.gt(vec![])).is_invalid_query());
    let select = Select { order: vec![R.price.asc().ordering], ..Select::new(table()) };
    assert!(select.rows(Backend::Sqlite).unwrap_err().is_invalid_query());
    assert!(select.rows(Backend::Postgres).is_ok());
    let assigned = [R.price.set(R.price - Price("1")).assigned];
    assert!(
        update_where(table(), &assigned, &Condition::Constant(true), Backend::Sqlite).unwrap_err().is_invalid_query()
    );
}

#[test]
fn select_reads_native_types_as_text_and_takes_order_limit_and_lock() {
    let columns = r#""id", "name", "note", "count", "least", "ratio", "flag", "token", "bytes", "at", "tags", "mood"::text, "price""#;
    let order = |order: Vec<Order<Row>>| order.into_iter().map(|order| order.ordering).collect::<Vec<_>>();
    let select = Select {
        order: order(vec![
            R.count.desc(),
            R.note.asc(),
            R.count.asc().nulls_first(),
            R.note.desc().nulls_last(),
            R.id.into(),
        ]),
        limit: Some(50),
        offset: Some(100),
        lock: Some(Lock::SkipLocked),
        ..Select::filtered(table(), R.id.gt(7).condition)
    };
    let statement = select.rows(Backend::Postgres).unwrap();
    assert_eq!(
        *statement.sql,
        format!(
            r#"SELECT {columns} FROM "rows" WHERE "id" > $1 ORDER BY "count" DESC, "note", "count" NULLS FIRST, "note" DESC NULLS LAST, "id" LIMIT $2 OFFSET $3 FOR UPDATE SKIP LOCKED"#
        )
    );
    assert_eq!(values(&statement), [Value::I32(7), Value::I64(50), Value::I64(100)]);
    assert_eq!(
        *select.rows(Backend::Sqlite).unwrap().sql,
        format!(
            r#"SELECT {} FROM "rows" WHERE "id" > ?1 ORDER BY "count" DESC NULLS FIRST, "note" NULLS LAST, "count" NULLS FIRST, "note" DESC NULLS LAST, "id" LIMIT ?2 OFFSET ?3"#,
            columns.replace("::text", "")
        )
    );
    let locked = |lock| Select { lock: Some(lock), ..Select::new(table()) }.rows(Backend::Postgres).unwrap().sql;
    assert_eq!(*locked(Lock::Wait), format!(r#"SELECT {columns} FROM "rows" FOR UPDATE"#));
    assert_eq!(*locked(Lock::NoWait), format!(r#"SELECT {columns} FROM "rows" FOR UPDATE NOWAIT"#));
    let skipping = Select { offset: Some(3), ..Select::new(table()) };
    assert!(skipping.rows(Backend::Sqlite).unwrap().sql.ends_with(r#"FROM "rows" LIMIT -1 OFFSET ?1"#));
}

#[test]
fn counting_and_asking_for_existence_keep_the_condition_and_the_limit() {
    let select = Select::filtered(table(), R.flag.eq(true).condition);
    let limited = Select { limit: Some(5), ..select.clone() };
    assert_eq!(&*select.count(Backend::Postgres).unwrap().sql, r#"SELECT count(*) FROM "rows" WHERE "flag" = $1"#);
    assert_eq!(
        &*limited.count(Backend::Sqlite).unwrap().sql,
        r#"SELECT count(*) FROM (SELECT 1 FROM "rows" WHERE "flag" = ?1 LIMIT ?2) AS "counted""#
    );
    assert_eq!(
        &*select.exists(Backend::Postgres).unwrap().sql,
        r#"SELECT EXISTS (SELECT 1 FROM "rows" WHERE "flag" = $1)"#
    );
}

#[test]
fn an_update_bumps_version_and_time_of_update() {
    let orders = crate::fixture::orders();
    let stock: Column<crate::fixture::OrderRow, i32> = Column::new("", "stock");
    let note: Column<crate::fixture::OrderRow, Option<String>> = Column::new("", "note");
    let assigned = [stock.set(stock - 1).assigned, note.set("sold").assigned];
    let condition = stock.ge(1).condition;
    let postgres = update_where(orders, &assigned, &condition, Backend::Postgres).unwrap();
    assert_eq!(
        &*postgres.sql,
        r#"UPDATE "orders" SET "stock" = ("stock" - $1), "note" = $2, "version" = "version" + 1, "updated_at" = (now() AT TIME ZONE 'UTC') WHERE "stock" >= $3"#
    );
    assert_eq!(values(&postgres), [Value::I32(1), text("sold"), Value::I32(1)]);
    assert_eq!(
        &*update_where(orders, &assigned, &condition, Backend::Sqlite).unwrap().sql,
        r#"UPDATE "orders" SET "stock" = ("stock" - ?1), "note" = ?2, "version" = "version" + 1, "updated_at" = strftime('%Y-%m-%dT%H:%M:%f000', 'now') WHERE "stock" >= ?3"#
    );
}

#[test]
fn an_update_that_cannot_be_meant_is_refused() {
    let problem = |assigned: Vec<Assignment<Row>>| {
        let assigned: Vec<_> = assigned.into_iter().map(|assignment| assignment.assigned).collect();
        update_where(table(), &assigned, &Condition::Constant(true), Backend::Postgres).unwrap_err().to_string()
    };
    assert_eq!(problem(vec![]), "query `rows`: an update must set a column");
    assert_eq!(problem(vec![R.id.set(1)]), "query `rows`: column `id` is the key, which never changes");
    assert_eq!(problem(vec![R.flag.set(true), R.flag.set(false)]), "query `rows`: column `flag` is set twice");
    assert_eq!(
        problem(vec![R.name.set("\0")]),
        "store column `name` of `rows`: text with a NUL character cannot be stored; remove it or store bytes"
    );
    let versioned = crate::fixture::orders();
    assert_eq!(versioned.columns[versioned.version.unwrap()].role, Role::Version);
    let assigned = [Column::<Row, i64>::new("", "version").set(1).assigned];
    let error = update_where(versioned, &assigned, &Condition::Constant(true), Backend::Postgres).unwrap_err();
    assert_eq!(error.to_string(), "query `orders`: column `version` is the version, which goes up by itself");
}

#[test]
fn keys_of_several_columns_are_one_list() {
    let key = |position: i16| vec![Value::Uuid(Uuid::nil()), Value::I16(position)];
    let written = |backend, keys: Vec<Vec<Value>>| {
        let statement = delete_where(order_lines(), &Condition::Keys(keys), backend).unwrap();
        (statement.sql.strip_prefix("DELETE FROM \"order_lines\" WHERE ").unwrap().to_owned(), values(&statement))
    };
    let (sql, bound) = written(Backend::Postgres, vec![key(1), key(2)]);
    assert_eq!(sql, r#"("order_id", "position") IN (SELECT * FROM UNNEST($1, $2))"#);
    assert_eq!(bound[1], Value::Array(vec![Value::I16(1), Value::I16(2)]));
    let (sql, bound) = written(Backend::Sqlite, vec![key(1), key(2)]);
    assert_eq!(sql, r#"("order_id", "position") IN (SELECT unhex(value ->> 0), value ->> 1 FROM json_each(?1))"#);
    assert_eq!(bound, [text(&format!(r#"[["{0}",1],["{0}",2]]"#, "0".repeat(32)))]);
    assert_eq!(written(Backend::Sqlite, vec![key(1)]).0, r#""order_id" = ?1 AND "position" = ?2"#);
    assert_eq!(written(Backend::Postgres, vec![]).0, "FALSE");
}
