//! One session used from several places at once.

use std::task::Poll;

use spakky::Error;
use spakky::prelude::*;

use crate::support::{Database, account, facts, on_each_backend};

on_each_backend![
    calls_side_by_side_are_served_one_after_the_other,
    a_save_queued_during_a_flush_goes_on_top_of_it,
    an_add_queued_during_a_flush_is_not_lost,
    reads_and_writes_side_by_side_agree,
    the_commit_waits_for_calls_of_other_tasks,
];

const PAY: TransactionOptions = TransactionOptions::new().name("pay");

async fn calls_side_by_side_are_served_one_after_the_other(db: Database) {
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY, async |_| {
            let adds = (1..=50).map(|id| {
                let accounts = accounts.clone();
                async move {
                    accounts.add_now(&mut account(id, &format!("owner {id}"), id)).await?;
                    let mut back = accounts.get(id).await?;
                    back.balance += 1_000;
                    accounts.save_now(&mut back).await
                }
            });
            futures_util::future::try_join_all(adds).await
        })
        .await
        .unwrap();
    assert_eq!(db.numbers("SELECT count(*) FROM accounts WHERE balance = id + 1000 AND version = 2").await, [50]);
}

async fn a_save_queued_during_a_flush_goes_on_top_of_it(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    let mut ann = db
        .sessions
        .transaction(PAY, async |session| {
            let mut ann = accounts.get(1).await?;
            ann.balance = 11;
            accounts.save(&mut ann)?;
            let queue = async {
                ann.balance = 12;
                accounts.save(&mut ann)?;
                Ok::<_, Error>(())
            };
            // The flush is sent when it is polled, and answered later.
            tokio::try_join!(biased; session.flush(), queue)?;
            assert_eq!(accounts.get(1).await?.balance, 12);
            Ok::<_, Error>(ann)
        })
        .await
        .unwrap();
    assert_eq!(db.accounts().await, [facts(1, "ann", 12, 3)]);
    assert_eq!(ann.revision.version(), Some(3));
    ann.balance = 13;
    db.sessions.transaction(PAY, async |_| accounts.save(&mut ann)).await.unwrap();
    assert_eq!(db.accounts().await, [facts(1, "ann", 13, 4)]);
}

async fn an_add_queued_during_a_flush_is_not_lost(db: Database) {
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY, async |session| {
            accounts.add(&mut account(1, "ann", 10))?;
            let queue = async { accounts.add(&mut account(2, "bob", 20)) };
            tokio::try_join!(biased; session.flush(), queue)?;
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1), facts(2, "bob", 20, 1)]);
}

async fn reads_and_writes_side_by_side_agree(db: Database) {
    db.store(&[account(1, "ann", 10), account(2, "bob", 20)]).await;
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY, async |_| {
            let change = async {
                let mut ann = accounts.get(1).await?;
                ann.balance = 100;
                accounts.save_now(&mut ann).await
            };
            let read = async { accounts.query().all().await.map(|all| all.len()) };
            let ((), count) = tokio::try_join!(change, read)?;
            assert_eq!(count, 2);
            assert_eq!(accounts.get(1).await?.balance, 100);
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    assert_eq!(db.accounts().await[0], facts(1, "ann", 100, 2));
}

async fn the_commit_waits_for_calls_of_other_tasks(db: Database) {
    db.slow_down().await;
    let accounts = db.account_repository();
    let task = db
        .sessions
        .transaction(PAY, async |session| {
            let theirs = accounts.in_session(&session);
            let (sent, begun) = tokio::sync::oneshot::channel();
            let task = tokio::spawn(async move {
                let mut ann = account(1, "ann", 10);
                let mut call = std::pin::pin!(theirs.add_now(&mut ann));
                let first = std::future::poll_fn(|context| Poll::Ready(call.as_mut().poll(context))).await;
                sent.send(()).unwrap();
                match first {
                    Poll::Ready(result) => result,
                    Poll::Pending => call.await,
                }
            });
            begun.await.unwrap();
            Ok::<_, Error>(task)
        })
        .await
        .unwrap();
    task.await.unwrap().unwrap();
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1)]);
}
