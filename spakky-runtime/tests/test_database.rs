//! A test database is there for its test, and gone after it, however the test ends.

#![cfg(all(feature = "testing", feature = "postgres"))]
#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::path::PathBuf;

use spakky_runtime::testing::TestDatabase;
use tokio_postgres::{Client, NoTls};

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Whether the server still has the database of this URL.
async fn exists(url: &str) -> bool {
    let client = connect(&std::env::var("SPAKKY_TEST_POSTGRES_URL").unwrap()).await;
    let found = client.query("SELECT FROM pg_database WHERE datname = $1", &[&name(url)]).await;
    !found.unwrap().is_empty()
}

fn name(url: &str) -> &str {
    let path = url.rsplit('/').next().unwrap();
    path.split('?').next().unwrap()
}

fn file(url: &str) -> PathBuf {
    PathBuf::from(url.strip_prefix("sqlite://").unwrap())
}

#[tokio::test]
async fn two_postgres_databases_are_empty_and_apart() {
    let (one, other) = (TestDatabase::postgres().await.unwrap(), TestDatabase::postgres().await.unwrap());
    let client = connect(one.url()).await;
    client.batch_execute("CREATE TABLE thing (id int)").await.unwrap();
    let client = connect(other.url()).await;
    client.batch_execute("CREATE TABLE thing (id int)").await.unwrap();
}

#[tokio::test]
async fn a_postgres_database_is_dropped_under_its_sessions() {
    let database = TestDatabase::postgres().await.unwrap();
    let url = database.url().to_owned();
    let client = connect(&url).await;
    client.batch_execute("BEGIN; CREATE TABLE thing (id int)").await.unwrap();
    drop(database);
    assert!(!exists(&url).await);
    assert!(client.batch_execute("SELECT 1").await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgres_database_is_dropped_when_its_test_panics() {
    let database = TestDatabase::postgres().await.unwrap();
    let url = database.url().to_owned();
    let test = tokio::spawn(async move {
        let _client = connect(database.url()).await;
        assert!(database.url().is_empty(), "this test fails on purpose");
    });
    assert!(test.await.unwrap_err().is_panic());
    assert!(!exists(&url).await);
}

#[test]
fn a_postgres_database_outlives_its_runtime_and_is_dropped_outside_of_any() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let database = runtime.block_on(TestDatabase::postgres()).unwrap();
    let url = database.url().to_owned();
    assert!(runtime.block_on(exists(&url)));
    drop(runtime);
    drop(database);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    assert!(!runtime.block_on(exists(&url)));
}

#[tokio::test(start_paused = true)]
async fn a_paused_clock_does_not_matter() {
    let database = TestDatabase::postgres().await.unwrap();
    assert!(name(database.url()).starts_with("spakky_test_"));
}

#[tokio::test]
async fn many_postgres_databases_are_made_at_once() {
    let tasks = (0..16).map(|_| tokio::spawn(TestDatabase::postgres())).collect::<Vec<_>>();
    for task in tasks {
        let database = task.await.unwrap().unwrap();
        assert!(exists(database.url()).await);
    }
}

#[test]
fn a_sqlite_database_is_deleted_when_its_test_panics() {
    let database = TestDatabase::sqlite().unwrap();
    let file = file(database.url());
    let test = std::thread::spawn({
        let file = file.clone();
        move || {
            std::fs::write(file, "x").unwrap();
            assert!(database.url().is_empty(), "this test fails on purpose");
        }
    });
    assert!(test.join().is_err());
    assert!(!file.parent().unwrap().exists());
}

#[test]
fn the_debug_form_shows_no_url() {
    let database = TestDatabase::sqlite().unwrap();
    assert_eq!(format!("{database:?}"), "TestDatabase { .. }");
}

/// A database that the server does not drop: a template.
async fn undroppable() -> (TestDatabase, Client) {
    let database = TestDatabase::postgres().await.unwrap();
    let client = connect(&std::env::var("SPAKKY_TEST_POSTGRES_URL").unwrap()).await;
    client.batch_execute(&format!("ALTER DATABASE {} IS_TEMPLATE true", name(database.url()))).await.unwrap();
    (database, client)
}

async fn drop_after_all(url: &str, client: &Client) {
    let name = name(url);
    client.batch_execute(&format!("ALTER DATABASE {name} IS_TEMPLATE false")).await.unwrap();
    client.batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)")).await.unwrap();
}

#[tokio::test]
async fn a_database_that_cannot_be_dropped_says_so() {
    let (database, client) = undroppable().await;
    let url = database.url().to_owned();
    let error = database.clone().delete().unwrap_err();
    let expected =
        format!("drop the test database `{}`: the server refused it: cannot drop a template database", name(&url));
    assert_eq!(error.to_string(), expected);
    // It is not tried a second time.
    drop(database);
    drop_after_all(&url, &client).await;
}

/// What is dropped with nobody to be answered is told by the process that did it.
#[tokio::test]
async fn a_database_that_is_dropped_in_vain_is_told_on_standard_error() {
    const CHILD: &str = "SPAKKY_TEST_DROPS_IN_VAIN";
    if std::env::var_os(CHILD).is_some() {
        let (database, _client) = undroppable().await;
        println!("{}", database.url());
        return;
    }
    let test = "a_database_that_is_dropped_in_vain_is_told_on_standard_error";
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    let output = child.args(["--exact", test, "--nocapture"]).env(CHILD, "1").output().unwrap();
    let (said, told) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    let url = said.lines().find_map(|line| line.split_whitespace().find(|word| word.starts_with("postgres"))).unwrap();
    let expected = format!("spakky: failed to drop the test database `{}`: the server refused it:", name(url));
    assert!(told.contains(&expected), "{told}");
    let client = connect(&std::env::var("SPAKKY_TEST_POSTGRES_URL").unwrap()).await;
    drop_after_all(url, &client).await;
}

#[test]
fn a_database_is_deleted_when_that_is_asked_for() {
    let database = TestDatabase::sqlite().unwrap();
    let (file, other) = (file(database.url()), database.clone());
    std::fs::write(&file, "x").unwrap();
    database.delete().unwrap();
    assert!(!file.parent().unwrap().exists());
    other.delete().unwrap();
}
