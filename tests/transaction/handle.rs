//! Transactions by explicit handle.

use std::time::Duration;

use spakky::config::DatabaseConfig;
use spakky::prelude::*;

use crate::support::{Database, account, eventually, facts, on_each_backend};

on_each_backend![
    commit_saves_what_was_queued,
    rollback_undoes_what_was_flushed,
    a_dropped_handle_rolls_back,
    a_handle_that_sent_nothing_takes_no_connection,
    run_lets_repositories_find_the_session,
    a_chained_transaction_knows_the_rows_of_the_one_before,
    a_chained_transaction_forgets_them_with_expire_on_commit,
    a_chain_whose_commit_fails_is_over,
    a_session_is_of_no_use_after_its_end,
    a_read_only_transaction_refuses_writes,
    a_read_only_transaction_refuses_plain_writes_of_select_too,
    options_that_contradict_each_other_are_refused_at_the_first_use,
    a_handle_may_be_committed_in_another_task,
];

async fn commit_saves_what_was_queued(db: Database) {
    let transaction = db.sessions.begin();
    let accounts = db.account_repository().in_session(transaction.session());
    accounts.add(&mut account(1, "ann", 10)).unwrap();
    accounts.add(&mut account(2, "bob", 20)).unwrap();
    assert_eq!(db.accounts().await, []);
    assert_eq!(transaction.session().statistics().round_trips, 0);
    transaction.commit().await.unwrap();
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1), facts(2, "bob", 20, 1)]);
}

async fn rollback_undoes_what_was_flushed(db: Database) {
    let transaction = db.sessions.begin();
    let accounts = db.account_repository().in_session(transaction.session());
    accounts.add_now(&mut account(1, "ann", 10)).await.unwrap();
    transaction.rollback().await;
    assert_eq!(db.sessions.status().in_use, 0);
    assert_eq!(db.accounts().await, []);
}

async fn a_dropped_handle_rolls_back(db: Database) {
    let transaction = db.sessions.begin();
    let accounts = db.account_repository().in_session(transaction.session());
    accounts.add_now(&mut account(1, "ann", 10)).await.unwrap();
    drop(transaction);
    db.is_at_rest().await;
    assert_eq!(db.accounts().await, []);
    // Its lock is gone: another writer gets through.
    db.store(&[account(1, "bob", 5)]).await;
}

async fn a_handle_that_sent_nothing_takes_no_connection(db: Database) {
    let transaction = db.sessions.begin();
    let accounts = db.account_repository().in_session(transaction.session());
    accounts.add(&mut account(1, "ann", 10)).unwrap();
    assert_eq!(db.sessions.status().in_use, 0);
    transaction.rollback().await;
    db.sessions.begin().commit().await.unwrap();
    assert_eq!(db.sent(), Vec::<String>::new());
    assert_eq!(db.accounts().await, []);
}

async fn run_lets_repositories_find_the_session(db: Database) {
    let accounts = db.account_repository();
    let transaction = db.sessions.begin();
    let added = transaction.run(async { accounts.add(&mut account(1, "ann", 10)) }).await;
    added.unwrap();
    assert!(accounts.add(&mut account(2, "bob", 10)).unwrap_err().is_no_session());
    transaction.commit().await.unwrap();
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1)]);
}

async fn a_chained_transaction_knows_the_rows_of_the_one_before(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let transaction = db.sessions.begin();
    let mut ann = db.account_repository().in_session(transaction.session()).get(1).await.unwrap();
    ann.balance = 11;
    db.account_repository().in_session(transaction.session()).save(&mut ann).unwrap();
    let next = transaction.commit_and_chain().await.unwrap();
    assert_eq!(db.accounts().await, [facts(1, "ann", 11, 2)]);

    let accounts = db.account_repository().in_session(next.session());
    assert_eq!(accounts.get(1).await.unwrap(), ann);
    assert_eq!(next.session().statistics().round_trips, 0);
    ann.balance = 12;
    accounts.save(&mut ann).unwrap();
    next.commit().await.unwrap();
    assert_eq!(db.accounts().await, [facts(1, "ann", 12, 3)]);
}

