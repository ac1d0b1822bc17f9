//! What runs around the end of a transaction.

#![allow(clippy::large_futures, reason = "the futures of a test are part of no others")]

use std::sync::{Arc, Mutex};

use spakky::prelude::*;
use spakky::{Error, Propagation};

use crate::support::{Database, account, facts, on_each_backend};

on_each_backend![
    hooks_run_around_the_commit_in_their_order,
    a_before_commit_hook_works_in_the_transaction,
    a_before_commit_hook_may_register_more,
    a_before_commit_hook_that_registers_itself_is_stopped,
    an_error_before_commit_rolls_back,
    a_before_commit_hook_has_no_more_time_than_its_scope,
    before_commit_hooks_do_not_run_for_a_doomed_transaction,
    an_error_after_commit_is_reported_and_the_data_is_there,
    every_after_commit_hook_runs_even_if_one_fails,
    after_commit_hooks_find_the_connection_back_in_the_pool,
    a_read_only_scope_runs_its_hooks_too,
    hooks_of_a_nested_scope_that_failed_are_forgotten,
    rollback_hooks_run_when_the_commit_fails,
    rollback_hooks_run_when_the_scope_is_dropped,
    a_panic_after_commit_is_reported_and_the_other_hooks_run,
    a_panic_in_a_rollback_hook_leaves_the_error_and_the_other_hooks,
    a_panic_in_a_hook_of_an_undone_nested_scope_harms_nothing,
    a_panic_before_commit_rolls_back_and_goes_on,
    panics_of_hooks_in_the_background_harm_nothing,
];

