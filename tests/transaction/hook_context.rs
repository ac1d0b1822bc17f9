//! In which context hooks and listeners run, and retries: in that of the session, whoever ends it, and where.

#![allow(clippy::large_futures, reason = "the futures of a test are part of no others")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use spakky::Error;
use spakky::prelude::*;

use crate::support::{Cancelled, Database, account, cancel_after, eventually, on_each_backend};

on_each_backend![
    hooks_run_in_the_context_of_the_session_wherever_it_ends,
    hooks_run_in_the_context_of_a_caller_that_went_away,
    hooks_of_nested_scopes_run_in_the_context_of_the_session,
    listeners_are_called_in_the_context_of_the_writer,
    a_retry_runs_in_the_context_of_the_first_attempt,
];

/// Who was heard of, by what was said.
#[derive(Debug, Clone, Default)]
struct Heard(Arc<Mutex<Vec<Told>>>);

/// What was said, and the tenant who was heard of then.
type Told = (&'static str, Option<String>);

impl Heard {
    fn note(&self, what: &'static str) {
        self.0.lock().unwrap().push((what, RequestContext::current().get_tenant().map(str::to_owned)));
    }

    /// Registers a hook of each kind, which looks when it is called and when it is awaited.
    fn listen(&self, session: &Session) {
        let hook = |what: &'static str| {
            let heard = self.clone();
            move || {
                heard.note(what);
                async move {
                    tokio::task::yield_now().await;
                    heard.note(what);
                    Ok(())
                }
            }
        };
        session.before_commit(hook("before"));
        session.after_commit(hook("after"));
        session.on_rollback(hook("rollback"));
    }

    fn take(&self) -> Vec<Told> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    async fn eventually(&self, count: usize) {
        eventually("the hooks ran", Duration::from_secs(60), async || self.0.lock().unwrap().len() >= count).await;
    }
}

fn of(tenant: &str) -> RequestContext {
    RequestContext::new().tenant(tenant)
}

