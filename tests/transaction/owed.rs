//! What a nested scope leaves to be sent: the end of its savepoint travels with the next burst.

use spakky::Error;
use spakky::prelude::*;

use crate::support::{Database, account, facts, on_each_backend, on_postgres as only};

on_each_backend![
    the_end_of_a_savepoint_goes_ahead_of_a_commit_that_is_not_waited_for,
    a_save_in_a_nested_scope_is_not_lost_behind_a_read_by_key,
];

mod lent {
    use super::{a_savepoint_that_cannot_be_ended_dooms_the_transaction, only};

    only![a_savepoint_that_cannot_be_ended_dooms_the_transaction];
}

const PAY: TransactionOptions = TransactionOptions::new().name("pay");
const PART: TransactionOptions = TransactionOptions::new().name("part").propagation(Propagation::Nested);

async fn the_end_of_a_savepoint_goes_ahead_of_a_commit_that_is_not_waited_for(db: Database) {
    let accounts = db.account_repository();
    for (fails, end) in
        [(true, "ROLLBACK TO SAVEPOINT spakky_1; RELEASE SAVEPOINT spakky_1"), (false, "RELEASE SAVEPOINT spakky_1")]
    {
        db.sent();
        db.sessions
            .transaction(PAY.read_only(), async |_| {
                accounts.find(1).await?;
                let part = db.sessions.transaction(PART, async |_| {
                    accounts.find(2).await?;
                    if fails { accounts.get(3).await.map(drop) } else { Ok(()) }
                });
                assert_eq!(part.await.is_err(), fails);
                Ok::<_, Error>(())
            })
            .await
            .unwrap();
        let sent = db.sent();
        assert!(sent.iter().any(|sql| sql == "SAVEPOINT spakky_1"), "{sent:?}");
        assert_eq!(sent[sent.len() - 2..], [end, "COMMIT"]);
        db.is_at_rest().await;
    }
}

/// The read makes the savepoint, and so sends what was queued ahead of it.
async fn a_save_in_a_nested_scope_is_not_lost_behind_a_read_by_key(db: Database) {
    db.store(&[account(1, "ann", 10), account(2, "bob", 20)]).await;
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY, async |_| {
            let mut ann = accounts.get(1).await?;
            ann.balance = 11;
            accounts.save(&mut ann)?;
            let kept = db.sessions.transaction(PART, async |_| {
                ann.balance = 12;
                accounts.save(&mut ann)?;
                accounts.get(2).await?;
                assert_eq!(accounts.get(1).await?.balance, 12);
                // As it is queued already.
                accounts.save(&mut ann)
            });
            kept.await?;
            assert_eq!(accounts.get(1).await?.balance, 12);
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    let stored = db.accounts().await;
    assert_eq!((stored[0].2, stored[1].clone()), (12, facts(2, "bob", 20, 1)));
}

async fn a_savepoint_that_cannot_be_ended_dooms_the_transaction(db: Database) {
    use diesel_async::SimpleAsyncConnection;

    let accounts = db.account_repository();
    let work = db.sessions.transaction(PAY, async |_| {
        accounts.add_now(&mut account(1, "ann", 10)).await?;
        db.sessions
            .transaction(PART, async |part| {
                accounts.add_now(&mut account(2, "bob", 20)).await?;
                let mut conn = part.postgres().await?;
                conn.batch_execute("RELEASE SAVEPOINT spakky_1").await.unwrap();
                Ok::<_, Error>(())
            })
            .await?;
        // The savepoint is to be ended ahead of this.
        let error = accounts.find(3).await.unwrap_err();
        assert!(!error.is_rollback_only(), "{error:?}");
        assert!(accounts.find(3).await.unwrap_err().is_rollback_only());
        Ok::<_, Error>(())
    });
    let error = work.await.unwrap_err();
    assert!(error.is_rollback_only());
    assert!(
        error
            .to_string()
            .starts_with("commit `pay`: it can only be rolled back, because a statement in `pay` failed: "),
        "{error}"
    );
    assert_eq!(db.accounts().await, []);
}
