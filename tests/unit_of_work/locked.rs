//! A lock that is asked for while a save of the same row is queued.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use spakky::Error;
use spakky::prelude::*;

use crate::support::{AccountRow, Database, account, facts, on_each_backend};

on_each_backend![
    a_save_queued_while_its_row_is_being_locked_is_written,
    a_save_queued_while_its_row_is_being_locked_keeps_its_guard,
];

const PAY: TransactionOptions = TransactionOptions::new().name("pay");

/// Loads ann, asks for her lock while somebody else has it, queues a save meanwhile, and has the lock. The other one
/// changes her first or does not.
async fn save_while_locking(db: &Database, changed: bool) -> Result<(), Error> {
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY, async |_| {
            let mut ann = accounts.get(1).await?;
            let holder = db.observer().begin();
            let theirs = db.observer().repository::<AccountRow>().in_session(holder.session());
            let mut hers = theirs.lock(1).await?;
            let mut locking = pin!(accounts.lock(1));
            let waits = poll_fn(|context| Poll::Ready(locking.as_mut().poll(context).is_pending()));
            assert!(waits.await);
            ann.balance = 11;
            accounts.save(&mut ann)?;
            if changed {
                hers.balance = 99;
                theirs.save(&mut hers)?;
            }
            holder.commit().await?;
            locking.await?;
            // What is queued is what the session knows.
            assert_eq!(accounts.get(1).await?.balance, 11);
            Ok(())
        })
        .await
}

async fn a_save_queued_while_its_row_is_being_locked_is_written(db: Database) {
    save_while_locking(&db, false).await.unwrap();
    assert_eq!(db.accounts().await, [facts(1, "ann", 11, 2)]);
}

async fn a_save_queued_while_its_row_is_being_locked_keeps_its_guard(db: Database) {
    let error = save_while_locking(&db, true).await.unwrap_err();
    assert!(error.is_conflict(), "{error:?}");
    assert_eq!(db.accounts().await, [facts(1, "ann", 99, 2)]);
}
