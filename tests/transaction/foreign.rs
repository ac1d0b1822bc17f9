//! A repository that is given a session of another manager works in neither database.

use spakky::prelude::*;
use spakky::{Error, LockWait};

use crate::support::{AccountRow, Database, account, facts, on_each_backend};

on_each_backend![every_call_in_a_session_of_another_manager_is_refused, a_clone_of_the_manager_is_the_same_manager];

const PAY: TransactionOptions = TransactionOptions::new().name("pay");
const REFUSED: &str = "use a repository in a session of another `SessionManager`; make the repository with the session's \
                       own: `session.manager().repository()`";

async fn every_call_in_a_session_of_another_manager_is_refused(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let other = db.connect(|config| config.pool_size(1)).await;
    let columns = AccountRow::COLUMNS;
    let work = other.transaction(PAY, async |session| {
        let mut ann = session.manager().repository::<AccountRow>().get(1).await?;
        let accounts = db.account_repository().autocommit().in_session(&session);
        let mut errors = vec![
            accounts.get(1).await.unwrap_err(),
            accounts.find(1).await.unwrap_err(),
            accounts.exists(1).await.unwrap_err(),
            accounts.get_many([1, 2]).await.unwrap_err(),
            accounts.find_many([1, 2]).await.unwrap_err(),
            accounts.get_versioned(1).await.unwrap_err(),
            accounts.lock(1).await.unwrap_err(),
            accounts.find_locked(1, LockWait::Wait).await.unwrap_err(),
            accounts.filter(columns.id.eq(1)).all().await.unwrap_err(),
            accounts.filter(columns.id.eq(1)).count().await.unwrap_err(),
            accounts.filter(columns.id.eq(1)).exists().await.unwrap_err(),
            accounts.filter(columns.id.eq(1)).stream().await.map(drop).unwrap_err(),
            accounts.filter(columns.id.eq(1)).update([columns.balance.set(11)]).await.unwrap_err(),
            accounts.filter(columns.id.eq(1)).delete().await.unwrap_err(),
        ];
        let mut bob = account(2, "bob", 20);
        ann.balance = 11;
        errors.extend([
            accounts.add(&mut bob).unwrap_err(),
            accounts.add_all([&mut bob]).unwrap_err(),
            accounts.save(&mut ann).unwrap_err(),
            accounts.save_all([&mut ann]).unwrap_err(),
            accounts.save_if(&mut ann, 1).unwrap_err(),
            accounts.attach(&bob, 1).unwrap_err(),
            accounts.upsert(&mut bob).unwrap_err(),
            accounts.delete(&mut ann).unwrap_err(),
            accounts.delete_by_id(1).unwrap_err(),
            accounts.delete_all_by_id([1, 2]).unwrap_err(),
        ]);
        errors.extend([
            accounts.add_now(&mut bob).await.unwrap_err(),
            accounts.save_now(&mut ann).await.unwrap_err(),
            accounts.save_if_now(&mut ann, 1).await.unwrap_err(),
            accounts.upsert_now(&mut bob).await.unwrap_err(),
            accounts.delete_now(&mut ann).await.unwrap_err(),
            accounts.delete_by_id_now(1).await.unwrap_err(),
        ]);
        for error in errors {
            assert!(error.is_invalid_transaction(), "{error:?}");
            assert_eq!(error.to_string(), REFUSED);
        }
        // The scope itself is none the worse.
        session.manager().repository::<AccountRow>().save(&mut ann)
    });
    work.await.unwrap();
    assert_eq!(db.accounts().await, [facts(1, "ann", 11, 2)]);
}

async fn a_clone_of_the_manager_is_the_same_manager(db: Database) {
    let clone = db.sessions.clone();
    let accounts = db.account_repository();
    clone
        .transaction(PAY, async |session| {
            accounts.in_session(&session).add(&mut account(1, "ann", 10))?;
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1)]);
}
