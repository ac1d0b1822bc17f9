//! What the lexer makes of a text is what SQLite makes of it.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use proptest::test_runner::{Config, TestCaseError, TestRunner};

use crate::backend::sqlite::queue::Queue;
use crate::backend::sqlite::raw::{Database, statement_count};
use crate::backend::sqlite::wire::Wire;
use crate::sql::Dialect;
use crate::sql::placeholder::{count, numbered};
use crate::sql::statement::statements;
use crate::sql::tests::text::{script, statement};

fn runner() -> TestRunner {
    TestRunner::new(Config { cases: 1_000, failure_persistence: None, ..Config::default() })
}

fn database() -> Database {
    Database::open(":memory:", Arc::new(Queue::new(Duration::ZERO))).unwrap()
}

#[test]
fn places_are_those_that_sqlite_finds() {
    let database = database();
    let found = runner().run(&statement(Dialect::Sqlite), |text| {
        assert_eq!(count(&text.sql, Dialect::Sqlite), text.values);
        assert_eq!(statements(&text.sql, Dialect::Sqlite).len(), 1);
        let mut prepared =
            database.prepare(&numbered(&text.sql)).map_err(|failure| TestCaseError::fail(failure.message))?;
        // A statement that takes another number of values is refused.
        let values: Vec<Wire> = (0..text.values).map(|_| Wire::Integer(1)).collect();
        prepared.run(&values, |_| ControlFlow::Continue(())).map_err(|failure| TestCaseError::fail(failure.message))?;
        Ok(())
    });
    found.unwrap();
}

#[test]
fn statements_are_those_that_sqlite_finds() {
    let database = database();
    let found = runner().run(&script(Dialect::Sqlite), |text| {
        let parts = statement_count(&database, &text.sql).map_err(|failure| TestCaseError::fail(failure.message))?;
        assert_eq!(parts, text.statements);
        let found = statements(&text.sql, Dialect::Sqlite);
        assert_eq!(found.len(), text.statements);
        for statement in found {
            let sql = &text.sql[statement.range()];
            assert_eq!(
                statement_count(&database, sql).map_err(|failure| TestCaseError::fail(failure.message))?,
                1,
                "{sql}"
            );
        }
        Ok(())
    });
    found.unwrap();
}

#[test]
fn bodies_of_triggers_are_parts_of_one_statement() {
    let database = database();
    database.execute("CREATE TABLE a (b); CREATE TABLE c (d)").unwrap();
    let parts = [
        "CREATE TRIGGER t AFTER INSERT ON a BEGIN UPDATE a SET b = CASE b WHEN 1 THEN 2 END; DELETE FROM c; END",
        "CREATE TEMPORARY TRIGGER IF NOT EXISTS u AFTER INSERT ON a WHEN CASE 1 WHEN 1 THEN 1 END BEGIN SELECT ';'; END",
        "CREATE TABLE \"end\" ([begin] TEXT)",
    ];
    let sql = parts.join(";\n");
    let found = statements(&sql, Dialect::Sqlite);
    assert_eq!(found.iter().map(|statement| &sql[statement.range()]).collect::<Vec<_>>(), parts);
    for part in parts {
        database.prepare(part).unwrap().run(&[], |_| ControlFlow::Continue(())).unwrap();
    }
}