/// What happened, in order.
#[derive(Debug, Clone, Default)]
struct Story(Arc<Mutex<Vec<&'static str>>>);

impl Story {
    fn tell(&self, line: &'static str) {
        self.0.lock().unwrap().push(line);
    }

    fn told(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    /// Registers a hook of each kind that tells its name.
    fn listen(&self, session: &Session, names: [&'static str; 3]) {
        let teller = |name| {
            let story = self.clone();
            move || async move {
                story.tell(name);
                Ok(())
            }
        };
        session.before_commit(teller(names[0]));
        session.after_commit(teller(names[1]));
        session.on_rollback(teller(names[2]));
    }
}

const PAY: TransactionOptions = TransactionOptions::new().name("pay");

async fn hooks_run_around_the_commit_in_their_order(db: Database) {
    let story = Story::default();
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY, async |session| {
            story.listen(&session, ["before 1", "after 1", "rollback 1"]);
            story.listen(&session, ["before 2", "after 2", "rollback 2"]);
            accounts.add(&mut account(1, "ann", 10))?;
            story.tell("body");
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    assert_eq!(story.told(), ["body", "before 1", "before 2", "after 1", "after 2"]);

    let failed = db.sessions.transaction(PAY, async |session| {
        story.listen(&session, ["before 1", "after 1", "rollback 1"]);
        story.listen(&session, ["before 2", "after 2", "rollback 2"]);
        accounts.add_now(&mut account(2, "bob", 10)).await?;
        accounts.get(3).await.map(|_| ())
    });
    assert!(failed.await.unwrap_err().is_not_found());
    assert_eq!(story.told(), ["rollback 1", "rollback 2"]);
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1)]);
}

async fn a_before_commit_hook_works_in_the_transaction(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    let transaction = db.sessions.begin_with(PAY);
    let hook = accounts.clone();
    transaction.session().before_commit(move || async move {
        let mut ann = hook.get(1).await?;
        assert_eq!(ann.balance, 11);
        ann.balance += 1;
        hook.save(&mut ann)?;
        hook.add(&mut account(2, "bob", 20))
    });
    transaction
        .run(async {
            let mut ann = accounts.get(1).await?;
            ann.balance += 1;
            accounts.save(&mut ann)
        })
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(db.accounts().await, [facts(1, "ann", 12, 2), facts(2, "bob", 20, 1)]);
}

async fn a_before_commit_hook_may_register_more(db: Database) {
    let story = Story::default();
    let (accounts, told) = (db.account_repository(), story.clone());
    db.sessions
        .transaction(PAY, async |session| {
            session.before_commit(move || async move {
                let session = Session::current()?;
                told.listen(&session, ["inner before", "inner after", "inner rollback"]);
                Ok(())
            });
            story.listen(&session, ["before", "after", "rollback"]);
            accounts.add(&mut account(1, "ann", 10))
        })
        .await
        .unwrap();
    assert_eq!(story.told(), ["before", "inner before", "after", "inner after"]);
}

async fn a_before_commit_hook_that_registers_itself_is_stopped(db: Database) {
    fn again(session: &Session) {
        session.before_commit(|| async {
            again(&Session::current()?);
            Ok(())
        });
    }
    let accounts = db.account_repository();
    let answer = db.sessions.transaction(PAY, async |session| {
        again(&session);
        accounts.add(&mut account(1, "ann", 10))
    });
    let error = answer.await.unwrap_err();
    assert!(error.is_invalid_transaction());
    assert_eq!(
        error.to_string(),
        "run the before-commit hooks: 1000 have run and there are more; does one register itself?"
    );
    assert_eq!(db.accounts().await, []);
}

async fn an_error_before_commit_rolls_back(db: Database) {
    let story = Story::default();
    let accounts = db.account_repository();
    let hook = accounts.clone();
    let answer = db.sessions.transaction(PAY, async |session| {
        accounts.add_now(&mut account(1, "ann", 10)).await?;
        session.before_commit(move || async move { hook.get(9).await.map(|_| ()) });
        story.listen(&session, ["before", "after", "rollback"]);
        Ok::<_, Error>(())
    });
    let error: spakky::Error = answer.await.unwrap_err();
    assert!(error.is_not_found());
    assert_eq!(error.ids(), ["9"]);
    assert_eq!(story.told(), ["rollback"]);
    assert_eq!(db.accounts().await, []);
}

async fn before_commit_hooks_do_not_run_for_a_doomed_transaction(db: Database) {
    let story = Story::default();
    let answer = db.sessions.transaction(PAY, async |session| {
        story.listen(&session, ["before", "after", "rollback"]);
        session.set_rollback_only("a rehearsal");
        Ok::<_, Error>(())
    });
    let error = answer.await.unwrap_err();
    assert!(error.is_rollback_only());
    assert_eq!(story.told(), ["rollback"]);
}

async fn an_error_after_commit_is_reported_and_the_data_is_there(db: Database) {
    let accounts = db.account_repository();
    let hook = accounts.clone();
    let answer = db.sessions.transaction(PAY, async |session| {
        session.after_commit(move || async move { hook.get(9).await.map(|_| ()) });
        accounts.add(&mut account(1, "ann", 10))
    });
    let error = answer.await.unwrap_err();
    assert!(error.is_post_commit());
    assert!(!error.is_retryable());
    assert_eq!(error.to_string(), "run an after-commit hook; the transaction itself is committed");
    let source = std::error::Error::source(&error).unwrap().downcast_ref::<Error>().unwrap();
    assert!(source.is_not_found());
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1)]);
}

async fn every_after_commit_hook_runs_even_if_one_fails(db: Database) {
    let story = Story::default();
    let accounts = db.account_repository();
    let hook = accounts.clone();
    let answer = db.sessions.transaction(PAY, async |session| {
        session.after_commit(move || async move { hook.get(9).await.map(|_| ()) });
        story.listen(&session, ["before", "after", "rollback"]);
        accounts.add(&mut account(1, "ann", 10))
    });
    assert!(answer.await.unwrap_err().is_post_commit());
    assert_eq!(story.told(), ["before", "after"]);
}

async fn after_commit_hooks_find_the_connection_back_in_the_pool(db: Database) {
    let sessions = db.connect(|config| config.pool_size(1)).await;
    let accounts = sessions.repository::<crate::support::AccountRow>();
    let hook = accounts.clone();
    sessions
        .transaction(PAY, async |session| {
            session.after_commit(move || async move {
                assert!(Session::current().is_err());
                hook.autocommit().add_now(&mut account(2, "bob", 20)).await
            });
            accounts.add(&mut account(1, "ann", 10))
        })
        .await
        .unwrap();
    assert_eq!(db.accounts().await.len(), 2);
}

