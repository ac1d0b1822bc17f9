//! Several aggregates in one call: all of them are queued, or none.

use spakky::Error;
use spakky::prelude::*;

use crate::support::{Account, Database, account, facts, on_each_backend};

on_each_backend![
    nothing_of_a_batch_is_queued_if_one_of_it_cannot_be,
    nothing_of_a_batch_is_executed_if_one_of_it_cannot_be,
    a_batch_that_names_one_aggregate_twice_is_refused_whole,
    a_batch_sees_what_its_earlier_elements_queue,
];

const PAY: TransactionOptions = TransactionOptions::new().name("pay");

/// An account whose owner no backend can store.
fn unstorable(id: i64) -> Account {
    account(id, "a\0b", 1)
}

async fn nothing_of_a_batch_is_queued_if_one_of_it_cannot_be(db: Database) {
    db.store(&[account(1, "ann", 10), account(2, "bob", 20)]).await;
    let accounts = db.account_repository();
    let work = db.sessions.transaction(PAY, async |session| {
        let mut two = accounts.get_many([1, 2]).await?;
        let before = session.statistics().statements;
        let mut changed = two.clone();
        changed[0].balance = 11;
        changed[1].owner = "a\0b".to_owned();
        assert!(accounts.save_all(&mut changed).unwrap_err().is_mapping());
        // What was not queued has not changed the copies either.
        assert_eq!(changed[0].revision, two[0].revision);

        let mut new = [account(3, "cy", 30), unstorable(4)];
        assert!(accounts.add_all(&mut new).unwrap_err().is_mapping());
        assert_eq!(new[0].revision.version(), None);
        assert!(accounts.upsert_all(&mut [account(3, "cy", 30), unstorable(4)]).unwrap_err().is_mapping());
        let mut gone = [two[0].clone(), account(9, "nobody", 0)];
        assert!(accounts.delete_all(&mut gone).unwrap_err().is_not_loaded());

        session.flush().await?;
        assert_eq!(session.statistics().statements, before);
        // The copies are as good as before.
        two[0].balance = 12;
        accounts.save(&mut two[0])
    });
    work.await.unwrap();
    assert_eq!(db.accounts().await, [facts(1, "ann", 12, 2), facts(2, "bob", 20, 1)]);
}

async fn nothing_of_a_batch_is_executed_if_one_of_it_cannot_be(db: Database) {
    db.store(&[account(1, "ann", 10), account(2, "bob", 20)]).await;
    let accounts = db.account_repository();
    let work = db.sessions.transaction(PAY, async |_| {
        let two = accounts.get_many([1, 2]).await?;
        let mut changed = two.clone();
        changed[0].balance = 11;
        changed[1].owner = "a\0b".to_owned();
        assert!(accounts.save_all_now(&mut changed).await.unwrap_err().is_mapping());
        let mut new = [account(3, "cy", 30), unstorable(4)];
        assert!(accounts.add_all_now(&mut new).await.unwrap_err().is_mapping());
        assert!(accounts.upsert_all_now(&mut new).await.unwrap_err().is_mapping());
        let mut gone = [two[0].clone(), account(9, "nobody", 0)];
        assert!(accounts.delete_all_now(&mut gone).await.unwrap_err().is_not_loaded());
        Ok::<_, Error>(())
    });
    work.await.unwrap();
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1), facts(2, "bob", 20, 1)]);
}

async fn a_batch_that_names_one_aggregate_twice_is_refused_whole(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    let work = db.sessions.transaction(PAY, async |_| {
        let mut twice = [account(2, "bob", 20), account(2, "bob", 21)];
        assert!(accounts.add_all(&mut twice).unwrap_err().is_unique_violation());
        let ann = accounts.get(1).await?;
        let mut copies = [Account { balance: 11, ..ann.clone() }, Account { balance: 12, ..ann.clone() }];
        assert!(accounts.save_all(&mut copies).unwrap_err().is_stale_copy());
        assert!(accounts.delete_all(&mut [ann.clone(), ann]).unwrap_err().is_not_loaded());
        Ok::<_, Error>(())
    });
    work.await.unwrap();
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1)]);
}

async fn a_batch_sees_what_its_earlier_elements_queue(db: Database) {
    let accounts = db.account_repository();
    let work = db.sessions.transaction(PAY, async |_| {
        accounts.upsert_all(&mut [account(1, "ann", 10), account(1, "anna", 11)])?;
        accounts.delete_all_by_id([2, 2])
    });
    work.await.unwrap();
    assert_eq!(db.accounts().await, [facts(1, "anna", 11, 1)]);
}
