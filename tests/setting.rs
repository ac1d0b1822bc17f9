//! Every setting is read by something: changing it changes what can be seen from outside.

use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use spakky::config::{AuthMethod, Credentials, DatabaseConfig, PoolKind, Pooler, SslMode};
use spakky::prelude::*;
use spakky::testing::proxy::CountingProxy;
use spakky::testing::{Recorder, TestDatabase};
use spakky::{Error, Transaction};

use crate::observability::capture::Capture;
use crate::support::eventually;

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "notes")]
#[mappable(domain = Self)]
struct Note {
    #[table(id)]
    id: i64,
    text: String,
}

/// Of which the table has another idea.
#[derive(Debug, Clone, Table, Mappable)]
#[table(name = "marks")]
#[mappable(domain = Self)]
struct Mark {
    #[table(id)]
    id: i64,
    at: chrono::DateTime<chrono::Utc>,
}

fn note(id: i64) -> Note {
    Note { id, text: String::new() }
}

/// What is seen with the first value and with the second.
fn expected(key: &str) -> [&'static str; 2] {
    match key {
        "url" => ["PostgreSQL", "SQLite"],
        "pool_size" => ["10", "3"],
        "pool_max_overflow" => ["10", "12"],
        "pool_timeout" => [
            "get a connection within 30ms: all 1 are in use; raise `pool_size`, or shorten transactions",
            "get a connection within 20ms: all 1 are in use; raise `pool_size`, or shorten transactions",
        ],
        "max_connecting" => ["4 connect at once", "1 connect at once"],
        "pool_recycle" => ["the same connection", "another connection"],
        "pool_pre_ping" => ["2 round trips", "1 round trips"],
        "pool_kind" => ["1 kept", "0 kept"],
        "connect_timeout" => ["not within 40ms", "not within 30ms"],
        "statement_timeout" | "lock_timeout" | "idle_in_transaction_timeout" => ["0", "7s"],
        "application_name" => ["", "desk"],
        "sslmode" => ["connected", "refused"],
        "ssl_root_cert" | "ssl_cert" | "ssl_key" => ["no file is missing", "the file is missing"],
        "require_auth" => ["connected", "refused"],
        "autoflush" => ["1", "0"],
        "expire_on_commit" => ["0 statements", "2 statements"],
        "autocommit" => ["refused", "written"],
        "echo" => ["0 lines", "1 lines"],
        "slow_log" => ["0 lines", "1 lines"],
        "statement_cache_size" => ["prepared", "not prepared"],
        "pooler" => ["prepared", "not prepared"],
        "commit_token" => ["written", "refused"],
        "catalog_guard" => ["refused", "written"],
        "file_mode" => ["as the process has them", "as set"],
        "cursor_keys" => ["accepted", "refused"],
        other => panic!("nothing shows that `{other}` is read; add a witness"),
    }
}

#[spakky::test(backend = postgres, schema = [Note])]
async fn every_setting_is_read_by_something(db: TestDatabase) {
    for key in DatabaseConfig::KEYS {
        let seen = [see(key, &db, false).await, see(key, &db, true).await];
        assert_eq!(seen.each_ref().map(String::as_str), expected(key), "{key}");
    }
}

