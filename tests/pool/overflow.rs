//! Connections beyond those that are kept.

use std::time::Duration;

use spakky::config::DatabaseConfig;
use spakky::prelude::*;

use crate::support::{Database, eventually, on_each_backend};

on_each_backend![an_overflow_connection_is_handed_to_who_waits_for_it];

/// A transaction that holds a connection.
async fn holding(sessions: &SessionManager) -> Transaction {
    let transaction = sessions.begin();
    transaction.session().sql("SELECT 1").fetch_one::<(i32,)>().await.unwrap();
    transaction
}

/// The server's processes for this database; nothing to compare on SQLite.
async fn processes(db: &Database) -> Vec<i64> {
    if db.is_sqlite() {
        return Vec::new();
    }
    db.numbers("SELECT pid::int8 FROM pg_stat_activity WHERE datname = current_database() ORDER BY pid").await
}

/// Closing it would have the other one connect anew.
async fn an_overflow_connection_is_handed_to_who_waits_for_it(db: Database) {
    let sessions = db.connect(|config: DatabaseConfig| config.pool_size(1).pool_max_overflow(1)).await;
    let (one, other) = (holding(&sessions).await, holding(&sessions).await);
    let before = processes(&db).await;
    let waiting = tokio::spawn({
        let sessions = sessions.clone();
        async move { holding(&sessions).await }
    });
    eventually("somebody waits", Duration::from_secs(60), async || sessions.status().waiting == 1).await;
    one.commit().await.unwrap();
    let third = waiting.await.unwrap();
    assert_eq!((processes(&db).await, sessions.status().size), (before, 2));
    other.commit().await.unwrap();
    third.commit().await.unwrap();
    assert_eq!((sessions.status().in_use, sessions.status().size), (0, 1));
}
