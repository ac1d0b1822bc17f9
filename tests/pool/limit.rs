//! How many connections there are.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use spakky::config::{Credentials, DatabaseConfig, PoolKind};
use spakky::prelude::*;
use spakky::{Error, Propagation};

use crate::support::{Database, Line, account, eventually, on_each_backend, on_postgres as only};

on_each_backend![
    waiting_for_a_connection_ends_with_an_error_that_says_what_to_do,
    overflow_connections_are_closed_when_they_come_back,
    a_pool_of_kind_null_keeps_nothing,
    a_transaction_of_its_own_in_an_exhausted_pool_fails_at_once,
    a_read_outside_the_scope_in_an_exhausted_pool_fails_at_once,
    close_waits_for_work_in_progress_and_refuses_more,
    close_gives_up_at_its_deadline,
];

mod connecting {
    use super::{
        at_most_so_many_connect_at_once, only, the_provider_is_asked_at_each_connect,
        waiting_for_the_turn_to_connect_is_part_of_the_wait_for_the_pool,
    };

    only![
        at_most_so_many_connect_at_once,
        the_provider_is_asked_at_each_connect,
        waiting_for_the_turn_to_connect_is_part_of_the_wait_for_the_pool,
    ];
}

/// A transaction that holds a connection.
async fn holding(sessions: &SessionManager) -> Transaction {
    let transaction = sessions.begin();
    transaction.session().sql("SELECT 1").fetch_one::<(i32,)>().await.unwrap();
    transaction
}

async fn waiting_for_a_connection_ends_with_an_error_that_says_what_to_do(db: Database) {
    let limit = Duration::from_millis(50);
    let sessions = db.connect(|config: DatabaseConfig| config.pool_size(2).pool_timeout(limit)).await;
    let held = [holding(&sessions).await, holding(&sessions).await];
    let error = sessions.sql("SELECT 1").fetch_one::<(i32,)>().await.unwrap_err();
    assert!(error.is_pool_timeout());
    assert_eq!(
        error.to_string(),
        "get a connection within 50ms: all 2 are in use; raise `pool_size`, or shorten transactions"
    );
    assert!(sessions.ping().await.unwrap_err().is_pool_timeout());
    assert_eq!((sessions.status().in_use, sessions.status().max_size), (2, 2));
    for transaction in held {
        transaction.rollback().await;
    }
    sessions.ping().await.unwrap();
    assert_eq!((sessions.status().in_use, sessions.status().size), (0, 2));
}

async fn overflow_connections_are_closed_when_they_come_back(db: Database) {
    let limit = Duration::from_millis(50);
    let change = |config: DatabaseConfig| config.pool_size(1).pool_max_overflow(2).pool_timeout(limit);
    let sessions = db.connect(change).await;
    let held = [holding(&sessions).await, holding(&sessions).await, holding(&sessions).await];
    assert_eq!((sessions.status().in_use, sessions.status().size, sessions.status().max_size), (3, 3, 3));
    assert!(sessions.ping().await.unwrap_err().is_pool_timeout());
    for transaction in held {
        transaction.commit().await.unwrap();
    }
    assert_eq!((sessions.status().in_use, sessions.status().size), (0, 1));
    sessions.ping().await.unwrap();
}

async fn a_pool_of_kind_null_keeps_nothing(db: Database) {
    let sessions = db.connect(|config: DatabaseConfig| config.pool_kind(PoolKind::Null).pool_size(2)).await;
    assert_eq!(sessions.status().size, 0);
    let held = holding(&sessions).await;
    assert_eq!((sessions.status().in_use, sessions.status().size), (1, 1));
    held.commit().await.unwrap();
    assert_eq!((sessions.status().in_use, sessions.status().size), (0, 0));
}

async fn a_transaction_of_its_own_in_an_exhausted_pool_fails_at_once(db: Database) {
    let sessions =
        db.connect(|config: DatabaseConfig| config.pool_size(1).pool_timeout(Duration::from_secs(600))).await;
    let own = TransactionOptions::new().propagation(Propagation::RequiresNew);
    let work = sessions.transaction(TransactionOptions::new(), async |session| {
        session.sql("SELECT 1").fetch_one::<(i32,)>().await?;
        sessions.transaction(own, async |inner| inner.sql("SELECT 1").fetch_one::<(i32,)>().await).await
    });
    let error = work.await.unwrap_err();
    assert!(error.is_pool_deadlock(), "{error:?}");
    assert_eq!(
        error.to_string(),
        "open a second transaction: the pool is empty while this task holds a connection, so waiting for another could \
         last for ever; raise `pool_size`, or do without `requires_new`"
    );
    assert_eq!(sessions.status().in_use, 0);
}

/// Leaves the scope around it aside.
#[derive(Clone, HasSessions)]
struct Aside {
    sessions: SessionManager,
}

impl Aside {
    #[transactional(propagation = not_supported)]
    async fn read(&self) -> Result<(i32,), Error> {
        self.sessions.sql("SELECT 1").fetch_one().await
    }
}

