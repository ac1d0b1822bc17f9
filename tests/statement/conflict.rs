//! Saves that miss their rows.

use spakky::Error;
use spakky::prelude::*;

use crate::support::{AccountRow, Database, Letter, account, facts, letter, on_each_backend};

on_each_backend![
    a_stale_save_that_travels_with_commit_leaves_nothing_behind,
    a_conflict_in_a_batch_lists_exactly_the_ids_that_missed,
    a_conflict_in_a_batch_of_deletes_lists_exactly_the_ids_that_missed,
    a_conflict_lists_them_where_no_function_may_be_installed,
    a_function_installed_later_is_used,
];

const WORK: TransactionOptions = TransactionOptions::new().name("work");

async fn a_stale_save_that_travels_with_commit_leaves_nothing_behind(db: Database) {
    db.store(&[account(1, "ann", 10), account(2, "bob", 20)]).await;
    let (accounts, letters) = (db.account_repository(), db.sessions.repository::<Letter>());
    let work = db.sessions.transaction(WORK, async |_| {
        let [mut ann, mut bob] = [accounts.get(1).await?, accounts.get(2).await?];
        db.execute("UPDATE accounts SET balance = 99, version = 2 WHERE id = 2").await;
        letters.add(&mut letter(1, "dear"))?;
        ann.balance = 11;
        accounts.save(&mut ann)?;
        bob.balance = 21;
        accounts.save(&mut bob)?;
        accounts.add(&mut account(3, "cy", 30))
    });
    let error = work.await.unwrap_err();
    assert!(error.is_conflict(), "{error:?}");
    assert!(!error.is_retryable());
    assert_eq!((error.table(), error.expected_version()), (Some("accounts"), Some(1)));
    assert_eq!(error.ids(), ["2"]);
    assert!(error.origin().is_some_and(|origin| origin.file() == file!()));
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1), facts(2, "bob", 99, 2)]);
    assert_eq!(db.numbers("SELECT count(*) FROM letters").await, [0]);
    assert_eq!(db.sessions.status().in_use, 0);
}

/// Saves (or deletes) accounts 1 to 6 after others have changed 2 and 4 and deleted 5.
async fn batch(db: &Database, sessions: &SessionManager, delete: bool) -> Error {
    db.execute("DELETE FROM accounts").await;
    db.store(&(1..=6).map(|id| account(id, &format!("owner {id}"), id)).collect::<Vec<_>>()).await;
    let accounts = sessions.repository::<AccountRow>();
    let work = sessions.transaction(WORK, async |_| {
        let mut all = accounts.get_many(1..=6).await?;
        db.execute("UPDATE accounts SET version = 7 WHERE id IN (2, 4)").await;
        db.execute("DELETE FROM accounts WHERE id = 5").await;
        if delete {
            return accounts.delete_all(&mut all);
        }
        for account in &mut all {
            account.balance += 100;
        }
        accounts.save_all(&mut all)
    });
    let error = work.await.unwrap_err();
    assert_eq!(db.numbers("SELECT id FROM accounts ORDER BY id").await, [1, 2, 3, 4, 6], "nothing was changed");
    assert_eq!(db.numbers("SELECT count(*) FROM accounts WHERE balance >= 100").await, [0], "nothing was changed");
    error
}

fn check(error: &Error) {
    assert!(error.is_conflict(), "{error:?}");
    assert_eq!(error.ids(), ["2", "4", "5"]);
    assert_eq!(error.table(), Some("accounts"));
}

async fn a_conflict_in_a_batch_lists_exactly_the_ids_that_missed(db: Database) {
    check(&batch(&db, &db.sessions, false).await);
}

async fn a_conflict_in_a_batch_of_deletes_lists_exactly_the_ids_that_missed(db: Database) {
    check(&batch(&db, &db.sessions, true).await);
}

async fn a_conflict_lists_them_where_no_function_may_be_installed(db: Database) {
    if !db.is_sqlite() {
        db.execute("DROP FUNCTION spakky_raise").await;
    }
    let sessions = db.connect(|config| config).await;
    check(&batch(&db, &sessions, false).await);
    check(&batch(&db, &sessions, true).await);
    // One row has a statement of another form.
    let accounts = sessions.repository::<AccountRow>();
    let work = sessions.transaction(WORK, async |_| {
        let mut one = accounts.get(1).await?;
        db.execute("UPDATE accounts SET version = 8 WHERE id = 1").await;
        one.balance += 1;
        accounts.save(&mut one)
    });
    let error = work.await.unwrap_err();
    assert!(error.is_conflict(), "{error:?}");
    assert_eq!((error.ids(), error.expected_version()), (["1".to_owned()].as_slice(), Some(1)));
}

async fn a_function_installed_later_is_used(db: Database) {
    if db.is_sqlite() {
        return;
    }
    db.execute("DROP FUNCTION spakky_raise").await;
    let sessions = db.connect(|config: DatabaseConfig| config.echo(true)).await;
    sessions.create_tables(&schema![AccountRow]).await.unwrap();
    db.sent();
    check(&batch(&db, &sessions, false).await);
    assert!(db.sent().iter().any(|sql| sql.contains("spakky_raise(")));
}