/// What is seen of a setting with one value, or with another.
async fn see(key: &str, db: &TestDatabase, other: bool) -> String {
    let config = DatabaseConfig::new(db.url());
    let changed = |change: fn(DatabaseConfig) -> DatabaseConfig| {
        let config = DatabaseConfig::new(db.url());
        connect(if other { change(config) } else { config })
    };
    let millis = Duration::from_millis;
    match key {
        "url" => {
            let file = TestDatabase::sqlite().unwrap();
            let url = if other { file.url() } else { db.url() };
            connect(DatabaseConfig::new(url)).await.backend().to_string()
        }
        "pool_size" => changed(|config| config.pool_size(3)).await.status().max_size.to_string(),
        "pool_max_overflow" => changed(|config| config.pool_max_overflow(2)).await.status().max_size.to_string(),
        "pool_timeout" => {
            let sessions = connect(config.pool_size(1).pool_timeout(millis(if other { 20 } else { 30 }))).await;
            let holder = holding(&sessions).await;
            let error = sessions.sql("SELECT 1").fetch_all::<(i32,)>().await.unwrap_err();
            holder.rollback().await;
            error.to_string()
        }
        "max_connecting" => see_connecting(if other { config.max_connecting(1) } else { config }).await,
        "pool_recycle" => {
            let age = if other { Duration::from_secs(1) } else { Duration::from_secs(600) };
            let sessions = connect(config.pool_size(1).pool_pre_ping(false).pool_recycle(age)).await;
            let first = pid(&sessions).await;
            wait(millis(1_050)).await;
            if pid(&sessions).await == first { "the same connection" } else { "another connection" }.to_owned()
        }
        "pool_pre_ping" => {
            let proxy = CountingProxy::start(db.url()).await.unwrap();
            let config = DatabaseConfig::new(proxy.url()).pool_size(1).pool_pre_ping(!other);
            proxy.set_settle(millis(50));
            let sessions = connect(config).await;
            let look = async || sessions.sql("SELECT 1").fetch_all::<(i32,)>().await.unwrap();
            look().await;
            wait(millis(550)).await;
            let before = proxy.round_trips();
            look().await;
            format!("{} round trips", proxy.round_trips() - before)
        }
        "pool_kind" => {
            let sessions = changed(|config| config.pool_kind(PoolKind::Null)).await;
            sessions.ping().await.unwrap();
            format!("{} kept", sessions.status().size)
        }
        "connect_timeout" => {
            // Takes connections and says nothing.
            let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("postgres://postgres@{}/postgres", silent.local_addr().unwrap());
            let limit = millis(if other { 30 } else { 40 });
            let error = SessionManager::from_config(DatabaseConfig::new(url).connect_timeout(limit)).await.unwrap_err();
            let text = everything(&error);
            let named = ["30ms", "40ms"].into_iter().find(|limit| text.contains(limit));
            format!("not within {}", named.unwrap_or(&text))
        }
        "statement_timeout" => {
            show(&changed(|config| config.statement_timeout(Duration::from_secs(7))).await, key).await
        }
        "lock_timeout" => show(&changed(|config| config.lock_timeout(Duration::from_secs(7))).await, key).await,
        "idle_in_transaction_timeout" => {
            let sessions = changed(|config| config.idle_in_transaction_timeout(Duration::from_secs(7))).await;
            show(&sessions, "idle_in_transaction_session_timeout").await
        }
        "application_name" => show(&changed(|config| config.application_name("desk")).await, key).await,
        "sslmode" => {
            // The server has no TLS.
            let mode = if other { SslMode::Require } else { SslMode::Prefer };
            match SessionManager::from_config(config.sslmode(mode)).await {
                Ok(_) => "connected".to_owned(),
                Err(error) if error.is_retryable() => "lost".to_owned(),
                Err(_) => "refused".to_owned(),
            }
        }
        "ssl_root_cert" => {
            let config = config.sslmode(SslMode::VerifyFull);
            let config = if other { config.ssl_root_cert("/nowhere/ca.pem") } else { config };
            let text = everything(&SessionManager::from_config(config).await.unwrap_err());
            let named = text.contains("/nowhere/ca.pem");
            if named { "the file is missing" } else { "no file is missing" }.to_owned()
        }
        "ssl_cert" | "ssl_key" => {
            // One that is there where the other one is meant.
            let there = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
            let certificate = if key == "ssl_cert" { "/nowhere/app.pem" } else { there };
            let config = config.sslmode(SslMode::Require);
            let config = if other { config.ssl_cert(certificate).ssl_key("/nowhere/app.key") } else { config };
            let text = everything(&SessionManager::from_config(config).await.unwrap_err());
            let named = text.contains(if key == "ssl_cert" { "/nowhere/app.pem" } else { "/nowhere/app.key" });
            if named { "the file is missing" } else { "no file is missing" }.to_owned()
        }
        "require_auth" => {
            // The server does not ask who anybody is.
            let methods = if other { vec![AuthMethod::ScramSha256] } else { vec![AuthMethod::None] };
            match SessionManager::from_config(config.require_auth(methods)).await {
                Ok(_) => "connected".to_owned(),
                Err(error) if error.is_config() => "refused".to_owned(),
                Err(_) => "lost".to_owned(),
            }
        }
        "autoflush" => {
            let sessions = changed(|config| config.autoflush(false)).await;
            let notes = sessions.repository::<Note>();
            let transaction = sessions.begin();
            let counted = transaction.run(async {
                notes.add(&mut note(1))?;
                notes.query().count().await
            });
            let counted = counted.await.unwrap();
            transaction.rollback().await;
            counted.to_string()
        }
        "expire_on_commit" => {
            let sessions = changed(|config| config.expire_on_commit(true)).await;
            let notes = sessions.repository::<Note>();
            let first = sessions.begin();
            first.run(notes.add_now(&mut note(2))).await.unwrap();
            let second = first.commit_and_chain().await.unwrap();
            let recorder = Recorder::new(&sessions);
            second.run(notes.get(2)).await.unwrap();
            let sent = recorder.take().statements.len();
            second.run(notes.delete_by_id_now(2)).await.unwrap();
            second.commit().await.unwrap();
            format!("{sent} statements")
        }
        "autocommit" => {
            let notes = changed(|config| config.autocommit(true)).await.repository::<Note>();
            let answer = notes.add_now(&mut note(3)).await;
            if answer.is_ok() { "written" } else { "refused" }.to_owned()
        }
        "echo" => {
            let sessions = changed(|config| config.echo(true)).await;
            count_events(&sessions, "spakky::sql").await
        }
        "slow_log" => {
            let sessions = changed(|config| config.slow_log(Duration::from_nanos(1))).await;
            count_events(&sessions, "spakky::slow").await
        }
        "statement_cache_size" => {
            see_prepared(changed(|config| config.pool_size(1).statement_cache_size(0)).await).await
        }
        "pooler" => see_prepared(changed(|config| config.pool_size(1).pooler(Pooler::PgBouncer)).await).await,
        "commit_token" => {
            // There is no table for it.
            let notes = changed(|config| config.commit_token(true)).await.repository::<Note>().autocommit();
            let answer = notes.add_now(&mut note(4)).await;
            if answer.is_ok() { "written" } else { "refused" }.to_owned()
        }
        "catalog_guard" => {
            let sessions = changed(|config| config.catalog_guard(false)).await;
            let sql = "CREATE TABLE IF NOT EXISTS marks (id bigint PRIMARY KEY, at timestamp NOT NULL)";
            sessions.sql(sql).execute().await.unwrap();
            let marks = sessions.repository::<Mark>().autocommit();
            let answer = marks.add_now(&mut Mark { id: 1, at: chrono::DateTime::UNIX_EPOCH }).await;
            if answer.is_ok() { "written" } else { "refused" }.to_owned()
        }
        "file_mode" => {
            let home = TestDatabase::sqlite().unwrap();
            let config = DatabaseConfig::new(home.url());
            let sessions = connect(if other { config.file_mode(0o660) } else { config }).await;
            sessions.ping().await.unwrap();
            let file = std::fs::metadata(home.url().strip_prefix("sqlite://").unwrap()).unwrap();
            let mode = std::os::unix::fs::PermissionsExt::mode(&file.permissions()) & 0o777;
            // Nobody gives these to all files.
            if mode == 0o660 { "as set" } else { "as the process has them" }.to_owned()
        }
        "cursor_keys" => see_cursor(db, other).await,
        other => panic!("nothing shows that `{other}` is read; add a witness"),
    }
}

