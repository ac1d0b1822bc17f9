//! Bursts, transactions and their failures.

use super::support::*;
use crate::backend::Step;
use crate::error::ErrorKind;
use crate::value::Value;

const INSERT: &str = "INSERT INTO t(id, name) VALUES (?1, ?2)";

#[tokio::test]
async fn a_burst_answers_each_step() {
    let connection = memory().await;
    let answers = connection
        .all(vec![
            begin(),
            control("CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT); CREATE INDEX ix_t ON t(name)"),
            query(INSERT, &[Value::I64(1), text("a")]),
            query("INSERT INTO t(id, name) VALUES (2, 'b'), (3, NULL) RETURNING id, name", &[]),
            query("UPDATE t SET name = 'z' WHERE id > ?1", &[Value::I64(1)]),
            query("UPDATE t SET name = 'z' WHERE id > 99", &[]),
            query("SELECT id FROM t WHERE name = 'z' ORDER BY id", &[]),
            query("SELECT id FROM t WHERE id = 99", &[]),
            Step::Commit,
        ])
        .await;
    let affected: Vec<u64> = answers.iter().map(|answer| answer.affected).collect();
    assert_eq!(affected, [0, 0, 1, 2, 2, 0, 0, 0, 0]);
    assert_eq!(answers[3].rows, [vec![Value::I64(2), text("b")], vec![Value::I64(3), Value::Null]]);
    assert_eq!(answers[6].rows, [vec![Value::I64(2)], vec![Value::I64(3)]]);
    assert!(answers[7].rows.is_empty());
}

#[tokio::test]
async fn bursts_run_in_the_order_they_were_sent_even_if_nobody_waits() {
    let connection = memory().await;
    connection.table(0).await;
    drop(connection.send(vec![begin(), query(INSERT, &[Value::I64(1), Value::Null])]));
    drop(connection.send(vec![query(INSERT, &[Value::I64(2), Value::Null])]));
    drop(connection.send(vec![Step::Commit]));
    assert_eq!(connection.count().await, 2);
}

#[tokio::test]
async fn a_failed_step_undoes_everything_glued_with_the_commit() {
    let connection = memory().await;
    connection.table(1).await;
    let failure = connection
        .failure(vec![
            begin(),
            query(INSERT, &[Value::I64(2), text("a")]),
            query(INSERT, &[Value::I64(3), text("a")]),
            query(INSERT, &[Value::I64(4), text("b")]),
            Step::Commit,
        ])
        .await;
    assert_eq!((failure.step, failure.answers.len(), failure.lost), (2, 2, false));
    assert_eq!((failure.error.kind, failure.error.code()), (ErrorKind::UniqueViolation, "2067"));
    assert_eq!(
        (failure.error.table.as_deref(), failure.error.columns.as_slice()),
        (Some("t"), &["name".to_owned()][..])
    );
    assert_eq!(connection.count().await, 1);
    // The transaction is over: a new one can begin.
    connection.all(vec![begin(), query(INSERT, &[Value::I64(2), text("a")]), Step::Commit]).await;
    assert_eq!(connection.count().await, 2);
}

#[tokio::test]
async fn a_missed_guard_undoes_everything_glued_with_the_commit_and_gives_its_answer() {
    let connection = memory().await;
    connection.table(3).await;
    let failure = connection
        .failure(vec![
            begin(),
            query(INSERT, &[Value::I64(10), Value::Null]),
            guarded("UPDATE t SET name = 'x' || id WHERE id IN (2, 3, 7) RETURNING id", &[], 3),
            Step::Commit,
        ])
        .await;
    assert_eq!((failure.step, failure.error.kind), (2, ErrorKind::Conflict));
    assert_eq!(failure.answers.len(), 3);
    assert_eq!(failure.answers[2].rows, [vec![Value::I64(2)], vec![Value::I64(3)]]);
    assert_eq!(connection.number("SELECT count(*) FROM t WHERE name IS NOT NULL OR id = 10").await, 0);
}

