//! Writes that find another version than they expect.

use std::sync::atomic::{AtomicUsize, Ordering};

use spakky::prelude::*;
use spakky::{Error, ErrorKind, RetryOn, RetryPolicy};

use crate::support::{Database, account, facts, on_each_backend};

on_each_backend![
    a_stale_save_in_the_commit_leaves_nothing_behind,
    a_stale_save_names_table_id_version_and_origin,
    a_batch_lists_every_id_that_missed,
    a_batch_of_deletes_lists_every_id_that_missed,
    the_message_names_ten_of_many_ids,
    a_row_that_is_gone_is_a_conflict,
    a_conflict_now_dooms_the_scope,
    a_conflict_in_a_nested_scope_undoes_that_scope,
    the_first_edit_never_conflicts,
    a_conflict_is_retried_where_asked_for,
    a_conflict_is_not_retried_unasked,
    two_sessions_cannot_both_win,
    conflicts_work_without_the_functions_of_the_library,
];

const PAY: TransactionOptions = TransactionOptions::new().name("pay");

async fn a_stale_save_in_the_commit_leaves_nothing_behind(db: Database) {
    db.store(&[account(1, "ann", 10), account(2, "bob", 20)]).await;
    let accounts = db.account_repository();
    let answer = db.sessions.transaction(PAY, async |_| {
        let mut both = accounts.get_many([1, 2]).await?;
        db.execute("UPDATE accounts SET version = 2 WHERE id = 2").await;
        accounts.add(&mut account(3, "cy", 30))?;
        both[0].balance = 0;
        both[1].balance = 0;
        // Queued: the verdict comes with COMMIT.
        accounts.save_all(&mut both)
    });
    assert!(answer.await.unwrap_err().is_conflict());
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1), facts(2, "bob", 20, 2)]);
}

async fn a_stale_save_names_table_id_version_and_origin(db: Database) {
    db.store(&[account(7, "ann", 10)]).await;
    let accounts = db.account_repository();
    let mut line = 0;
    let answer = db.sessions.transaction(PAY, async |_| {
        let mut ann = accounts.get(7).await?;
        db.execute("UPDATE accounts SET version = 5").await;
        ann.balance = 0;
        line = line!() + 1;
        accounts.save(&mut ann)
    });
    let error = answer.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(
        (error.table(), error.ids(), error.expected_version()),
        (Some("accounts"), &["7".to_owned()][..], Some(1))
    );
    assert!(!error.is_retryable());
    assert_eq!(
        error.to_string(),
        format!(
            "save to `accounts` with id 7: its version is no longer 1, or it is gone (queued at {}:{line})",
            file!()
        )
    );
}

async fn a_batch_lists_every_id_that_missed(db: Database) {
    let many: Vec<_> = (1..=20).map(|id| account(id, &format!("owner {id}"), id)).collect();
    db.store(&many).await;
    let accounts = db.account_repository();
    let answer = db.sessions.transaction(PAY, async |_| {
        let mut all = accounts.get_many(1..=20).await?;
        db.execute("UPDATE accounts SET version = 2 WHERE id IN (3, 20)").await;
        db.execute("DELETE FROM accounts WHERE id = 11").await;
        for account in &mut all {
            account.balance += 1;
        }
        accounts.save_all(&mut all)
    });
    let error = answer.await.unwrap_err();
    assert!(error.is_conflict());
    assert_eq!(error.ids(), ["3", "11", "20"]);
    assert!(
        error.to_string().starts_with(
            "save to `accounts` with id 3, 11, 20: their versions have changed, or they are gone (queued at "
        ),
        "{error}"
    );
    assert_eq!(db.numbers("SELECT count(*) FROM accounts WHERE balance = id").await, [19]);
}

async fn a_batch_of_deletes_lists_every_id_that_missed(db: Database) {
    let many: Vec<_> = (1..=10).map(|id| account(id, &format!("owner {id}"), id)).collect();
    db.store(&many).await;
    let accounts = db.account_repository();
    let answer = db.sessions.transaction(PAY, async |_| {
        let mut all = accounts.get_many(1..=10).await?;
        db.execute("UPDATE accounts SET version = 2 WHERE id IN (2, 9)").await;
        accounts.delete_all(&mut all)
    });
    let error = answer.await.unwrap_err();
    assert!(error.is_conflict());
    assert_eq!(error.ids(), ["2", "9"]);
    assert!(error.to_string().starts_with("delete from `accounts` with id 2, 9: "), "{error}");
    assert_eq!(db.numbers("SELECT count(*) FROM accounts").await, [10]);
}

async fn a_row_that_is_gone_is_a_conflict(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    let answer = db.sessions.transaction(PAY, async |_| {
        let mut ann = accounts.get(1).await?;
        db.execute("DELETE FROM accounts").await;
        accounts.delete_now(&mut ann).await
    });
    let error = answer.await.unwrap_err();
    assert!(error.is_conflict());
    assert_eq!(error.ids(), ["1"]);
}

async fn a_conflict_now_dooms_the_scope(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    let answer = db.sessions.transaction(PAY, async |_| {
        accounts.add(&mut account(2, "bob", 20))?;
        let mut ann = accounts.get(1).await?;
        db.execute("UPDATE accounts SET version = 5").await;
        ann.balance = 0;
        assert!(accounts.save_now(&mut ann).await.unwrap_err().is_conflict());
        Ok::<_, Error>(())
    });
    let error = answer.await.unwrap_err();
    assert!(error.is_rollback_only());
    assert!(error.to_string().contains("save to `accounts` with id 1: its version is no longer 1"), "{error}");
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 5)]);
}