async fn a_read_outside_the_scope_in_an_exhausted_pool_fails_at_once(db: Database) {
    let sessions =
        db.connect(|config: DatabaseConfig| config.pool_size(1).pool_timeout(Duration::from_secs(600))).await;
    let work = sessions.transaction(TransactionOptions::new(), async |session| {
        session.sql("SELECT 1").fetch_one::<(i32,)>().await?;
        Aside { sessions: sessions.clone() }.read().await
    });
    assert!(work.await.unwrap_err().is_pool_deadlock());
}

async fn close_waits_for_work_in_progress_and_refuses_more(db: Database) {
    let sessions = db.connect(|config| config).await;
    let accounts = sessions.repository::<crate::support::AccountRow>();
    let transaction = sessions.begin();
    accounts.in_session(transaction.session()).add_now(&mut account(1, "ann", 10)).await.unwrap();
    let closing = tokio::spawn({
        let sessions = sessions.clone();
        async move { sessions.close(Duration::from_secs(120)).await }
    });
    eventually("new work is refused", Duration::from_secs(60), async || sessions.ping().await.is_err()).await;
    let error = sessions.ping().await.unwrap_err();
    assert!(error.is_connection());
    assert!(!error.is_retryable());
    assert_eq!(error.to_string(), "get a connection: the session manager has been closed");
    assert!(!closing.is_finished());
    transaction.commit().await.unwrap();
    closing.await.unwrap().unwrap();
    assert_eq!((sessions.status().in_use, sessions.status().size), (0, 0));
    assert_eq!(db.accounts().await.len(), 1);
}

async fn close_gives_up_at_its_deadline(db: Database) {
    let sessions = db.connect(|config| config).await;
    let held = holding(&sessions).await;
    let error = sessions.close(Duration::from_millis(50)).await.unwrap_err();
    assert!(error.is_timeout());
    assert_eq!(error.to_string(), "close within 50ms: 1 connections are still in use");
    held.rollback().await;
    sessions.close(Duration::from_secs(120)).await.unwrap();
}

/// A provider that notes how often it was asked, and by how many at once.
#[derive(Debug, Clone, Default)]
struct Asked {
    times: Arc<AtomicUsize>,
    now: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Asked {
    async fn answer(self) -> Result<Credentials, Box<dyn std::error::Error + Send + Sync>> {
        self.times.fetch_add(1, Ordering::SeqCst);
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        self.now.fetch_sub(1, Ordering::SeqCst);
        Ok(Credentials::new("postgres", "not asked for"))
    }

    async fn connect(&self, db: &Database, change: impl FnOnce(DatabaseConfig) -> DatabaseConfig) -> SessionManager {
        let asked = self.clone();
        db.connect(|config| change(config.credentials(move || asked.clone().answer()))).await
    }
}

async fn at_most_so_many_connect_at_once(db: Database) {
    for limit in [1, 2] {
        let asked = Asked::default();
        let change = |config: DatabaseConfig| config.pool_size(8).max_connecting(limit);
        let sessions = asked.connect(&db, change).await;
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let sessions = sessions.clone();
                tokio::spawn(async move { holding(&sessions).await })
            })
            .collect();
        let mut held = Vec::new();
        for task in tasks {
            held.push(task.await.unwrap());
        }
        assert_eq!(asked.times.load(Ordering::SeqCst), 8);
        assert!((1..=limit).contains(&asked.most.load(Ordering::SeqCst)));
        for transaction in held {
            transaction.rollback().await;
        }
    }
}

async fn the_provider_is_asked_at_each_connect(db: Database) {
    let asked = Asked::default();
    let sessions = asked.connect(&db, |config| config.pool_kind(PoolKind::Null)).await;
    assert_eq!(asked.times.load(Ordering::SeqCst), 1);
    for _ in 0..3 {
        sessions.ping().await.unwrap();
    }
    assert_eq!(asked.times.load(Ordering::SeqCst), 4);

    let refusing = db.config().credentials(|| async { Err::<Credentials, _>("the vault is sealed".into()) });
    let error: Error = SessionManager::from_config(refusing).await.unwrap_err();
    assert!(error.is_connection());
    assert_eq!(error.to_string(), "connect: the provider gave no credentials");
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "the vault is sealed");
}

async fn waiting_for_the_turn_to_connect_is_part_of_the_wait_for_the_pool(db: Database) {
    let change = |config: DatabaseConfig| {
        config
            .pool_size(3)
            .max_connecting(1)
            .pool_timeout(Duration::from_millis(50))
            .connect_timeout(Duration::from_secs(600))
    };
    let line = Line::with(&db, change).await;
    let held = holding(&line.sessions).await;
    // From here on the server takes for ever to accept a connection.
    line.proxy.set_black_hole(true);
    let error = tokio::select! {
        biased;
        connected = line.sessions.ping() => panic!("{connected:?}"),
        waited = line.sessions.ping() => waited.unwrap_err(),
    };
    assert!(error.is_pool_timeout(), "{error:?}");
    assert_eq!(
        error.to_string(),
        "get a connection within 50ms: as many are being opened as `max_connecting` allows; raise it, or ask why the \
         database is slow to accept them"
    );
    line.proxy.set_black_hole(false);
    held.rollback().await;
    line.sessions.ping().await.unwrap();
}