async fn a_chained_transaction_forgets_them_with_expire_on_commit(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let sessions = db.connect(|config: DatabaseConfig| config.expire_on_commit(true)).await;
    let accounts = sessions.repository::<crate::support::AccountRow>();
    let transaction = sessions.begin();
    accounts.in_session(transaction.session()).get(1).await.unwrap();
    let next = transaction.commit_and_chain().await.unwrap();
    db.execute("UPDATE accounts SET balance = 99").await;
    assert_eq!(accounts.in_session(next.session()).get(1).await.unwrap().balance, 99);
    next.commit().await.unwrap();
}

async fn a_chain_whose_commit_fails_is_over(db: Database) {
    let transaction = db.sessions.begin();
    let accounts = db.account_repository().in_session(transaction.session());
    accounts.add(&mut account(1, "ann", -1)).unwrap();
    let error = transaction.commit_and_chain().await.unwrap_err();
    assert!(error.is_check_violation(), "{error:?}");
    assert_eq!(db.accounts().await, []);
}

async fn a_session_is_of_no_use_after_its_end(db: Database) {
    let transaction = db.sessions.begin();
    let session = transaction.session().clone();
    transaction.commit().await.unwrap();
    let accounts = db.account_repository().in_session(&session);
    let error = accounts.add(&mut account(1, "ann", 10)).unwrap_err();
    assert!(error.is_no_session());
    assert_eq!(error.to_string(), "use a session whose transaction has ended; open a new scope");
    assert!(accounts.get(1).await.unwrap_err().is_no_session());
    assert!(session.sql("SELECT 1").execute().await.unwrap_err().is_no_session());
    assert!(session.flush().await.unwrap_err().is_no_session());
    assert_eq!(db.sessions.status().in_use, 0);
}

async fn a_read_only_transaction_refuses_writes(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let transaction = db.sessions.read_only();
    let accounts = db.account_repository().in_session(transaction.session());
    let mut ann = accounts.get(1).await.unwrap();
    let refused = "write in `read-only`, which is read-only; drop `read_only` from its scope";
    for error in [
        accounts.add(&mut account(2, "bob", 10)).unwrap_err(),
        accounts.save(&mut ann).unwrap_err(),
        accounts.upsert(&mut ann).unwrap_err(),
        accounts.delete(&mut ann).unwrap_err(),
        accounts.delete_by_id(1).unwrap_err(),
        accounts.attach(&ann, 1).unwrap_err(),
        accounts.lock(1).await.unwrap_err(),
        transaction.session().sql("DELETE FROM accounts").execute().await.unwrap_err(),
    ] {
        assert!(error.is_read_only());
        assert_eq!(error.to_string(), refused);
    }
    transaction.commit().await.unwrap();
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1)]);
}

/// The database itself refuses what the first word of a statement does not give away.
async fn a_read_only_transaction_refuses_plain_writes_of_select_too(db: Database) {
    if db.is_sqlite() {
        return;
    }
    db.execute("CREATE SEQUENCE numbers").await;
    let transaction = db.sessions.read_only();
    let next = transaction.session().sql("SELECT nextval('numbers')").fetch_one::<(i64,)>().await;
    assert!(next.unwrap_err().is_read_only());
    transaction.rollback().await;
}

async fn options_that_contradict_each_other_are_refused_at_the_first_use(db: Database) {
    let transaction = db.sessions.begin_with(TransactionOptions::new().deferrable());
    let error = transaction.session().sql("SELECT 1").fetch_one::<(i32,)>().await.unwrap_err();
    assert!(error.to_string().contains("`deferrable` needs `read_only` and `isolation = serializable`"), "{error}");
    let error = transaction.commit().await.unwrap_err();
    assert!(error.to_string().contains("`deferrable` needs `read_only` and `isolation = serializable`"), "{error}");
}

async fn a_handle_may_be_committed_in_another_task(db: Database) {
    let transaction = db.sessions.begin();
    let accounts = db.account_repository().in_session(transaction.session());
    accounts.add_now(&mut account(1, "ann", 10)).await.unwrap();
    tokio::spawn(transaction.commit()).await.unwrap().unwrap();
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1)]);
    eventually("the connection is back", Duration::from_secs(60), async || db.sessions.status().in_use == 0).await;
}