/// Whether a cursor that one pool made is good for another, with the same keys or with others.
async fn see_cursor(db: &TestDatabase, other: bool) -> String {
    let with = async |key: &'static str| {
        connect(DatabaseConfig::new(db.url()).cursor_keys([key])).await.repository::<Note>().autocommit()
    };
    let [one, another] = ["one secret of thirty-two bytes or so", "another secret of as many bytes or so"];
    let notes = with(one).await;
    notes.upsert_all_now(&mut [note(1), note(2)]).await.unwrap();
    let next = notes.query().cursor_page(CursorRequest::first(1)).await.unwrap().next.unwrap();
    let notes = with(if other { another } else { one }).await;
    match notes.query().cursor_page(CursorRequest::first(1).at(next)).await {
        Ok(_) => "accepted".to_owned(),
        Err(error) => {
            assert!(error.is_invalid_cursor());
            "refused".to_owned()
        }
    }
}

async fn connect(config: DatabaseConfig) -> SessionManager {
    SessionManager::from_config(config).await.unwrap()
}

/// A transaction that has a connection.
async fn holding(sessions: &SessionManager) -> Transaction {
    let transaction = sessions.begin();
    transaction.session().sql("SELECT 1").fetch_all::<(i32,)>().await.unwrap();
    transaction
}

