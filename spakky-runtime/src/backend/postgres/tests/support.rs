//! A database per test, and short ways to say what is sent.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio_postgres::NoTls;

use crate::backend::postgres::{PostgresConnection, PostgresOptions};
use crate::backend::{Answer, Bind, Burst, BurstFailure, Statement, Step};
use crate::transaction::TransactionMode;
use crate::value::{ColumnValue, Value};

/// Long enough for any step of a test on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);

/// The server that tests run on.
pub(crate) fn server_url() -> String {
    std::env::var("SPAKKY_TEST_POSTGRES_URL")
        .expect("SPAKKY_TEST_POSTGRES_URL is not set; run the tests by `cargo xtask test`, which starts a server")
}

/// A database of its own, dropped with this.
pub(crate) struct TestDatabase {
    name: String,
    url: String,
    admin_url: String,
}

impl TestDatabase {
    pub(crate) async fn create() -> Self {
        Self::create_on(&server_url()).await
    }

    pub(crate) async fn create_on(admin_url: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("spakky_pg_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        run(admin_url, &format!("CREATE DATABASE {name} TEMPLATE template0")).await;
        let (base, query) = admin_url.split_once('?').unwrap_or((admin_url, ""));
        let (server, _) = base.rsplit_once('/').unwrap();
        let url = format!("{server}/{name}?{query}");
        TestDatabase { name, url, admin_url: admin_url.to_owned() }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn options(&self) -> PostgresOptions {
        PostgresOptions::from_url(&self.url, None).unwrap()
    }

    pub(crate) async fn connect(&self) -> PostgresConnection {
        PostgresConnection::connect(&self.options()).await.unwrap()
    }

    /// Runs SQL on a connection that has nothing to do with the one under test.
    pub(crate) async fn run(&self, sql: &str) {
        run(&self.url, sql).await;
    }

    /// One number, asked on a connection of its own.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        let connection = self.connect().await;
        let answers = connection.send(vec![query(sql)]).await.unwrap();
        i64::from_value(answers[0].rows[0][0].clone()).unwrap()
    }

    /// Waits until a query answers with this number.
    pub(crate) async fn wait_for(&self, sql: &str, number: i64) {
        let wait = async {
            let connection = self.connect().await;
            loop {
                let answers = connection.send(vec![query(sql)]).await.unwrap();
                if i64::from_value(answers[0].rows[0][0].clone()).unwrap() == number {
                    break;
                }
            }
        };
        tokio::time::timeout(LIMIT, wait).await.unwrap_or_else(|_| panic!("`{sql}` never became {number}"));
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let (url, sql) = (self.admin_url.clone(), format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(run(&url, &sql));
        });
        if dropped.join().is_err() && !std::thread::panicking() {
            panic!("the test's database could not be dropped");
        }
    }
}

async fn run(url: &str, sql: &str) {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    let task = tokio::spawn(connection);
    client.batch_execute(sql).await.unwrap();
    drop(client);
    task.await.unwrap().unwrap();
}

pub(crate) fn statement(sql: &str, binds: Vec<Bind>, cached: bool) -> Step {
    Step::Statement(Statement { sql: sql.into(), binds, cached, guard: None, meaning: None, by_user: false })
}

/// A statement that is not to be prepared.
pub(crate) fn query(sql: &str) -> Step {
    statement(sql, Vec::new(), false)
}

/// A statement that is to be prepared.
pub(crate) fn cached(sql: &str, binds: Vec<Bind>) -> Step {
    statement(sql, binds, true)
}

pub(crate) fn bind<T: ColumnValue>(value: T) -> Bind {
    Bind { ty: T::TYPE, value: value.to_value().unwrap() }
}

pub(crate) fn begin() -> Step {
    Step::Begin(TransactionMode::default())
}

/// Sends and waits, for a bounded time.
pub(crate) async fn answers(connection: &PostgresConnection, burst: Burst) -> Vec<Answer> {
    result(connection, burst).await.unwrap_or_else(|failure| panic!("the burst failed: {failure:?}"))
}

pub(crate) async fn failure(connection: &PostgresConnection, burst: Burst) -> BurstFailure {
    *result(connection, burst).await.expect_err("the burst must fail")
}

pub(crate) async fn result(connection: &PostgresConnection, burst: Burst) -> Result<Vec<Answer>, Box<BurstFailure>> {
    tokio::time::timeout(LIMIT, connection.send(burst)).await.expect("the burst was never answered")
}

pub(crate) async fn value(connection: &PostgresConnection, sql: &str) -> Value {
    answers(connection, vec![query(sql)]).await.remove(0).rows.remove(0).remove(0)
}

/// The statements the server keeps prepared for a connection.
pub(crate) async fn prepared(connection: &PostgresConnection) -> HashSet<String> {
    let rows = answers(connection, vec![query("SELECT statement FROM pg_prepared_statements")]).await.remove(0).rows;
    rows.into_iter().map(|mut row| String::from_value(row.remove(0)).unwrap()).collect()
}
