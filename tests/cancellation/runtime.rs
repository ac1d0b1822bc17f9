//! Scopes that are dropped where no runtime is, or with it.

#![allow(clippy::large_futures, reason = "the futures of a test are part of no others")]

use std::time::{Duration, Instant};

use spakky::prelude::*;
use spakky::{Backend, Error};

use crate::support::{Database, account, on_each_backend};

on_each_backend![
    an_open_transaction_dropped_on_a_thread_without_a_runtime_rolls_back,
    an_open_transaction_does_not_hold_up_the_end_of_its_runtime,
    a_transaction_outlives_its_runtime_without_harm,
    a_session_works_on_a_runtime_of_one_thread,
    a_call_outside_of_a_runtime_is_an_error,
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

/// What a call says on a thread that is in no runtime.
fn outside<T: Send + 'static>(call: impl Future<Output = Result<T, Error>> + Send + 'static) -> Result<(), Error> {
    let told = std::thread::spawn(move || futures_util::FutureExt::now_or_never(call).map(|result| result.map(drop)));
    told.join().unwrap().unwrap()
}

async fn a_call_outside_of_a_runtime_is_an_error(db: Database) {
    type Call = std::pin::Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;
    let sessions = db.sessions.clone();
    let accounts = db.account_repository().autocommit();
    let timed = TransactionOptions::new().timeout(Duration::from_secs(1));
    // It has a connection already.
    let transaction = sessions.begin();
    transaction.session().sql("SELECT 1").fetch_one::<(i32,)>().await.unwrap();
    macro_rules! call {
        (|$sessions:ident, $accounts:ident, $session:ident| $body:expr) => {{
            let ($sessions, $accounts, $session) = (sessions.clone(), accounts.clone(), transaction.session().clone());
            Box::pin(async move {
                let _ = (&$sessions, &$accounts, &$session);
                $body.await.map(drop)
            })
        }};
    }
    let config = db.config();
    let calls: Vec<Call> = vec![
        call!(|s, a, t| s.sql("SELECT 1").execute()),
        call!(|s, a, t| s.sql("SELECT 1").fetch_all::<(i32,)>()),
        call!(|s, a, t| a.find(1)),
        call!(|s, a, t| a.query().all()),
        call!(|s, a, t| a.query().stream()),
        call!(|s, a, t| async { a.add_now(&mut account(1, "ann", 10)).await }),
        call!(|s, a, t| a.delete_where(crate::support::AccountRow::COLUMNS.id.eq(1))),
        call!(|s, a, t| s.ping()),
        call!(|s, a, t| s.close(Duration::from_secs(1))),
        call!(|s, a, t| s.create_tables(&schema![])),
        call!(|s, a, t| s.transaction(TransactionOptions::new(), async |_| a.find(1).await)),
        call!(|s, a, t| s.transaction(timed, async |_| Ok::<_, Error>(()))),
        call!(|s, a, t| t.sql("SELECT 1").fetch_all::<(i32,)>()),
        Box::pin(async move { SessionManager::from_config(config).await.map(drop) }),
    ];
    for (number, call) in calls.into_iter().enumerate() {
        let error = outside(call).unwrap_err();
        assert!(error.is_config(), "call {number}: {error:?}");
        assert_eq!(
            error.to_string(),
            "use a database outside of a tokio runtime: it needs tokio's timers and tasks; await the call in code that tokio \
             runs, or inside `runtime.block_on(..)`"
        );
    }
    // The end of a transaction has none to give: it is rolled back where it can be.
    std::thread::spawn(move || {
        let mut rolling_back = Box::pin(transaction.rollback());
        let waker = std::task::Waker::noop();
        let mut context = std::task::Context::from_waker(waker);
        while rolling_back.as_mut().poll(&mut context).is_pending() {
            std::thread::yield_now();
        }
    })
    .join()
    .unwrap();
    db.is_at_rest().await;
    assert_eq!(db.accounts().await, []);
}