#[tokio::test]
async fn a_guard_counts_rows_written_where_there_are_none_returned() {
    let connection = memory().await;
    connection.table(3).await;
    connection.all(vec![guarded("DELETE FROM t WHERE id = 1", &[], 1)]).await;
    let failure = connection.failure(vec![guarded("DELETE FROM t WHERE id = 1", &[], 1)]).await;
    assert_eq!((failure.error.kind, failure.answers[0].affected), (ErrorKind::Conflict, 0));
    // A count of an earlier statement is not taken for that of a read.
    assert_eq!(connection.all(vec![query("DELETE FROM t WHERE id = 2", &[])]).await[0].affected, 1);
    assert_eq!(connection.all(vec![query("SELECT id FROM t WHERE id = 2", &[])]).await[0].affected, 0);
    assert_eq!(connection.all(vec![query("CREATE TABLE u(id)", &[])]).await[0].affected, 0);
}

#[tokio::test]
async fn after_a_failure_a_transaction_takes_only_a_rollback() {
    let connection = memory().await;
    connection.table(1).await;
    connection.all(vec![begin(), query(INSERT, &[Value::I64(2), Value::Null])]).await;
    assert_eq!(
        connection.error(vec![query(INSERT, &[Value::I64(2), Value::Null])]).await.kind,
        ErrorKind::UniqueViolation
    );
    for refused in [query(INSERT, &[Value::I64(3), Value::Null]), query("SELECT 1", &[]), control("SAVEPOINT a")] {
        assert_eq!(connection.error(vec![refused]).await.kind, ErrorKind::RollbackOnly);
    }
    assert_eq!(connection.error(vec![Step::Commit]).await.kind, ErrorKind::RollbackOnly);
    assert_eq!(connection.count().await, 1);
}

#[tokio::test]
async fn a_rollback_to_a_savepoint_makes_a_failed_transaction_good_again() {
    let connection = memory().await;
    connection.table(1).await;
    connection.all(vec![begin(), query(INSERT, &[Value::I64(2), Value::Null]), control("SAVEPOINT a")]).await;
    let error =
        connection.error(vec![query(INSERT, &[Value::I64(3), Value::Null]), query("SELECT nonsense", &[])]).await;
    assert_eq!(error.kind, ErrorKind::Schema);
    connection
        .all(vec![control("ROLLBACK TO a; RELEASE a"), query(INSERT, &[Value::I64(4), Value::Null]), Step::Commit])
        .await;
    assert_eq!(
        connection.rows("SELECT id FROM t").await,
        [vec![Value::I64(1)], vec![Value::I64(2)], vec![Value::I64(4)]]
    );
}

#[tokio::test]
async fn a_burst_inside_a_transaction_of_an_earlier_burst_is_rolled_back_with_it() {
    let connection = memory().await;
    connection.table(0).await;
    connection.all(vec![begin(), query(INSERT, &[Value::I64(1), Value::Null])]).await;
    connection.all(vec![query(INSERT, &[Value::I64(2), Value::Null])]).await;
    let failure = connection.failure(vec![query(INSERT, &[Value::I64(2), Value::Null]), Step::Commit]).await;
    assert_eq!((failure.step, failure.error.kind), (0, ErrorKind::UniqueViolation));
    assert_eq!(connection.count().await, 0);
    connection.all(vec![begin(), query(INSERT, &[Value::I64(1), Value::Null])]).await;
    connection.all(vec![Step::Rollback]).await;
    assert_eq!(connection.count().await, 0);
}

#[tokio::test]
async fn outside_a_transaction_each_statement_is_committed_by_itself() {
    let connection = memory().await;
    connection.table(0).await;
    let failure = connection
        .failure(vec![query(INSERT, &[Value::I64(1), Value::Null]), query(INSERT, &[Value::I64(1), Value::Null])])
        .await;
    assert_eq!(failure.step, 1);
    assert_eq!(connection.count().await, 1);
    assert_eq!(connection.error(vec![Step::Commit]).await.kind, ErrorKind::RollbackOnly);
    connection.all(vec![Step::Rollback]).await;
}