/// Each of these, twice, in the context of `acme`.
fn all(whats: &[&'static str]) -> Vec<Told> {
    whats.iter().flat_map(|what| [*what, *what]).map(|what| (what, Some("acme".to_owned()))).collect()
}

async fn hooks_run_in_the_context_of_the_session_wherever_it_ends(db: Database) {
    let heard = Heard::default();
    for (id, writes) in [(1, true), (2, false)] {
        let open = || {
            let transaction = of("acme").scope(async { db.sessions.begin() });
            let (db, heard) = (db.clone(), heard.clone());
            async move {
                let transaction = transaction.await;
                heard.listen(transaction.session());
                let accounts = db.account_repository().in_session(transaction.session());
                accounts.find(9).await.unwrap();
                if writes {
                    accounts.add(&mut account(id, "ann", 10)).unwrap();
                }
                transaction
            }
        };
        of("globex").scope(open().await.commit()).await.unwrap();
        assert_eq!(heard.take(), all(&["before", "after"]));
        of("globex").scope(open().await.rollback()).await;
        assert_eq!(heard.take(), all(&["rollback"]));
        let left = open().await;
        of("globex").scope(async move { drop(left) }).await;
        heard.eventually(2).await;
        assert_eq!(heard.take(), all(&["rollback"]));
        // In another task, which has none.
        let transaction = open().await;
        tokio::spawn(async move { drop(transaction) }).await.unwrap();
        heard.eventually(2).await;
        assert_eq!(heard.take(), all(&["rollback"]));
        db.is_at_rest().await;
    }
}

async fn hooks_run_in_the_context_of_a_caller_that_went_away(db: Database) {
    db.slow_down().await;
    let heard = Heard::default();
    let mut kinds = [false, false];
    for polls in 1..100 {
        db.execute("DELETE FROM accounts").await;
        let accounts = db.account_repository();
        let unit = of("acme").scope(db.sessions.transaction(TransactionOptions::new(), async |session| {
            heard.listen(&session);
            accounts.add_now(&mut account(1, "ann", 10)).await?;
            accounts.add(&mut account(2, "bob", 10))
        }));
        let outcome = of("globex").scope(cancel_after(polls, false, unit)).await;
        db.is_at_rest().await;
        let done = matches!(outcome, Cancelled::No(_));
        heard.eventually(2).await;
        eventually("the last hook ran", Duration::from_secs(60), async || {
            heard.0.lock().unwrap().iter().filter(|(what, _)| *what != "before").count() == 2
        })
        .await;
        let told = heard.take();
        assert!(told.iter().all(|(_, tenant)| tenant.as_deref() == Some("acme")), "after {polls} polls: {told:?}");
        kinds[usize::from(told.last().is_some_and(|(what, _)| *what == "after"))] = true;
        if done {
            break;
        }
    }
    assert_eq!(kinds, [true, true]);
}

async fn hooks_of_nested_scopes_run_in_the_context_of_the_session(db: Database) {
    let heard = Heard::default();
    let nested = TransactionOptions::new().propagation(Propagation::Nested);
    let accounts = db.account_repository();
    of("acme")
        .scope(db.sessions.transaction(TransactionOptions::new(), async |_| {
            let part = db.sessions.transaction(nested, async |part| {
                heard.listen(&part);
                accounts.add_now(&mut account(1, "ann", 10)).await?;
                Err::<(), _>(Error::other("planned"))
            });
            assert!(of("globex").scope(part).await.unwrap_err().is_custom());
            assert_eq!(heard.take(), all(&["rollback"]));
            let part = db.sessions.transaction(nested, async |part| {
                heard.listen(&part);
                std::future::pending::<Result<(), Error>>().await
            });
            assert!(matches!(of("globex").scope(cancel_after(1, false, part)).await, Cancelled::Yes));
            heard.eventually(2).await;
            assert_eq!(heard.take(), all(&["rollback"]));
            Ok::<_, Error>(())
        }))
        .await
        .unwrap();
}

async fn listeners_are_called_in_the_context_of_the_writer(db: Database) {
    let heard = Heard::default();
    let listener = heard.clone();
    db.sessions.on_mutation(move |_| listener.note("told"));
    let accounts = db.account_repository();
    let expected = [("told", Some("acme".to_owned()))];
    let transaction = of("acme").scope(async { db.sessions.begin() }).await;
    accounts.in_session(transaction.session()).add(&mut account(1, "ann", 10)).unwrap();
    of("globex").scope(transaction.commit()).await.unwrap();
    assert_eq!(heard.take(), expected);
    let columns = crate::support::AccountRow::COLUMNS;
    let autocommit = accounts.autocommit();
    of("acme").scope(autocommit.update_where(columns.id.eq(1), columns.balance.set(7))).await.unwrap();
    assert_eq!(heard.take(), expected);
}

/// Its future is awaited elsewhere behind its first attempt.
async fn a_retry_runs_in_the_context_of_the_first_attempt(db: Database) {
    let heard = Heard::default();
    let attempts = AtomicU32::new(0);
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    let options = TransactionOptions::new().retry(RetryPolicy::new(3).on(RetryOn::Conflict));
    let (fail, failing) = tokio::sync::oneshot::channel::<()>();
    let failing = Mutex::new(Some(failing));
    let mut unit = Box::pin(db.sessions.transaction_with_retry(options, async |session| {
        let failing = failing.lock().unwrap().take();
        if let Some(failing) = failing {
            attempts.fetch_add(1, Ordering::SeqCst);
            let _ = failing.await;
            // The row is at version 1.
            return accounts.save_if_now(&mut account(1, "ann", 11), 7).await;
        }
        heard.note("again");
        assert_eq!(session.context().get_tenant(), Some("acme"));
        Ok::<_, Error>(())
    }));
    of("acme")
        .scope(async {
            let once = std::future::poll_fn(|context| Poll::Ready(unit.as_mut().poll(context)));
            assert!(once.await.is_pending());
        })
        .await;
    fail.send(()).unwrap();
    of("globex").scope(unit).await.unwrap();
    assert_eq!(heard.take(), [("again", Some("acme".to_owned()))]);
    assert_eq!(attempts.load(Ordering::SeqCst), 1);
}
