//! Transactions around a closure.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use spakky::prelude::*;
use spakky::{Error, Propagation};

use crate::support::{Database, account, facts, on_each_backend};

on_each_backend![
    ok_commits,
    an_error_rolls_back_and_comes_back_unchanged,
    a_panic_rolls_back_and_goes_on,
    a_failed_commit_is_the_callers_error,
    a_timeout_rolls_back,
    a_scope_without_a_session_is_refused_before_its_body_runs,
    a_body_that_cannot_run_again_is_not_retried,
    a_transaction_runs_in_a_spawned_task,
    current_gives_the_session_of_the_scope,
    a_spawned_task_has_no_part_in_the_scope,
    a_session_may_be_passed_to_a_spawned_task_on_purpose,
    two_databases_do_not_get_in_each_others_way,
];

/// The user's own error.
#[derive(Debug, PartialEq)]
enum Refused {
    Poor(i64),
    Database(spakky::ErrorKind, String),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Refused::Database(error.kind(), error.to_string())
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

const PAY: TransactionOptions = TransactionOptions::new().name("pay");

async fn ok_commits(db: Database) {
    let accounts = db.account_repository();
    let answer = db
        .sessions
        .transaction(PAY, async |_| {
            accounts.add(&mut account(1, "ann", 10))?;
            accounts.add_now(&mut account(2, "bob", 20)).await?;
            Ok::<_, Error>(42)
        })
        .await;
    assert_eq!(answer.unwrap(), 42);
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1), facts(2, "bob", 20, 1)]);
}

async fn an_error_rolls_back_and_comes_back_unchanged(db: Database) {
    let accounts = db.account_repository();
    let answer = db
        .sessions
        .transaction(PAY, async |_| {
            accounts.add_now(&mut account(1, "ann", 10)).await?;
            Err::<(), _>(Refused::Poor(7))
        })
        .await;
    assert_eq!(answer, Err(Refused::Poor(7)));
    assert_eq!(db.sessions.status().in_use, 0);
    assert_eq!(db.accounts().await, []);
}

async fn a_panic_rolls_back_and_goes_on(db: Database) {
    let accounts = db.account_repository();
    let scope = db.sessions.transaction(PAY, async |_| {
        accounts.add_now(&mut account(1, "ann", 10)).await?;
        if accounts.get(1).await?.balance == 10 {
            std::panic::panic_any("as it was thrown");
        }
        Ok::<_, Error>(())
    });
    let panic = AssertUnwindSafe(scope).catch_unwind().await.unwrap_err();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"as it was thrown"));
    db.is_at_rest().await;
    assert_eq!(db.accounts().await, []);
}

async fn a_failed_commit_is_the_callers_error(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    let answer = db.sessions.transaction(PAY, async |_| {
        accounts.add(&mut account(2, "ann", 20))?;
        Ok::<_, Error>(())
    });
    let line = line!() - 3;
    let error = answer.await.unwrap_err();
    assert!(error.is_unique_violation());
    assert_eq!(error.table(), Some("accounts"));
    assert_eq!(error.constraint(), Some("uq_accounts_owner"));
    assert_eq!(
        error.to_string(),
        format!(
            "write a value on `accounts` that is taken: unique constraint `uq_accounts_owner` (queued at {}:{line})",
            file!()
        )
    );
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1)]);
}

async fn a_timeout_rolls_back(db: Database) {
    let accounts = db.account_repository();
    let limit = PAY.timeout(Duration::from_millis(50));
    let answer = db.sessions.transaction(limit, async |_| {
        accounts.add_now(&mut account(1, "ann", 10)).await?;
        std::future::pending::<()>().await;
        Ok::<_, Error>(())
    });
    let error = answer.await.unwrap_err();
    assert!(error.is_timeout());
    assert_eq!(error.to_string(), "finish `pay` within 50ms");
    assert_eq!(db.sessions.status().in_use, 0);
    assert_eq!(db.accounts().await, []);
}