async fn pid(sessions: &SessionManager) -> i32 {
    sessions.sql("SELECT pg_backend_pid()").fetch_one::<(i32,)>().await.unwrap().0
}

async fn show(sessions: &SessionManager, setting: impl Display) -> String {
    let show = format!("SELECT current_setting('{setting}')");
    let transaction = sessions.begin();
    let shown = transaction.session().sql(show).fetch_one::<(String,)>().await.unwrap().0;
    transaction.rollback().await;
    shown
}

/// The error and all that caused it.
fn everything(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

async fn wait(time: Duration) {
    let started = Instant::now();
    eventually("time passes", Duration::from_secs(60), async || started.elapsed() > time).await;
}

/// How many of eight connect at once.
async fn see_connecting(config: DatabaseConfig) -> String {
    let now = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let answer = {
        let most = Arc::clone(&most);
        move || {
            let (now, most) = (Arc::clone(&now), Arc::clone(&most));
            async move {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                for _ in 0..100 {
                    tokio::task::yield_now().await;
                }
                now.fetch_sub(1, Ordering::SeqCst);
                Ok(Credentials::new("postgres", "not asked for"))
            }
        }
    };
    let sessions = connect(config.credentials(answer)).await;
    let transactions = futures_util::future::join_all((0..8).map(|_| holding(&sessions))).await;
    for transaction in transactions {
        transaction.rollback().await;
    }
    format!("{} connect at once", most.load(Ordering::SeqCst))
}

/// Whether a query that recurs is prepared on its connection.
async fn see_prepared(sessions: SessionManager) -> String {
    let notes = sessions.repository::<Note>();
    let prepared = "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%notes%'";
    // Prepared behind the first use, so that it may take a moment.
    for _ in 0..200 {
        notes.find(1).await.unwrap();
        if sessions.sql(prepared).fetch_one::<(i64,)>().await.unwrap().0 > 0 {
            return "prepared".to_owned();
        }
    }
    "not prepared".to_owned()
}

/// How many events of this target a query causes.
async fn count_events(sessions: &SessionManager, target: &str) -> String {
    let capture = Capture::begin();
    sessions.sql("SELECT 1").fetch_all::<(i32,)>().await.unwrap();
    format!("{} lines", capture.events(target).len())
}

#[test]
fn every_setting_is_in_the_guide() {
    let guide = include_str!("../docs/guide/configuration.md");
    let missing = DatabaseConfig::KEYS.iter().filter(|key| !guide.contains(&format!("| `{key}` |")));
    assert_eq!(missing.collect::<Vec<_>>(), Vec::<&&str>::new());
}
