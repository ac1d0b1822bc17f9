//! Who may read a file, and what a file from somebody else can do.

use std::time::Duration;

use diesel::Connection as _;
use diesel::connection::SimpleConnection as _;

use super::support::{TestFile, begin, control, query, text};
use crate::backend::Step;
use crate::backend::sqlite::SqliteConnection;
use crate::backend::sqlite::options::{Location, SqliteOptions};
use crate::error::ErrorKind;
use crate::value::Value;

#[cfg(unix)]
mod permissions {
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    use super::*;

    fn path(options: &SqliteOptions, suffix: &str) -> PathBuf {
        let Location::File(path) = &options.location else { panic!("a file") };
        let mut name = path.clone().into_os_string();
        name.push(suffix);
        name.into()
    }

    fn mode(options: &SqliteOptions, suffix: &str) -> u32 {
        std::fs::metadata(path(options, suffix)).unwrap().permissions().mode() & 0o777
    }

    #[tokio::test]
    async fn a_file_and_what_is_beside_it_have_the_permissions_that_are_set() {
        for wanted in [0o600, 0o660, 0o666] {
            let file = TestFile::new();
            let options = SqliteOptions { file_mode: Some(wanted), ..file.options() };
            let connection = SqliteConnection::connect(&options).await.unwrap();
            connection.all(vec![begin(), control("CREATE TABLE t(id)"), Step::Commit]).await;
            for suffix in ["", "-wal", "-shm"] {
                assert_eq!(mode(&options, suffix), wanted, "{suffix}");
            }
        }
    }

    #[tokio::test]
    async fn a_file_that_is_there_gets_them_too_with_all_that_is_beside_it() {
        let file = TestFile::new();
        let open = SqliteOptions { file_mode: Some(0o666), ..file.options() };
        let first = SqliteConnection::connect(&open).await.unwrap();
        first.all(vec![begin(), control("CREATE TABLE t(id)"), Step::Commit]).await;
        let closed = SqliteOptions { file_mode: Some(0o600), ..file.options() };
        let second = SqliteConnection::connect(&closed).await.unwrap();
        second.all(vec![query("INSERT INTO t VALUES (1)", &[])]).await;
        for suffix in ["", "-wal", "-shm"] {
            assert_eq!(mode(&closed, suffix), 0o600, "{suffix}");
        }
        // Unless set, they stay as they are, and one that only reads changes nothing.
        for other in [file.options(), SqliteOptions { read_only: true, ..open }] {
            let third = SqliteConnection::connect(&other).await.unwrap();
            assert_eq!(third.number("SELECT count(*) FROM t").await, 1);
            assert_eq!(mode(&closed, ""), 0o600);
        }
    }
}

#[tokio::test]
async fn a_file_in_a_missing_folder_is_named_and_not_tried_again() {
    let options = SqliteOptions::new(Location::File("/no/such/folder/x.db".into()));
    let error = SqliteConnection::connect(&options).await.unwrap_err();
    assert_eq!((error.kind, error.retryable), (ErrorKind::Config, false));
    assert_eq!(
        error.message(),
        "open the database file `/no/such/folder/x.db`: there is no folder `/no/such/folder`; create it, or mend the path in \
         `url`"
    );
}

/// Connections as they are used first, and once more after they were given back.
async fn fresh_and_returned(file: &TestFile) -> [SqliteConnection; 2] {
    let returned = file.connect().await;
    for pragma in ["trusted_schema = ON", "writable_schema = ON"] {
        returned.all(vec![control(Box::leak(format!("PRAGMA {pragma}").into_boxed_str()))]).await;
    }
    assert!(returned.reset(Duration::from_secs(60)).await);
    [file.connect().await, returned]
}

#[tokio::test]
async fn double_quotes_hold_names_alone() {
    let file = TestFile::new();
    file.connect().await.table(1).await;
    for connection in fresh_and_returned(&file).await {
        for sql in [
            r#"SELECT "nothing" FROM t"#,
            r#"CREATE TABLE u(id CHECK (id <> "nothing"))"#,
            r#"CREATE INDEX ix ON t("nothing")"#,
            r#"CREATE VIEW v AS SELECT "nothing" AS a FROM t; SELECT * FROM v"#,
        ] {
            let error = connection.error(vec![begin(), control(sql), Step::Commit]).await;
            assert!(error.message().contains("no such column: "), "{sql}: {error}");
        }
    }
}

#[tokio::test]
async fn no_statement_writes_the_schema_or_turns_the_journal_off() {
    let file = TestFile::new();
    file.connect().await.table(1).await;
    for connection in fresh_and_returned(&file).await {
        connection.all(vec![control("PRAGMA writable_schema = ON")]).await;
        let error = connection.error(vec![query("UPDATE sqlite_schema SET sql = 'CREATE TABLE t(x)'", &[])]).await;
        assert!(error.message().contains("may not be modified"), "{error}");
        let error = connection.error(vec![query("DELETE FROM sqlite_schema", &[])]).await;
        assert!(error.message().contains("may not be modified"), "{error}");
        assert_eq!(connection.rows("PRAGMA journal_mode = OFF").await, [[text("wal")]]);
        assert_eq!(connection.count().await, 1);
    }
}

/// What a file from somebody else has in its schema runs when the tables are used.
#[tokio::test]
async fn what_stands_in_the_schema_is_not_trusted() {
    let file = TestFile::new();
    let connection = file.connect().await;
    connection.table(1).await;
    connection.all(vec![control("CREATE VIEW spy AS SELECT name FROM pragma_database_list")]).await;
    for connection in fresh_and_returned(&file).await {
        assert_eq!(connection.number("PRAGMA trusted_schema").await, 0);
        let error = connection.error(vec![query("SELECT * FROM spy", &[])]).await;
        assert!(error.message().contains("unsafe use of virtual table"), "{error}");
        // As part of a statement it is the program's own.
        assert_eq!(connection.number("SELECT count(*) FROM pragma_table_info('t')").await, 2);
    }
}

/// Files of other programs have what SQLite took for text when they were made.
#[tokio::test]
async fn a_schema_of_old_is_read_and_written() {
    let file = TestFile::new();
    let Location::File(path) = file.options().location else { panic!("a file") };
    let mut other = diesel::SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    other
        .batch_execute(
            r#"CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT DEFAULT "none" CHECK (name <> "")); INSERT INTO t(id) VALUES (1);
               CREATE VIRTUAL TABLE words USING fts5(word);
               CREATE TRIGGER index_it AFTER INSERT ON t BEGIN INSERT INTO words VALUES (new.name); END"#,
        )
        .unwrap();
    drop(other);
    let connection = file.connect().await;
    connection.all(vec![query("INSERT INTO t(id) VALUES (2)", &[])]).await;
    assert_eq!(connection.rows("SELECT name FROM t").await, [[text("none")], [text("none")]]);
    assert_eq!(connection.number("SELECT count(*) FROM words WHERE words MATCH 'none'").await, 1);
    let error = connection.error(vec![query("INSERT INTO t VALUES (3, '')", &[])]).await;
    assert_eq!(error.kind, ErrorKind::CheckViolation);
    assert_eq!(connection.rows("SELECT max(id) FROM t").await, [[Value::I64(2)]]);
}