async fn a_scope_without_a_session_is_refused_before_its_body_runs(db: Database) {
    for propagation in [Propagation::Supports, Propagation::Never, Propagation::NotSupported] {
        let options = PAY.propagation(propagation);
        let mut ran = false;
        let answer = db.sessions.transaction(options, async |_| {
            ran = true;
            Ok::<_, Error>(())
        });
        let error = answer.await.unwrap_err();
        assert!(error.is_invalid_transaction(), "{error:?}");
        assert!(error.to_string().starts_with("give the body of `pay` a session: "), "{error}");
        assert!(!ran);
    }
    let answer = db.sessions.transaction(PAY.propagation(Propagation::Mandatory), async |_| Ok::<_, Error>(()));
    let error = answer.await.unwrap_err();
    assert!(error.is_no_session());
    assert_eq!(error.to_string(), "run `pay`: it is `mandatory` and there is no transaction to join");
}

async fn a_body_that_cannot_run_again_is_not_retried(db: Database) {
    let retry = spakky::RetryPolicy { attempts: 3, backoff: Duration::from_millis(1), on: spakky::RetryOn::Transient };
    let answer = db.sessions.transaction(PAY.retry(retry), async |_| Ok::<_, Error>(()));
    let error = answer.await.unwrap_err();
    assert!(error.is_invalid_transaction());
    assert_eq!(error.to_string(), "retry a body that can run only once; use `transaction_with_retry`");
}

async fn a_transaction_runs_in_a_spawned_task(db: Database) {
    let (sessions, accounts) = (db.sessions.clone(), db.account_repository());
    let task =
        tokio::spawn(
            async move { sessions.transaction(PAY, async |_| accounts.add(&mut account(1, "ann", 10))).await },
        );
    task.await.unwrap().unwrap();
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1)]);
}

async fn current_gives_the_session_of_the_scope(db: Database) {
    assert!(Session::current().unwrap_err().is_no_session());
    assert!(db.sessions.current().unwrap_err().is_no_session());
    let answer = db.sessions.transaction(PAY, async |session| {
        assert_eq!(Session::current()?.name(), "pay");
        assert_eq!(db.sessions.session()?.name(), session.name());
        Ok::<_, Error>(())
    });
    answer.await.unwrap();
    assert!(Session::current().unwrap_err().is_no_session());
}

async fn a_spawned_task_has_no_part_in_the_scope(db: Database) {
    let answer = db.sessions.transaction(PAY, async |_| {
        let accounts = db.account_repository();
        let spawned = tokio::spawn(async move { accounts.add(&mut account(1, "ann", 10)) }).await.unwrap();
        assert_eq!(
            spawned.unwrap_err().to_string(),
            "write to `accounts` outside a scope: mark the method `#[transactional]`, use `sessions.transaction(..)`, \
             or make each call a transaction of its own with the `_now` methods of `Repository::autocommit()`"
        );
        Ok::<_, Error>(())
    });
    answer.await.unwrap();
}

async fn a_session_may_be_passed_to_a_spawned_task_on_purpose(db: Database) {
    let answer = db.sessions.transaction(PAY, async |session| {
        let tasks: Vec<_> = (1..=8)
            .map(|id| {
                let accounts = db.account_repository().in_session(&session);
                tokio::spawn(async move { accounts.add_now(&mut account(id, &format!("owner {id}"), id)).await })
            })
            .collect();
        for task in tasks {
            task.await.unwrap()?;
        }
        Ok::<_, Error>(())
    });
    answer.await.unwrap();
    assert_eq!(db.accounts().await.len(), 8);
}

async fn two_databases_do_not_get_in_each_others_way(db: Database) {
    let other = db.connect(|config| config).await;
    let (accounts, others) = (db.account_repository(), other.repository::<crate::support::AccountRow>());
    let answer = db.sessions.transaction(PAY, async |_| {
        assert!(others.add(&mut account(2, "bob", 20)).unwrap_err().is_no_session());
        other
            .transaction(TransactionOptions::new().name("other"), async |session| {
                assert_eq!(session.name(), "other");
                assert_eq!(db.sessions.current()?.name(), "pay");
                accounts.add(&mut account(1, "ann", 10))?;
                others.add(&mut account(2, "bob", 20))
            })
            .await?;
        Err::<(), Error>(others.add(&mut account(3, "cy", 20)).unwrap_err())
    });
    assert!(answer.await.unwrap_err().is_no_session());
    assert_eq!(db.accounts().await, [facts(2, "bob", 20, 1)]);
}
