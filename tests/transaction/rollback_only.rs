//! Transactions that can only be rolled back, and why.

use spakky::prelude::*;
use spakky::{Error, Propagation};

use crate::support::{Database, account, facts, on_each_backend};

on_each_backend![
    a_transaction_marked_so_is_not_committed,
    a_failed_statement_dooms_the_scope,
    a_failed_query_dooms_the_scope,
    a_doomed_scope_refuses_work_with_the_first_reason,
    an_inner_scope_that_failed_dooms_the_outer_one,
    a_nested_scope_that_failed_is_undone_alone,
    a_query_that_fails_in_a_nested_scope_is_undone_with_it,
    a_nested_scope_that_hid_a_failure_is_undone,
    a_mark_inside_a_nested_scope_undoes_that_scope,
];

const PAY: TransactionOptions = TransactionOptions::new().name("pay");
const PART: TransactionOptions = TransactionOptions::new().name("part");
const NESTED: TransactionOptions = PART.propagation(Propagation::Nested);

async fn a_transaction_marked_so_is_not_committed(db: Database) {
    let accounts = db.account_repository();
    let answer = db.sessions.transaction(PAY, async |session| {
        accounts.add_now(&mut account(1, "ann", 10)).await?;
        assert!(!session.is_rollback_only());
        session.set_rollback_only("a rehearsal");
        assert!(session.is_rollback_only());
        Ok::<_, Error>(())
    });
    let error = answer.await.unwrap_err();
    assert!(error.is_rollback_only());
    assert_eq!(error.to_string(), "commit `pay`: it can only be rolled back, because `pay` was marked so: a rehearsal");
    assert_eq!(db.accounts().await, []);
}

async fn a_failed_statement_dooms_the_scope(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    let answer = db.sessions.transaction(PAY, async |_| {
        accounts.add(&mut account(2, "bob", 10))?;
        let failed = accounts.add_now(&mut account(3, "ann", 10)).await.unwrap_err();
        assert!(failed.is_unique_violation());
        Ok::<_, Error>(failed.to_string())
    });
    let error = answer.await.unwrap_err();
    assert!(error.is_rollback_only());
    assert!(
        error.to_string().starts_with(
            "commit `pay`: it can only be rolled back, because a statement in `pay` failed: write a value on `accounts` \
             that is taken: unique constraint `uq_accounts_owner`"
        ),
        "{error}"
    );
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1)]);
}

async fn a_failed_query_dooms_the_scope(db: Database) {
    let answer = db.sessions.transaction(PAY, async |session| {
        let failed = session.sql("SELECT missing FROM accounts").fetch_all::<(i64,)>().await.unwrap_err();
        assert!(failed.is_schema(), "{failed:?}");
        Ok::<_, Error>(())
    });
    let error = answer.await.unwrap_err();
    assert!(error.is_rollback_only());
}

async fn a_doomed_scope_refuses_work_with_the_first_reason(db: Database) {
    let accounts = db.account_repository();
    let transaction = db.sessions.begin_with(PAY);
    transaction.session().set_rollback_only("the first");
    transaction.session().set_rollback_only("the second");
    let accounts = accounts.in_session(transaction.session());
    let refused = "go on with a transaction that can only be rolled back: `pay` was marked so: the first";
    assert_eq!(accounts.get(1).await.unwrap_err().to_string(), refused);
    assert_eq!(accounts.add(&mut account(1, "ann", 10)).unwrap_err().to_string(), refused);
    assert_eq!(transaction.session().sql("SELECT 1").execute().await.unwrap_err().to_string(), refused);
    assert_eq!(transaction.session().flush().await.unwrap_err().to_string(), refused);
    assert_eq!(
        transaction.commit().await.unwrap_err().to_string(),
        "commit `pay`: it can only be rolled back, because `pay` was marked so: the first"
    );
}

async fn an_inner_scope_that_failed_dooms_the_outer_one(db: Database) {
    let accounts = db.account_repository();
    let answer = db.sessions.transaction(PAY, async |_| {
        accounts.add(&mut account(1, "ann", 10))?;
        let inner = db.sessions.transaction(PART, async |_| accounts.get(9).await.map(|_| ()));
        assert!(inner.await.unwrap_err().is_not_found());
        Ok::<_, Error>(())
    });
    let error = answer.await.unwrap_err();
    assert!(error.is_rollback_only());
    assert_eq!(error.to_string(), "commit `pay`: it can only be rolled back, because the inner scope `part` failed");
    assert_eq!(db.accounts().await, []);
}

async fn a_nested_scope_that_failed_is_undone_alone(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY, async |session| {
            let mut ann = accounts.get(1).await?;
            ann.balance = 11;
            accounts.save(&mut ann)?;
            let inner = db.sessions.transaction(NESTED, async |_| {
                let mut ann = accounts.get(1).await?;
                ann.balance = 12;
                accounts.save(&mut ann)?;
                accounts.add(&mut account(2, "bob", 20))?;
                // Taken, so it fails in the database.
                accounts.add_now(&mut account(3, "bob", 20)).await
            });
            assert!(inner.await.unwrap_err().is_unique_violation());
            assert!(!session.is_rollback_only());
            assert_eq!(accounts.get(1).await?.balance, 11);
            assert_eq!(accounts.find(2).await?, None);
            accounts.add(&mut account(4, "dan", 40))
        })
        .await
        .unwrap();
    assert_eq!(db.accounts().await, [facts(1, "ann", 11, 2), facts(4, "dan", 40, 1)]);
}

async fn a_nested_scope_that_hid_a_failure_is_undone(db: Database) {
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY, async |_| {
            accounts.add(&mut account(1, "ann", 10))?;
            let inner = db.sessions.transaction(NESTED, async |_| {
                accounts.add(&mut account(2, "bob", 20))?;
                assert!(accounts.add_now(&mut account(3, "bob", 20)).await.is_err());
                Ok::<_, Error>(())
            });
            let error = inner.await.unwrap_err();
            assert!(error.is_rollback_only());
            assert!(error.to_string().contains("a statement in `part` failed: write a value"), "{error}");
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1)]);
}

async fn a_mark_inside_a_nested_scope_undoes_that_scope(db: Database) {
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY, async |_| {
            accounts.add(&mut account(1, "ann", 10))?;
            let inner = db.sessions.transaction(NESTED, async |part| {
                accounts.add(&mut account(2, "bob", 20))?;
                part.set_rollback_only("a trial");
                Ok::<_, Error>(())
            });
            let error = inner.await.unwrap_err();
            assert!(error.is_rollback_only());
            assert!(error.to_string().ends_with("`part` was marked so: a trial"), "{error}");
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1)]);
}

async fn a_query_that_fails_in_a_nested_scope_is_undone_with_it(db: Database) {
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY, async |_| {
            let inner = db.sessions.transaction(NESTED, async |part| part.sql("SELECT missing").execute().await);
            assert!(inner.await.is_err());
            accounts.add_now(&mut account(1, "ann", 10)).await?;
            let inner =
                db.sessions.transaction(NESTED, async |part| part.sql("SELECT missing").fetch_all::<(i64,)>().await);
            assert!(inner.await.is_err());
            accounts.add_now(&mut account(2, "bob", 20)).await
        })
        .await
        .unwrap();
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1), facts(2, "bob", 20, 1)]);
}
