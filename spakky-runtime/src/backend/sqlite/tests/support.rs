//! Databases and bursts for the tests.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::backend::sqlite::SqliteConnection;
use crate::backend::sqlite::options::{Location, SqliteOptions};
use crate::backend::{Answer, Bind, BurstFailure, Statement, Step};
use crate::error::DatabaseError;
use crate::transaction::TransactionMode;
use crate::value::{ColumnType, ScalarType, Value};

/// A database file in a folder of its own, which is removed at the end.
pub(super) struct TestFile {
    folder: PathBuf,
}

impl TestFile {
    pub(super) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("spakky-sqlite-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        TestFile { folder }
    }

    pub(super) fn options(&self) -> SqliteOptions {
        // On a busy machine the others may write for long.
        let busy_timeout = Duration::from_secs(120);
        let location = Location::File(self.folder.join("test file.db"));
        SqliteOptions { busy_timeout, ..SqliteOptions::new(location) }
    }

    pub(super) fn busy_for(&self, busy_timeout: Duration) -> SqliteOptions {
        SqliteOptions { busy_timeout, ..self.options() }
    }

    pub(super) async fn connect(&self) -> SqliteConnection {
        SqliteConnection::connect(&self.options()).await.unwrap()
    }
}

impl Drop for TestFile {
    fn drop(&mut self) {
        // Connections may still be closing; what they leave is in the temporary folder.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

pub(super) async fn memory() -> SqliteConnection {
    SqliteConnection::connect(&SqliteOptions::new(Location::Memory)).await.unwrap()
}

pub(super) fn begin() -> Step {
    Step::Begin(TransactionMode::default())
}

pub(super) fn begin_read_only() -> Step {
    Step::Begin(TransactionMode { read_only: true, ..TransactionMode::default() })
}

pub(super) fn control(sql: &'static str) -> Step {
    Step::Control(sql.into())
}

pub(super) fn statement(sql: &str, values: &[Value]) -> Statement {
    let ty = ColumnType::scalar(ScalarType::Text);
    let binds = values.iter().map(|value| Bind { ty, value: value.clone() }).collect();
    Statement { sql: sql.into(), binds, cached: true, guard: None, meaning: None, by_user: false }
}

pub(super) fn query(sql: &str, values: &[Value]) -> Step {
    Step::Statement(statement(sql, values))
}

/// A statement that must meet `rows` rows.
pub(super) fn guarded(sql: &str, values: &[Value], rows: u64) -> Step {
    Step::Statement(Statement { guard: Some(rows), ..statement(sql, values) })
}

pub(super) fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

/// A query that runs until it is stopped.
pub(super) const ENDLESS: &str =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n WHERE i < 0";
/// A write that runs until it is stopped.
pub(super) const ENDLESS_WRITE: &str =
    "INSERT INTO t(id) WITH RECURSIVE n(i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n";

impl SqliteConnection {
    pub(super) async fn all(&self, steps: Vec<Step>) -> Vec<Answer> {
        self.send(steps).await.unwrap()
    }

    pub(super) async fn failure(&self, steps: Vec<Step>) -> Box<BurstFailure> {
        self.send(steps).await.unwrap_err()
    }

    pub(super) async fn error(&self, steps: Vec<Step>) -> DatabaseError {
        self.failure(steps).await.error
    }

    pub(super) async fn rows(&self, sql: &str) -> Vec<Vec<Value>> {
        self.all(vec![query(sql, &[])]).await.remove(0).rows
    }

    pub(super) async fn number(&self, sql: &str) -> i64 {
        match self.rows(sql).await.as_slice() {
            [row] => match row.as_slice() {
                [Value::I64(number)] => *number,
                other => panic!("not a number: {other:?}"),
            },
            other => panic!("not one row: {other:?}"),
        }
    }

    pub(super) async fn count(&self) -> i64 {
        self.number("SELECT count(*) FROM t").await
    }

    /// A table `t(id, name)` with `rows` rows.
    pub(super) async fn table(&self, rows: i64) {
        self.all(vec![
            control("CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT UNIQUE)"),
            query(
                "INSERT INTO t(id) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n LIMIT ?1",
                &[Value::I64(rows)],
            ),
        ])
        .await;
    }
}

/// Waits until something holds, and fails when it does not in time.
pub(super) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waited = tokio::time::timeout(Duration::from_secs(60), async {
        while !holds().await {
            tokio::task::yield_now().await;
        }
    });
    assert!(waited.await.is_ok(), "never: {what}");
}