async fn a_conflict_in_a_nested_scope_undoes_that_scope(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY, async |_| {
            let stale = accounts.get(1).await?;
            db.execute("UPDATE accounts SET version = 5, balance = 50").await;
            let part = db.sessions.transaction(PAY.propagation(Propagation::Nested), async |_| {
                let mut ann = stale.clone();
                ann.balance = 0;
                accounts.save_now(&mut ann).await
            });
            assert!(part.await.unwrap_err().is_conflict());
            let mut ann = accounts.lock(1).await?;
            ann.balance += 1;
            accounts.save(&mut ann)
        })
        .await
        .unwrap();
    assert_eq!(db.accounts().await, [facts(1, "ann", 51, 6)]);
}

async fn the_first_edit_never_conflicts(db: Database) {
    let accounts = db.account_repository();
    let mut ann = account(1, "ann", 10);
    let write = accounts.autocommit();
    write.add_now(&mut ann).await.unwrap();
    ann.balance = 11;
    write.save_now(&mut ann).await.unwrap();
    ann.balance = 12;
    write.save_now(&mut ann).await.unwrap();
    write.delete_now(&mut ann).await.unwrap();
    assert_eq!(db.accounts().await, []);
}

fn retry(on: RetryOn) -> RetryPolicy {
    RetryPolicy { attempts: 5, backoff: std::time::Duration::from_millis(1), on }
}

async fn a_conflict_is_retried_where_asked_for(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    let attempts = AtomicUsize::new(0);
    db.sessions
        .transaction_with_retry(PAY.retry(retry(RetryOn::Conflict)), |_| async {
            let attempt = attempts.fetch_add(1, Ordering::SeqCst);
            let mut ann = accounts.get(1).await?;
            if attempt < 2 {
                db.execute("UPDATE accounts SET version = version + 1, balance = balance + 100").await;
            }
            ann.balance += 1;
            accounts.save(&mut ann)
        })
        .await
        .unwrap();
    assert_eq!(attempts.into_inner(), 3);
    assert_eq!(db.accounts().await, [facts(1, "ann", 211, 4)]);
}

async fn a_conflict_is_not_retried_unasked(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    let attempts = AtomicUsize::new(0);
    let answer = db.sessions.transaction_with_retry(PAY.retry(retry(RetryOn::Transient)), |_| async {
        attempts.fetch_add(1, Ordering::SeqCst);
        let mut ann = accounts.get(1).await?;
        db.execute("UPDATE accounts SET version = version + 1").await;
        ann.balance += 1;
        accounts.save(&mut ann)
    });
    assert!(answer.await.unwrap_err().is_conflict());
    assert_eq!(attempts.into_inner(), 1);
}

async fn two_sessions_cannot_both_win(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let (one, other) = (db.sessions.begin(), db.sessions.begin());
    let accounts = db.account_repository();
    let mut first = accounts.in_session(one.session()).get(1).await.unwrap();
    let mut second = accounts.in_session(other.session()).get(1).await.unwrap();
    first.balance = 11;
    second.balance = 12;
    accounts.in_session(one.session()).save(&mut first).unwrap();
    accounts.in_session(other.session()).save(&mut second).unwrap();
    let (one, other) = tokio::join!(one.commit(), other.commit());
    assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
    let winner = if one.is_ok() { 11 } else { 12 };
    assert!(one.err().or(other.err()).unwrap().is_conflict());
    assert_eq!(db.accounts().await, [facts(1, "ann", winner, 2)]);
}

/// Where nobody may install functions, a cast fails instead.
async fn conflicts_work_without_the_functions_of_the_library(db: Database) {
    if !db.is_sqlite() {
        db.execute("DROP FUNCTION spakky_raise(text)").await;
    }
    let many: Vec<_> = (1..=5).map(|id| account(id, &format!("owner {id}"), id)).collect();
    db.store(&many).await;
    let sessions = db.connect(|config| config).await;
    let accounts = sessions.repository::<crate::support::AccountRow>();
    for ids in [vec![2], vec![1, 2, 3, 4, 5]] {
        let answer = sessions.transaction(PAY, async |_| {
            let mut all = accounts.get_many(ids.clone()).await?;
            db.execute("UPDATE accounts SET version = version + 1 WHERE id IN (2, 4)").await;
            for account in &mut all {
                account.balance += 1;
            }
            accounts.save_all(&mut all)
        });
        let error = answer.await.unwrap_err();
        assert!(error.is_conflict(), "{error:?}");
        assert_eq!(error.ids(), if ids.len() == 1 { vec!["2"] } else { vec!["2", "4"] });
    }
}

async fn the_message_names_ten_of_many_ids(db: Database) {
    let accounts = db.account_repository();
    let error = accounts.get_many(1..=12).await.unwrap_err();
    assert_eq!(error.to_string(), "find `AccountRow` with id 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 2 more in `accounts`");
    assert_eq!(error.ids().len(), 12);

    let insert = "WITH RECURSIVE n(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n WHERE x < 1000) \
                  INSERT INTO accounts (id, owner, balance, version) SELECT x, 'owner ' || x, x, 1 FROM n";
    db.execute(&insert.replace("(1)", "(CAST(1 AS bigint))")).await;
    for deletes in [false, true] {
        let answer = db.sessions.transaction(PAY, async |_| {
            let mut all = accounts.get_many(1..=1000).await?;
            db.execute("UPDATE accounts SET version = version + 1").await;
            if deletes {
                return accounts.delete_all(&mut all);
            }
            all.iter_mut().for_each(|account| account.balance += 1);
            accounts.save_all(&mut all)
        });
        let error = answer.await.unwrap_err();
        let what = if deletes { "delete from" } else { "save to" };
        let start =
            format!("{what} `accounts` with id 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 990 more: their versions have ");
        assert!(error.to_string().starts_with(&start), "{error}");
        assert_eq!(error.ids().len(), 1000);
    }
}
