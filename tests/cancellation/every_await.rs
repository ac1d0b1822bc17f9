//! A use case of two aggregates, dropped at each of its awaits.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use spakky::Error;
use spakky::prelude::*;

use crate::support::{
    Cancelled, Database, account, cancel_after, eventually, facts, on_each_backend, on_pgbouncer, posting,
};

on_each_backend![
    dropped_while_it_waits,
    dropped_when_its_answer_is_there,
    dropped_by_handle_while_it_waits,
    dropped_by_handle_when_its_answer_is_there,
    dropped_with_nested_scopes,
];

on_pgbouncer![dropped_while_it_waits, dropped_when_its_answer_is_there, dropped_with_nested_scopes,];

/// Runs out long before.
const MOST_POLLS: usize = 500;
/// How soon another writer gets through, as a rule: a machine that does something else for a moment proves nothing.
const LOCKS_GONE: Duration = Duration::from_millis(250);
/// How soon it gets through at all.
const HANGS: Duration = Duration::from_secs(60);

/// What runs when the transaction has ended.
#[derive(Clone, Default)]
struct Ends {
    committed: Arc<AtomicUsize>,
    rolled_back: Arc<AtomicUsize>,
}

impl Ends {
    fn listen(&self, session: &Session) {
        let count = |counter: &Arc<AtomicUsize>| {
            let counter = Arc::clone(counter);
            move || async move {
                counter.fetch_add(1, Ordering::SeqCst);
                Ok(())
            }
        };
        session.after_commit(count(&self.committed));
        session.on_rollback(count(&self.rolled_back));
    }

    fn seen(&self) -> (usize, usize) {
        (self.committed.load(Ordering::SeqCst), self.rolled_back.load(Ordering::SeqCst))
    }
}

/// Moves money from ann to bob, in several bursts.
async fn pay(db: &Database, session: &Session) -> Result<(), Error> {
    let accounts = db.account_repository().in_session(session);
    let postings = db.sessions.repository::<crate::support::Posting>().in_session(session);
    let mut ann = accounts.get(1).await?;
    ann.balance -= 10;
    accounts.save(&mut ann)?;
    postings.add_now(&mut posting(1, 1, -10)).await?;
    let mut bob = accounts.lock(2).await?;
    bob.balance += 10;
    accounts.save_now(&mut bob).await?;
    postings.add(&mut posting(2, 2, 10))
}

const BEFORE: [(i64, &str, i64, i64); 2] = [(1, "ann", 100, 1), (2, "bob", 100, 1)];
const AFTER: [(i64, &str, i64, i64); 2] = [(1, "ann", 90, 2), (2, "bob", 110, 2)];

fn expected(rows: [(i64, &str, i64, i64); 2]) -> Vec<(i64, String, i64, i64)> {
    rows.map(|(id, owner, balance, version)| facts(id, owner, balance, version)).to_vec()
}

/// Waits for every lock that somebody may hold on the accounts; answers how long that took.
async fn touch(db: &Database) -> Duration {
    let started = Instant::now();
    db.execute("UPDATE accounts SET remark = 'seen'").await;
    started.elapsed()
}

/// How long another writer took while nobody held a lock, and after each drop.
#[derive(Default)]
struct Pace {
    alone: Vec<Duration>,
    after_a_drop: Vec<Duration>,
}

impl Pace {
    /// A busy machine is slow with both, and now and then very slow with one.
    fn check(self) {
        let median = |mut times: Vec<Duration>| {
            times.sort();
            times[times.len() / 2]
        };
        let told = format!("{:?}, and while nobody held a lock {:?}", self.after_a_drop, self.alone);
        let alone = median(self.alone);
        assert!(median(self.after_a_drop) < LOCKS_GONE + 20 * alone, "the locks were there for {told}");
    }
}

/// Drops `use_case` after each number of polls until it comes to its end, and looks at what is left each time.
async fn drop_at_every_await<F>(db: &Database, when_woken: bool, use_case: impl Fn(Ends) -> F)
where
    F: Future<Output = Result<(), Error>>,
{
    db.slow_down().await;
    let mut pace = Pace::default();
    for polls in 1..MOST_POLLS {
        db.execute("DELETE FROM postings").await;
        db.execute("DELETE FROM accounts").await;
        db.store(&[account(1, "ann", 100), account(2, "bob", 100)]).await;
        let ends = Ends::default();
        pace.alone.push(touch(db).await);

        let outcome = cancel_after(polls, when_woken, use_case(ends.clone())).await;
        let waited = touch(db).await;
        assert!(waited < HANGS, "after {polls} polls the locks were there for {waited:?}");
        pace.after_a_drop.push(waited);

        db.is_at_rest().await;
        eventually("a hook has run", HANGS, async || ends.seen() != (0, 0)).await;
        let committed = ends.seen() == (1, 0);
        assert!(committed || ends.seen() == (0, 1), "after {polls} polls: {:?}", ends.seen());
        let (rows, count) = if committed { (AFTER, 2) } else { (BEFORE, 0) };
        assert_eq!(db.accounts().await, expected(rows), "after {polls} polls");
        assert_eq!(db.numbers("SELECT count(*) FROM postings").await, [count], "after {polls} polls");
        if let Cancelled::No(result) = outcome {
            result.unwrap();
            assert!(committed);
            pace.check();
            return;
        }
    }
    panic!("the use case does not end");
}

async fn by_closure(db: Database, when_woken: bool) {
    drop_at_every_await(&db, when_woken, |ends| {
        let db = db.clone();
        async move {
            db.sessions
                .transaction(TransactionOptions::new(), async |session| {
                    ends.listen(&session);
                    pay(&db, &session).await
                })
                .await
        }
    })
    .await;
}

async fn dropped_while_it_waits(db: Database) {
    by_closure(db, false).await;
}

async fn dropped_when_its_answer_is_there(db: Database) {
    by_closure(db, true).await;
}

async fn by_handle(db: Database, when_woken: bool) {
    drop_at_every_await(&db, when_woken, |ends| {
        let db = db.clone();
        async move {
            let transaction = db.sessions.begin();
            ends.listen(transaction.session());
            pay(&db, transaction.session()).await?;
            transaction.commit().await
        }
    })
    .await;
}

async fn dropped_by_handle_while_it_waits(db: Database) {
    by_handle(db, false).await;
}

async fn dropped_by_handle_when_its_answer_is_there(db: Database) {
    by_handle(db, true).await;
}

async fn dropped_with_nested_scopes(db: Database) {
    let nested = TransactionOptions::new().propagation(Propagation::Nested);
    for when_woken in [false, true] {
        drop_at_every_await(&db, when_woken, |ends| {
            let db = db.clone();
            async move {
                let accounts = db.account_repository();
                db.sessions
                    .transaction(TransactionOptions::new(), async |session| {
                        ends.listen(&session);
                        let undone = db.sessions.transaction(nested, async |_| {
                            accounts.add_now(&mut account(3, "cy", 1)).await?;
                            accounts.get(9).await.map(drop)
                        });
                        assert!(undone.await.is_err());
                        db.sessions.transaction(nested, async |part| pay(&db, &part).await).await
                    })
                    .await
            }
        })
        .await;
    }
}