async fn a_read_only_scope_runs_its_hooks_too(db: Database) {
    let story = Story::default();
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY.read_only(), async |session| {
            story.listen(&session, ["before", "after", "rollback"]);
            accounts.find(1).await
        })
        .await
        .unwrap();
    assert_eq!(story.told(), ["before", "after"]);
}

async fn hooks_of_a_nested_scope_that_failed_are_forgotten(db: Database) {
    let story = Story::default();
    let accounts = db.account_repository();
    let nested = PAY.propagation(Propagation::Nested).name("part");
    db.sessions
        .transaction(PAY, async |session| {
            story.listen(&session, ["before", "after", "rollback"]);
            let part = db.sessions.transaction(nested, async |part| {
                story.listen(&part, ["lost before", "lost after", "part rollback"]);
                accounts.add_now(&mut account(1, "ann", 10)).await?;
                accounts.get(9).await.map(|_| ())
            });
            assert!(part.await.unwrap_err().is_not_found());
            assert_eq!(story.told(), ["part rollback"]);
            let part = db.sessions.transaction(nested, async |part| {
                story.listen(&part, ["kept before", "kept after", "kept rollback"]);
                Ok::<_, Error>(())
            });
            part.await
        })
        .await
        .unwrap();
    assert_eq!(story.told(), ["before", "kept before", "after", "kept after"]);
}

async fn rollback_hooks_run_when_the_commit_fails(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let story = Story::default();
    let accounts = db.account_repository();
    let answer = db.sessions.transaction(PAY, async |session| {
        story.listen(&session, ["before", "after", "rollback"]);
        accounts.add(&mut account(2, "ann", 20))
    });
    assert!(answer.await.unwrap_err().is_unique_violation());
    assert_eq!(story.told(), ["before", "rollback"]);
}

async fn a_before_commit_hook_has_no_more_time_than_its_scope(db: Database) {
    let story = Story::default();
    let accounts = db.account_repository();
    let limited = PAY.timeout(std::time::Duration::from_millis(50));
    let answer = db.sessions.transaction(limited, async |session| {
        story.listen(&session, ["before", "after", "rollback"]);
        session.before_commit(std::future::pending::<Result<(), Error>>);
        accounts.add_now(&mut account(1, "ann", 10)).await
    });
    let error = answer.await.unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
    assert_eq!(error.to_string(), "finish `pay` within 50ms");
    assert_eq!(story.told(), ["before", "rollback"]);
    assert_eq!(db.accounts().await, []);
    db.is_at_rest().await;
}

async fn rollback_hooks_run_when_the_scope_is_dropped(db: Database) {
    let story = Story::default();
    let accounts = db.account_repository();
    let scope = db.sessions.transaction(PAY, async |session| {
        story.listen(&session, ["before", "after", "rollback"]);
        accounts.add_now(&mut account(1, "ann", 10)).await?;
        std::future::pending::<Result<(), Error>>().await
    });
    assert!(tokio::time::timeout(std::time::Duration::from_millis(50), scope).await.is_err());
    db.is_at_rest().await;
    let limit = std::time::Duration::from_secs(1);
    crate::support::eventually("the hook ran", limit, async || !story.0.lock().unwrap().is_empty()).await;
    assert_eq!(story.told(), ["rollback"]);
}

/// Hooks that panic when they are called, and when they are awaited.
fn panics(when_called: bool) -> impl Future<Output = Result<(), Error>> + Send + 'static {
    assert!(!when_called, "a hook panics when it is called");
    async { panic!("a hook panics when it is awaited") }
}

async fn a_panic_after_commit_is_reported_and_the_other_hooks_run(db: Database) {
    let story = Story::default();
    let accounts = db.account_repository();
    for (id, when_called) in [(1, true), (2, false)] {
        for reads in [true, false] {
            let answer = db.sessions.transaction(PAY, async |session| {
                session.after_commit(move || panics(when_called));
                story.listen(&session, ["before", "after", "rollback"]);
                session.sql("SELECT 1").fetch_one::<(i32,)>().await?;
                if reads { Ok(()) } else { accounts.add(&mut account(id, &format!("owner {id}"), 10)) }
            });
            let error = answer.await.unwrap_err();
            assert!(error.is_post_commit());
            assert_eq!(error.to_string(), "run an after-commit hook; the transaction itself is committed");
            assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "run a hook: it panicked");
            assert_eq!(story.told(), ["before", "after"]);
            db.is_at_rest().await;
        }
    }
    assert_eq!(db.accounts().await.len(), 2);
}