#[tokio::test]
async fn a_deferred_foreign_key_fails_at_commit_and_the_transaction_is_rolled_back() {
    let connection = memory().await;
    connection
        .all(vec![control(
            "CREATE TABLE p(id INTEGER PRIMARY KEY);
             CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p(id) DEFERRABLE INITIALLY DEFERRED)",
        )])
        .await;
    let failure = connection.failure(vec![begin(), query("INSERT INTO c VALUES (1, 7)", &[]), Step::Commit]).await;
    assert_eq!((failure.step, failure.error.kind), (2, ErrorKind::ForeignKeyViolation));
    assert_eq!(connection.number("SELECT count(*) FROM c").await, 0);
    connection.all(vec![begin(), Step::Commit]).await;
}

#[tokio::test]
async fn constraints_are_told_apart_and_named() {
    let connection = memory().await;
    connection
        .all(vec![control(
            "CREATE TABLE p(id INTEGER PRIMARY KEY);
             CREATE TABLE c(id INTEGER PRIMARY KEY, p NOT NULL REFERENCES p(id), n CONSTRAINT ck_c_n CHECK (n > 0),
                            UNIQUE (p, n)) STRICT"
                .replace("p NOT NULL", "p INTEGER NOT NULL")
                .replace(", n CONSTRAINT", ", n INTEGER CONSTRAINT")
                .leak(),
        )])
        .await;
    connection.all(vec![query("INSERT INTO p VALUES (1)", &[]), query("INSERT INTO c VALUES (1, 1, 1)", &[])]).await;
    for (sql, kind, constraint, columns) in [
        ("INSERT INTO c VALUES (1, 1, 2)", ErrorKind::UniqueViolation, None, vec!["id"]),
        ("INSERT INTO c VALUES (2, 1, 1)", ErrorKind::UniqueViolation, None, vec!["p", "n"]),
        ("INSERT INTO c VALUES (2, 9, 1)", ErrorKind::ForeignKeyViolation, None, vec![]),
        ("INSERT INTO c VALUES (2, NULL, 1)", ErrorKind::NotNullViolation, None, vec!["p"]),
        ("INSERT INTO c VALUES (2, 1, 0)", ErrorKind::CheckViolation, Some("ck_c_n"), vec![]),
        ("INSERT INTO c VALUES (2, 1, 'x')", ErrorKind::Mapping, None, vec![]),
        ("INSERT INTO nowhere VALUES (2)", ErrorKind::Schema, None, vec![]),
        ("SELECT \"misspelt\" FROM c", ErrorKind::Schema, None, vec![]),
    ] {
        let error = connection.error(vec![query(sql, &[])]).await;
        assert_eq!(error.kind, kind, "{sql}: {error}");
        assert_eq!(
            (error.constraint.as_deref(), error.columns),
            (constraint, columns.iter().map(|c| (*c).to_owned()).collect()),
            "{sql}"
        );
    }
}

#[tokio::test]
async fn the_code_of_a_failure_survives_values_of_any_kind() {
    let connection = memory().await;
    connection.table(0).await;
    let insert = || query(INSERT, &[Value::I64(1), text("a")]);
    connection.all(vec![insert()]).await;
    assert_eq!(connection.error(vec![insert()]).await.code(), "1555");
    let error =
        connection.error(vec![query("INSERT INTO t(id, name) VALUES (2, ?1) RETURNING id", &[text("a")])]).await;
    assert_eq!(error.code(), "2067");
}

