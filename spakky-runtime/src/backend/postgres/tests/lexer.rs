//! What the lexer makes of a text is what the server makes of it.

use proptest::test_runner::{Config, TestRunner};
use tokio_postgres::{NoTls, SimpleQueryMessage};

use super::support::TestDatabase;
use crate::sql::Dialect;
use crate::sql::placeholder::count;
use crate::sql::statement::statements;
use crate::sql::tests::text::{script, statement};

/// How many texts are tried of each kind.
const CASES: u32 = 400;

fn runner() -> TestRunner {
    TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() })
}

#[test]
fn statements_and_places_are_those_that_the_server_finds() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let database = runtime.block_on(TestDatabase::create());
    let (client, connection) = runtime.block_on(tokio_postgres::connect(database.url(), NoTls)).unwrap();
    runtime.spawn(connection);
    for backslashes in [false, true] {
        let dialect = Dialect::Postgres { backslashes };
        let setting = if backslashes { "off" } else { "on" };
        let set = format!("SET standard_conforming_strings = {setting}; SET escape_string_warning = off");
        runtime.block_on(client.batch_execute(&set)).unwrap();

        let found = runner().run(&statement(dialect), |text| {
            let prepared = runtime.block_on(client.prepare(&text.sql)).map_err(|error| {
                let error = format!("{error:?}");
                proptest::test_runner::TestCaseError::fail(error)
            })?;
            proptest::prop_assert_eq!(prepared.params().len(), text.values);
            proptest::prop_assert_eq!(count(&text.sql, dialect), text.values);
            proptest::prop_assert_eq!(statements(&text.sql, dialect).len(), 1);
            Ok(())
        });
        found.unwrap();

        let found = runner().run(&script(dialect), |text| {
            proptest::prop_assume!(text.values == 0);
            let messages = runtime.block_on(client.simple_query(&text.sql)).map_err(|error| {
                let error = format!("{error:?}");
                proptest::test_runner::TestCaseError::fail(error)
            })?;
            let done = messages.iter().filter(|message| matches!(message, SimpleQueryMessage::CommandComplete(1)));
            proptest::prop_assert_eq!(done.count(), text.statements);
            let found = statements(&text.sql, dialect);
            proptest::prop_assert_eq!(found.len(), text.statements);
            for statement in found {
                let single = &text.sql[statement.range()];
                proptest::prop_assert!(runtime.block_on(client.prepare(single)).is_ok(), "{}", single);
            }
            Ok(())
        });
        found.unwrap();
    }
}

#[test]
fn bodies_of_statements_are_parts_of_one() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let database = runtime.block_on(TestDatabase::create());
    runtime.block_on(database.run("CREATE TABLE a (b int)"));
    let (client, connection) = runtime.block_on(tokio_postgres::connect(database.url(), NoTls)).unwrap();
    runtime.spawn(connection);
    let parts = [
        "CREATE FUNCTION f(\"begin\" int) RETURNS int BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 1 END; END",
        "CREATE OR REPLACE PROCEDURE p() BEGIN ATOMIC INSERT INTO a VALUES (1); DELETE FROM a; END",
        "CREATE RULE r AS ON INSERT TO a DO ALSO (DELETE FROM a WHERE b = 1; DELETE FROM a WHERE b = 2)",
        "CREATE FUNCTION g() RETURNS int LANGUAGE plpgsql AS $body$ BEGIN RETURN 1; END $body$",
        "DO $$ BEGIN PERFORM 1; END $$",
    ];
    let sql = parts.join(";\n");
    let found = statements(&sql, Dialect::Postgres { backslashes: false });
    assert_eq!(found.iter().map(|statement| &sql[statement.range()]).collect::<Vec<_>>(), parts);
    for part in parts {
        runtime.block_on(client.execute(part, &[])).unwrap();
    }
}