async fn a_panic_in_a_rollback_hook_leaves_the_error_and_the_other_hooks(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let story = Story::default();
    let accounts = db.account_repository();
    for when_called in [true, false] {
        // The body fails, then COMMIT does.
        for body_fails in [true, false] {
            let answer = db.sessions.transaction(PAY, async |session| {
                session.on_rollback(move || panics(when_called));
                story.listen(&session, ["before", "after", "rollback"]);
                if body_fails {
                    accounts.add_now(&mut account(2, "bob", 20)).await?;
                    return accounts.get(9).await.map(drop);
                }
                accounts.add(&mut account(2, "ann", 20))
            });
            let error = answer.await.unwrap_err();
            assert!(if body_fails { error.is_not_found() } else { error.is_unique_violation() }, "{error:?}");
            assert_eq!(story.told().last(), Some(&"rollback"));
            db.is_at_rest().await;
        }
    }
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1)]);
}

async fn a_panic_in_a_hook_of_an_undone_nested_scope_harms_nothing(db: Database) {
    let story = Story::default();
    let accounts = db.account_repository();
    let nested = PAY.propagation(Propagation::Nested).name("part");
    db.sessions
        .transaction(PAY, async |_| {
            let part = db.sessions.transaction(nested, async |part| {
                part.on_rollback(|| panics(true));
                story.listen(&part, ["before", "after", "part rollback"]);
                accounts.add_now(&mut account(1, "ann", 10)).await?;
                accounts.get(9).await.map(drop)
            });
            assert!(part.await.unwrap_err().is_not_found());
            accounts.add(&mut account(2, "bob", 20))
        })
        .await
        .unwrap();
    assert_eq!(story.told(), ["part rollback"]);
    assert_eq!(db.accounts().await, [facts(2, "bob", 20, 1)]);
}

/// As a panic of the body does.
async fn a_panic_before_commit_rolls_back_and_goes_on(db: Database) {
    let story = Story::default();
    for when_called in [true, false] {
        let (sessions, told) = (db.sessions.clone(), story.clone());
        let unit = tokio::spawn(async move {
            let accounts = sessions.repository::<crate::support::AccountRow>();
            sessions
                .transaction(PAY, async |session| {
                    session.before_commit(move || panics(when_called));
                    told.listen(&session, ["before", "after", "rollback"]);
                    accounts.add_now(&mut account(1, "ann", 10)).await
                })
                .await
        });
        assert!(unit.await.unwrap_err().is_panic());
        let limit = std::time::Duration::from_secs(1);
        crate::support::eventually("the hook ran", limit, async || !story.0.lock().unwrap().is_empty()).await;
        assert_eq!(story.told(), ["rollback"]);
        db.is_at_rest().await;
    }
    assert_eq!(db.accounts().await, []);
}

async fn panics_of_hooks_in_the_background_harm_nothing(db: Database) {
    let story = Story::default();
    let limit = std::time::Duration::from_secs(1);
    let has_run =
        async || crate::support::eventually("the hook ran", limit, async || !story.0.lock().unwrap().is_empty()).await;
    // Dropped while it runs, and while it commits.
    let scope = db.sessions.transaction(PAY, async |session| {
        session.on_rollback(|| panics(true));
        story.listen(&session, ["before", "after", "rollback"]);
        std::future::pending::<Result<(), Error>>().await
    });
    let _ = crate::support::cancel_after(1, false, scope).await;
    has_run().await;
    assert_eq!(story.told(), ["rollback"]);
    let transaction = db.sessions.begin_with(PAY);
    transaction.session().after_commit(|| panics(false));
    story.listen(transaction.session(), ["before", "after", "rollback"]);
    let accounts = db.account_repository().in_session(transaction.session());
    accounts.add_now(&mut account(1, "ann", 10)).await.unwrap();
    story.told();
    let _ = crate::support::cancel_after(1, false, transaction.commit()).await;
    crate::support::eventually("the hook ran", limit, async || story.0.lock().unwrap().contains(&"after")).await;
    db.is_at_rest().await;
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1)]);
}
