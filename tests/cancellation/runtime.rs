//! Scopes that are dropped where no runtime is, or with it.

use std::time::{Duration, Instant};

use spakky::prelude::*;
use spakky::{Backend, Error};

use crate::support::{Database, account, on_each_backend};

on_each_backend![
    an_open_transaction_dropped_on_a_thread_without_a_runtime_rolls_back,
    an_open_transaction_does_not_hold_up_the_end_of_its_runtime,
    a_transaction_outlives_its_runtime_without_harm,
    a_session_works_on_a_runtime_of_one_thread,
];

async fn an_open_transaction_dropped_on_a_thread_without_a_runtime_rolls_back(db: Database) {
    let transaction = db.sessions.begin();
    let accounts = db.account_repository().in_session(transaction.session());
    accounts.add_now(&mut account(1, "ann", 10)).await.unwrap();
    drop(accounts);
    let (dropped, told) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        drop(transaction);
        dropped.send(()).unwrap();
    });
    told.await.unwrap();
    db.is_at_rest().await;
    db.store(&[account(1, "bob", 20)]).await;
}

/// Runs on a runtime that is gone afterwards, on a thread of its own.
async fn on_a_runtime_of_its_own<T: Send + 'static>(
    work: impl FnOnce(tokio::runtime::Runtime) -> T + Send + 'static,
) -> T {
    let (told, heard) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _ = told.send(work(runtime));
    });
    heard.await.unwrap()
}

async fn an_open_transaction_does_not_hold_up_the_end_of_its_runtime(db: Database) {
    let config = db.config();
    let (took, transaction) = on_a_runtime_of_its_own(move |runtime| {
        let transaction = runtime.block_on(async {
            let sessions = SessionManager::from_config(config).await.unwrap();
            let forever = sessions.clone();
            tokio::spawn(async move {
                forever
                    .transaction(TransactionOptions::new(), async |session| {
                        session.sql("SELECT 1").fetch_one::<(i32,)>().await?;
                        std::future::pending::<Result<(), Error>>().await
                    })
                    .await
            });
            let transaction = sessions.begin();
            let accounts = sessions.repository::<crate::support::AccountRow>().in_session(transaction.session());
            accounts.add_now(&mut account(1, "ann", 10)).await.unwrap();
            transaction
        });
        let started = Instant::now();
        drop(runtime);
        (started.elapsed(), transaction)
    })
    .await;
    assert!(took < Duration::from_secs(20), "{took:?}");
    drop(transaction);
    db.store(&[account(1, "bob", 20)]).await;
}

async fn a_transaction_outlives_its_runtime_without_harm(db: Database) {
    let config = db.config();
    let transaction = on_a_runtime_of_its_own(move |runtime| {
        runtime.block_on(async {
            let sessions = SessionManager::from_config(config).await.unwrap();
            let transaction = sessions.begin();
            transaction.session().sql("SELECT 1").fetch_one::<(i32,)>().await.unwrap();
            transaction
        })
    })
    .await;
    let error = match transaction.session().sql("SELECT 2").fetch_one::<(i32,)>().await {
        // The connection's thread needs no runtime.
        Ok(_) => return assert_eq!(db.backend(), Backend::Sqlite),
        Err(error) => error,
    };
    assert!(error.is_connection(), "{error:?}");
    assert!(transaction.commit().await.is_err());
}

async fn a_session_works_on_a_runtime_of_one_thread(db: Database) {
    let config = db.config();
    on_a_runtime_of_its_own(move |runtime| {
        runtime.block_on(async {
            let sessions = SessionManager::from_config(config).await.unwrap();
            let accounts = sessions.repository::<crate::support::AccountRow>();
            sessions
                .transaction(TransactionOptions::new(), async |_| accounts.add(&mut account(1, "ann", 10)))
                .await
                .unwrap();
        });
    })
    .await;
    assert_eq!(db.accounts().await.len(), 1);
}
