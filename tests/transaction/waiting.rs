//! Calls that wait for a connection of the pool while their scope ends.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use spakky::Error;
use spakky::prelude::*;

use crate::support::{AccountRow, Database, account, eventually, facts, on_each_backend};

on_each_backend![
    a_call_that_waits_while_its_transaction_is_rolled_back_writes_nothing,
    a_call_that_waits_while_its_nested_scope_is_undone_writes_nothing_outside_it,
    a_call_that_waits_past_the_limit_of_its_nested_scope_writes_nothing_outside_it,
];

const PAY: TransactionOptions = TransactionOptions::new().name("pay");
const PART: TransactionOptions = TransactionOptions::new().name("part").propagation(Propagation::Nested);
const PATIENCE: Duration = Duration::from_secs(60);

/// A pool of one connection, and the transaction that holds it.
async fn exhausted(db: &Database) -> (SessionManager, Transaction) {
    let sessions = db.connect(|config| config.pool_size(1)).await;
    let holder = sessions.begin();
    holder.session().sql("SELECT 1").fetch_one::<(i32,)>().await.unwrap();
    (sessions, holder)
}

type Added = tokio::task::JoinHandle<Result<(), Error>>;

/// Adds an account in a task of its own; comes back once that waits for the pool.
async fn add_elsewhere(sessions: &SessionManager, session: &Session) -> Added {
    let accounts = sessions.repository::<AccountRow>().in_session(session);
    let adding = tokio::spawn(async move { accounts.add_now(&mut account(1, "ann", 10)).await });
    eventually("it waits for the pool", PATIENCE, async || sessions.status().waiting == 1).await;
    adding
}

async fn a_call_that_waits_while_its_transaction_is_rolled_back_writes_nothing(db: Database) {
    let (sessions, holder) = exhausted(&db).await;
    let transaction = sessions.begin_with(PAY);
    let session = transaction.session().clone();
    let adding = add_elsewhere(&sessions, &session).await;
    // It ends for all who use it at once, and waits until the call is out of the way.
    let mut ending = pin!(transaction.rollback());
    let waits = poll_fn(|context| Poll::Ready(ending.as_mut().poll(context).is_pending()));
    assert!(waits.await);
    holder.rollback().await;
    let error = adding.await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "use a session whose transaction has ended; open a new scope");
    ending.await;
    assert_eq!((db.accounts().await, sessions.status().in_use), (Vec::new(), 0));
}

async fn a_call_that_waits_while_its_nested_scope_is_undone_writes_nothing_outside_it(db: Database) {
    let (sessions, holder) = exhausted(&db).await;
    let accounts = sessions.repository::<AccountRow>();
    sessions
        .transaction(PAY, async |_| {
            let mut adding = None;
            let part = sessions.transaction(PART, async |part| {
                adding = Some(add_elsewhere(&sessions, &part).await);
                Err::<(), _>(db.sessions.session().unwrap_err())
            });
            part.await.unwrap_err();
            holder.rollback().await;
            let error = adding.unwrap().await.unwrap().unwrap_err();
            assert_eq!(error.to_string(), "use the session of a nested scope that has ended");
            accounts.add(&mut account(2, "bob", 20))
        })
        .await
        .unwrap();
    assert_eq!(db.accounts().await, [facts(2, "bob", 20, 1)]);
}

async fn a_call_that_waits_past_the_limit_of_its_nested_scope_writes_nothing_outside_it(db: Database) {
    let (sessions, holder) = exhausted(&db).await;
    let accounts = sessions.repository::<AccountRow>();
    sessions
        .transaction(PAY, async |_| {
            let limited = PART.timeout(Duration::from_millis(50));
            let part = sessions.transaction(limited, async |_| accounts.add_now(&mut account(1, "ann", 10)).await);
            assert_eq!(part.await.unwrap_err().to_string(), "finish `part` within 50ms");
            holder.rollback().await;
            accounts.add(&mut account(2, "bob", 20))
        })
        .await
        .unwrap();
    assert_eq!(db.accounts().await, [facts(2, "bob", 20, 1)]);
}
