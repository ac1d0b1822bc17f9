//! Texts as the two databases read them. That they do read them so is asked from the databases themselves in the tests of their
//! connections, with the texts that [`text`] makes.

pub(crate) mod text;

use super::control::{Control, controls, runs_in_transaction};
use super::placeholder::{check_count, count, numbered};
use super::statement::statements;
use super::{Dialect, Tokens, first_word};
use crate::backend::Backend;

const POSTGRES: Dialect = Dialect::Postgres { backslashes: false };
const ESCAPED: Dialect = Dialect::Postgres { backslashes: true };

fn texts(sql: &str, dialect: Dialect) -> Vec<&str> {
    Tokens::new(sql, dialect).map(|token| token.text).collect()
}

fn split(sql: &str, dialect: Dialect) -> Vec<&str> {
    statements(sql, dialect).iter().map(|statement| &sql[statement.range()]).collect()
}

#[test]
fn names_texts_and_comments_are_told_apart() {
    let sql = "a \"b \"\"c\" 'it''s; ' -- d\n/* e /* f */ ; */ [g h] `i` 1.5e3 E'\\'x' x'00' $$ ; $$ $t$ $$ $t$ $1";
    let first = ["a", "\"b \"\"c\"", "'it''s; '"];
    let last = ["1.5e3", "E'\\'x'", "x'00'", "$$ ; $$", "$t$ $$ $t$", "$1"];
    let between: [(Dialect, &[&str]); 2] =
        [(POSTGRES, &["[", "g", "h", "]", "`", "i", "`"]), (Dialect::Shared, &["[g h]", "`i`"])];
    for (dialect, between) in between {
        assert_eq!(texts(sql, dialect), [&first, between, &last].concat(), "{dialect:?}");
    }
    assert_eq!(texts("/* e /* f */ ; */ [g h]`i`", Dialect::Sqlite), [";", "*", "/", "[g h]", "`i`"]);
    assert_eq!(texts("a[1] 'open", Dialect::Shared), ["a", "[", "1", "]", "'open"]);
    assert_eq!(texts("E'\\' $$;$$", Dialect::Sqlite), ["E", "'\\'", "$$", ";", "$$"]);
}

#[test]
fn a_text_of_postgres_goes_on_behind_a_line_break() {
    assert_eq!(texts("E'a' -- b\n '\\'c' d", POSTGRES), ["E'a' -- b\n '\\'c'", "d"]);
    assert_eq!(texts("'a' 'b'", POSTGRES), ["'a'", "'b'"]);
    assert_eq!(texts("'a'\n'b'", Dialect::Sqlite), ["'a'", "'b'"]);
    assert_eq!(texts("'\\'; '", ESCAPED), ["'\\'; '"]);
    assert_eq!(texts("U&'\\' u&\"\\\" b'1' N'x'", POSTGRES), ["U&'\\'", "u&\"\\\"", "b'1'", "N'x'"]);
}

#[test]
fn a_line_ends_where_the_database_has_it_end() {
    assert_eq!(first_word("-- a\rCOMMIT", POSTGRES), "COMMIT");
    assert_eq!(first_word("-- a\rCOMMIT\nSELECT", Dialect::Sqlite), "SELECT");
    assert_eq!(first_word("\u{FEFF};; /**/ COMMIT", Dialect::Sqlite), "COMMIT");
    assert_eq!(first_word("\u{FEFF}COMMIT", POSTGRES), "\u{FEFF}COMMIT");
    assert_eq!(first_word("'COMMIT'", POSTGRES), "");
}

#[test]
fn a_dollar_in_a_name_or_a_quoted_text_is_no_place() {
    for (sql, numbers) in [("SELECT a$1, $$ $2 $$, $t$ $3 $$ $t$, ä$4, $5+$6", 6), ("SELECT $1::text,$2", 2)] {
        assert_eq!(count(sql, POSTGRES), numbers, "{sql}");
    }
    assert_eq!(count("SELECT $$ $1", POSTGRES), 0);
    assert_eq!(count("SELECT ?, jsonb ? 'a', :b", POSTGRES), 0);
    assert_eq!(count("SELECT ?, ?5, ?, :b, @b, :b, $c::d(e), $7, '?' [?]", Dialect::Sqlite), 9);
}

#[test]
fn numbers_are_spelt_as_sqlite_has_them_outside_texts_names_and_comments() {
    assert_eq!(
        numbered("SELECT '$1', \"$2\", [$3], `$4`, $2 -- $3\n, $10 /* $4 */ FROM t WHERE a = $1 OR b$1 = $b"),
        "SELECT '$1', \"$2\", [$3], `$4`, ?2 -- $3\n, ?10 /* $4 */ FROM t WHERE a = ?1 OR b$1 = $b"
    );
    assert_eq!(numbered("SELECT 'it''s $1', $1"), "SELECT 'it''s $1', ?1");
    assert_eq!(numbered("SELECT '$1"), "SELECT '$1");
    assert_eq!(numbered("SELECT 1 -- $1"), "SELECT 1 -- $1");
}

