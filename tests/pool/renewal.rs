//! Connections that are replaced.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use spakky::config::{Credentials, DatabaseConfig, PoolKind};
use spakky::prelude::*;

use crate::support::{Database, Line, eventually, on_postgres};

on_postgres![
    a_connection_past_its_age_is_replaced,
    a_connection_is_kept_while_it_is_young,
    a_connection_that_died_while_idle_is_replaced,
    a_connection_that_does_not_answer_a_ping_is_replaced,
    a_server_that_is_away_for_a_moment_is_waited_for,
    a_server_that_stays_away_is_an_error_that_may_be_retried,
];

async fn pid(sessions: &SessionManager) -> i32 {
    sessions.sql("SELECT pg_backend_pid()").fetch_one::<(i32,)>().await.unwrap().0
}

async fn a_connection_past_its_age_is_replaced(db: Database) {
    let change = |config: DatabaseConfig| config.pool_size(1).pool_recycle(Duration::from_secs(1));
    let sessions = db.connect(change).await;
    let first = pid(&sessions).await;
    eventually("another connection", Duration::from_secs(60), async || pid(&sessions).await != first).await;
    assert_eq!(sessions.status().size, 1);
}

async fn a_connection_is_kept_while_it_is_young(db: Database) {
    let sessions = db.connect(|config: DatabaseConfig| config.pool_size(1).pool_recycle(None)).await;
    let first = pid(&sessions).await;
    for _ in 0..20 {
        assert_eq!(pid(&sessions).await, first);
    }
}

async fn a_connection_that_died_while_idle_is_replaced(db: Database) {
    let sessions = db.connect(|config: DatabaseConfig| config.pool_size(1)).await;
    let first = pid(&sessions).await;
    let gone = "SELECT pg_terminate_backend($1, 60000)";
    assert!(db.observer().sql(gone).bind(first).fetch_one::<(bool,)>().await.unwrap().0);
    idle().await;
    assert_ne!(pid(&sessions).await, first);
}

/// Long enough for a connection to be asked for a sign of life.
async fn idle() {
    let started = Instant::now();
    eventually("idle for a while", Duration::from_secs(60), async || started.elapsed() > Duration::from_millis(600))
        .await;
}

async fn a_connection_that_does_not_answer_a_ping_is_replaced(db: Database) {
    let line = Line::with(&db, |config| config.pool_pre_ping(true)).await;
    let first = pid(&line.sessions).await;
    idle().await;
    // The ping goes nowhere; new connections get through.
    line.proxy.cut(spakky::testing::proxy::Cut::before(|_| true));
    let before = line.proxy.counts();
    assert_ne!(pid(&line.sessions).await, first);
    assert!(!line.proxy.is_armed());
    assert_eq!(line.proxy.counts().since(before).connections, 1);
}

async fn a_server_that_is_away_for_a_moment_is_waited_for(db: Database) {
    let attempts = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&attempts);
    let provider = move || {
        counting.fetch_add(1, Ordering::SeqCst);
        async { Ok(Credentials::new("postgres", "not asked for")) }
    };
    let line = Line::with(&db, |config| config.pool_kind(PoolKind::Null).credentials(provider)).await;
    line.proxy.set_refuse(true);
    let waiting = tokio::spawn({
        let sessions = line.sessions.clone();
        async move { sessions.sql("SELECT 7").fetch_one::<(i32,)>().await }
    });
    let tries_again = async || attempts.load(Ordering::SeqCst) >= 3;
    eventually("it was refused and tries again", Duration::from_secs(60), tries_again).await;
    assert!(!waiting.is_finished());
    line.proxy.set_refuse(false);
    assert_eq!(waiting.await.unwrap().unwrap(), (7,));
}

async fn a_server_that_stays_away_is_an_error_that_may_be_retried(db: Database) {
    let line = Line::with(&db, |config| config.connect_timeout(Duration::from_secs(3))).await;
    line.proxy.set_refuse(true);
    line.proxy.cut_now();
    drop(line.sessions.ping().await);
    let error = line.sessions.ping().await.unwrap_err();
    assert!(error.is_connection() && error.is_retryable(), "{error:?}");
    assert_eq!(line.sessions.status().in_use, 0);
    line.proxy.set_refuse(false);
    line.sessions.ping().await.unwrap();
}