#[tokio::test]
async fn writes_in_a_read_only_transaction_are_refused_and_nothing_of_it_stays() {
    let connection = memory().await;
    connection.table(1).await;
    connection.all(vec![begin_read_only(), query("SELECT * FROM t", &[])]).await;
    let error = connection.error(vec![query(INSERT, &[Value::I64(2), text("a")])]).await;
    assert_eq!(error.kind, ErrorKind::ReadOnly);
    connection.all(vec![Step::Rollback, query(INSERT, &[Value::I64(2), text("a")])]).await;
    connection.all(vec![begin_read_only(), Step::Commit, query(INSERT, &[Value::I64(3), text("b")])]).await;
    let failure =
        connection.failure(vec![begin_read_only(), query(INSERT, &[Value::I64(9), text("c")]), Step::Commit]).await;
    assert_eq!((failure.step, failure.error.kind), (1, ErrorKind::ReadOnly));
    assert_eq!(connection.count().await, 3);
    connection.all(vec![begin(), query(INSERT, &[Value::I64(4), text("d")]), Step::Commit]).await;
}

#[tokio::test]
async fn a_transaction_that_a_statement_opened_or_ended_is_noticed() {
    let connection = memory().await;
    connection.table(0).await;
    for opens in [query("BEGIN", &[]), control("BEGIN IMMEDIATE"), control("SAVEPOINT a")] {
        assert_eq!(connection.error(vec![opens]).await.kind, ErrorKind::InvalidTransaction);
    }
    let failure = connection
        .failure(vec![begin(), control("COMMIT"), query(INSERT, &[Value::I64(1), Value::Null]), Step::Commit])
        .await;
    assert_eq!((failure.step, failure.error.kind), (1, ErrorKind::RollbackOnly));
    connection.all(vec![begin(), query(INSERT, &[Value::I64(1), Value::Null])]).await;
    assert_eq!(connection.error(vec![query("ROLLBACK", &[])]).await.kind, ErrorKind::RollbackOnly);
    assert_eq!(
        connection.error(vec![query(INSERT, &[Value::I64(2), Value::Null])]).await.kind,
        ErrorKind::RollbackOnly
    );
    assert_eq!(connection.error(vec![begin()]).await.kind, ErrorKind::InvalidTransaction);
    connection.all(vec![Step::Rollback]).await;
    assert_eq!(connection.count().await, 0);
}

#[tokio::test]
async fn a_text_must_be_one_statement_with_all_its_values() {
    let connection = memory().await;
    connection.table(0).await;
    for (sql, message) in [
        ("SELECT 1; DELETE FROM t", "one statement can be run at a time; the text holds several"),
        ("SELECT 1 /* ; */; -- x\n DELETE FROM t", "one statement can be run at a time; the text holds several"),
        ("-- nothing", "the statement is empty"),
        ("SELECT ?1, ?2", "the statement has 2 placeholders, and 0 values"),
    ] {
        assert_eq!(connection.error(vec![query(sql, &[])]).await.message(), message, "{sql}");
    }
    assert_eq!(connection.number("SELECT 1 ; -- the end; really").await, 1);
    let same_twice = connection.all(vec![query("SELECT ?1 + ?1", &[Value::I64(4)])]).await;
    assert_eq!(same_twice[0].rows, [vec![Value::I64(8)]]);
}

#[tokio::test]
async fn a_small_statement_cache_changes_nothing_but_speed() {
    use crate::backend::sqlite::options::{Location, SqliteOptions};
    for statement_cache_size in [0, 1, 3] {
        let options = SqliteOptions { statement_cache_size, ..SqliteOptions::new(Location::Memory) };
        let connection = crate::backend::sqlite::SqliteConnection::connect(&options).await.unwrap();
        connection.table(1).await;
        for number in 0..20 {
            assert_eq!(connection.number(&format!("SELECT {} FROM t", number % 5)).await, number % 5);
        }
        // A kept statement follows a change of its table.
        let star = || query("SELECT * FROM t", &[]);
        assert_eq!(connection.all(vec![star()]).await[0].rows[0].len(), 2);
        connection.all(vec![control("ALTER TABLE t ADD COLUMN extra")]).await;
        assert_eq!(connection.all(vec![star()]).await[0].rows[0].len(), 3);
    }
}