#[test]
fn what_a_statement_defines_may_have_values_of_its_own() {
    for backend in [Backend::Postgres, Backend::Sqlite] {
        assert!(check_count("/* p */ PREPARE p (int) AS SELECT $1", 0, backend).is_ok());
        assert!(check_count("create function f(int) returns int return $1", 0, backend).is_ok());
        assert!(check_count("SELECT $1", 0, backend).is_err());
        assert!(check_count("PREPARE p AS SELECT 1", 1, backend).is_err());
    }
    // How a text with a backslash ends is up to a setting of the server.
    assert!(check_count(r"SELECT '\', $1, '", 1, Backend::Postgres).is_ok());
    assert!(check_count(r"SELECT '\', $1, '", 0, Backend::Postgres).is_ok());
    assert!(check_count(r"SELECT '\', $1, '", 0, Backend::Sqlite).is_err());
}

#[test]
fn statements_end_at_semicolons_that_are_not_inside_something() {
    let trigger = "CREATE TEMP TRIGGER t AFTER INSERT ON a BEGIN SELECT CASE 1 WHEN 1 THEN 2 END; DELETE FROM c; END";
    let explained = format!("EXPLAIN QUERY PLAN {trigger}");
    assert_eq!(split(&format!("{trigger};;{explained}; SELECT 1"), Dialect::Sqlite), [trigger, &explained, "SELECT 1"]);
    let function = "CREATE OR REPLACE FUNCTION f(\"begin\" int) RETURNS int BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true \
                    THEN 1 END; END";
    let rule = "CREATE RULE r AS ON INSERT TO a DO ALSO (DELETE FROM b; DELETE FROM c)";
    assert_eq!(split(&format!("{function};{rule}; SELECT 1;"), POSTGRES), [function, rule, "SELECT 1"]);
    assert_eq!(split("CREATE TABLE begin (a int); SELECT 1", POSTGRES), ["CREATE TABLE begin (a int)", "SELECT 1"]);
}

#[test]
fn a_statement_that_ends_a_transaction_is_found_wherever_it_stands() {
    for dialect in [POSTGRES, ESCAPED, Dialect::Sqlite] {
        for sql in [
            "COMMIT",
            "commit and chain",
            "/* job 7 */ COMMIT",
            "-- job 7\nCOMMIT",
            ";COMMIT",
            "SELECT 1; end transaction",
            "SELECT ';'; -- ;\n ABORT",
            "begin immediate",
            "START TRANSACTION",
            "ROLLBACK WORK",
            "PREPARE TRANSACTION 'a'",
        ] {
            assert!(matches!(controls(sql, dialect)[..], [Control::Transaction(_)]), "{dialect:?}: {sql}");
        }
        for sql in
            ["SELECT 'COMMIT; COMMIT'", "PREPARE a AS SELECT 1", "SELECT 1 AS \"; COMMIT;\" -- COMMIT", "ends", ""]
        {
            assert_eq!(controls(sql, dialect), [], "{dialect:?}: {sql}");
        }
        let savepoint = |word: &str| Control::Savepoint(word.to_owned(), "A b".to_owned());
        assert_eq!(
            controls("SAVEPOINT \"A b\"; rollback transaction to \"A b\"; Release savepoint \"A b\"", dialect),
            [savepoint("SAVEPOINT"), savepoint("ROLLBACK"), savepoint("RELEASE")]
        );
    }
    assert_eq!(controls("/* /* */ COMMIT */ SELECT 1", POSTGRES), []);
    assert_eq!(controls("/* /* */ COMMIT", Dialect::Sqlite).len(), 1);
    assert_eq!(controls("SELECT E'\\'; COMMIT; --'", POSTGRES), []);
    assert_eq!(controls("SELECT $a$; COMMIT; $a$", POSTGRES), []);
    assert_eq!(controls("SELECT '\\'; COMMIT; --'", ESCAPED), []);
    assert_eq!(controls("SELECT '\\'; COMMIT; --'", POSTGRES).len(), 1);
}

#[test]
fn statements_that_have_no_transaction_are_known() {
    for sql in [
        "VACUUM t",
        "/* a */ create database d",
        "ALTER SYSTEM SET a = 1",
        "CREATE INDEX CONCURRENTLY i ON t (a)",
        "create unique index concurrently i ON t (a)",
        "DROP INDEX CONCURRENTLY i",
        "REINDEX TABLE t",
        "ALTER TABLE t DETACH PARTITION p CONCURRENTLY",
        "DISCARD ALL",
    ] {
        assert!(!runs_in_transaction(sql), "{sql}");
    }
    for sql in ["SELECT 1", "CREATE TABLE t (a int)", "REFRESH MATERIALIZED VIEW CONCURRENTLY v", "", ";"] {
        assert!(runs_in_transaction(sql), "{sql}");
    }
}
