//! What a nested scope that is cut off does to the one around it, and calls that are given up inside a scope that goes on.

#![allow(clippy::large_futures, reason = "the futures of a test are part of no others")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use spakky::Error;
use spakky::prelude::*;

use crate::support::{AccountRow, Cancelled, Database, account, cancel_after, facts, on_each_backend, on_postgres};

on_each_backend![
    the_outer_scope_goes_on_wherever_a_nested_one_is_dropped,
    what_the_outer_scope_had_queued_is_kept_when_a_nested_one_is_cut_off,
    what_the_outer_scope_had_queued_fails_the_outer_scope_alone,
    what_a_nested_scope_carried_alone_is_not_stopped_with_it,
    an_endless_read_of_a_nested_scope_is_stopped,
    an_endless_read_is_stopped_for_the_next_call,
    an_endless_read_is_stopped_for_the_commit,
    an_endless_read_of_a_nested_scope_that_goes_on_is_stopped,
    an_endless_read_of_the_outer_scope_is_stopped_for_a_nested_one,
    a_call_that_catches_up_may_be_given_up_too,
    a_begin_that_was_given_up_is_made_good,
    listeners_hear_of_the_outer_scopes_writes_alone,
];
/// What can be seen in a server alone.
mod server {
    use super::*;

    on_postgres![
        a_read_behind_a_write_is_waited_for_and_harms_nothing,
        what_plain_sql_did_is_not_undone_to_stop_a_read,
        a_lock_that_was_taken_is_kept_when_a_read_is_given_up,
    ];
}

const OUTER: TransactionOptions = TransactionOptions::new().name("outer");
const NESTED: TransactionOptions = TransactionOptions::new().name("part").propagation(Propagation::Nested);
/// No call takes this long, and what is never stopped takes longer.
const HANGS: Duration = Duration::from_secs(60);

/// Runs for minutes.
fn endless(db: &Database) -> &'static str {
    if db.is_sqlite() {
        "WITH RECURSIVE n(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"
    } else {
        "SELECT 1::int8 FROM pg_sleep(600)"
    }
}

/// The same as a text that begins with `SELECT`.
fn endless_select(db: &Database) -> &'static str {
    if db.is_sqlite() {
        "SELECT max(x) FROM (WITH RECURSIVE n(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n) SELECT x FROM n)"
    } else {
        endless(db)
    }
}

async fn give_up<F: Future>(call: F) {
    assert!(matches!(cancel_after(1, false, call).await, Cancelled::Yes), "the call was answered at once");
}

/// The outer scope has queued, flushed or done nothing; the nested one reads, writes and flushes; dropped at each await.
async fn the_outer_scope_goes_on_wherever_a_nested_one_is_dropped(db: Database) {
    db.slow_down().await;
    let accounts = db.account_repository();
    for outer in ["idle", "queued", "flushed"] {
        for when_woken in [false, true] {
            let mut ended = false;
            for polls in 1..300 {
                db.execute("DELETE FROM accounts").await;
                db.store(&[account(1, "ann", 10)]).await;
                let case = format!("{outer}, after {polls} polls, when woken: {when_woken}");
                let mut kept = false;
                let unit = db.sessions.transaction(OUTER, async |session| {
                    if outer != "idle" {
                        accounts.add(&mut account(2, "bob", 20))?;
                    }
                    if outer == "flushed" {
                        session.flush().await?;
                    }
                    let part = db.sessions.transaction(NESTED, async |part| {
                        let mut ann = accounts.get(1).await?;
                        ann.balance += 1;
                        accounts.save(&mut ann)?;
                        part.flush().await?;
                        accounts.query().all().await?;
                        accounts.add(&mut account(3, "cy", 30))
                    });
                    match cancel_after(polls, when_woken, part).await {
                        Cancelled::Yes => {}
                        Cancelled::No(result) => {
                            result?;
                            kept = true;
                        }
                    }
                    assert!(!session.is_rollback_only());
                    accounts.find(1).await?;
                    accounts.add(&mut account(4, "di", 40))
                });
                unit.await.unwrap_or_else(|error| panic!("{case}: {error:?}"));
                let mut expected = vec![facts(1, "ann", if kept { 11 } else { 10 }, if kept { 2 } else { 1 })];
                expected.extend((outer != "idle").then(|| facts(2, "bob", 20, 1)));
                expected.extend(kept.then(|| facts(3, "cy", 30, 1)));
                expected.push(facts(4, "di", 40, 1));
                assert_eq!(db.accounts().await, expected, "{case}");
                db.is_at_rest().await;
                if kept {
                    ended = true;
                    break;
                }
            }
            assert!(ended, "{outer}: the nested scope does not end");
        }
    }
}

async fn what_the_outer_scope_had_queued_is_kept_when_a_nested_one_is_cut_off(db: Database) {
    let accounts = db.account_repository();
    for timed in [true, false] {
        let started = Instant::now();
        db.execute("DELETE FROM accounts").await;
        db.sessions
            .transaction(OUTER, async |session| {
                accounts.add(&mut account(1, "ann", 10))?;
                let limit = Duration::from_millis(50);
                let options = if timed { NESTED.timeout(limit) } else { NESTED };
                let part =
                    db.sessions.transaction(options, async |part| part.sql(endless(&db)).fetch_all::<(i64,)>().await);
                let outer = if timed { 2 * HANGS } else { limit };
                match tokio::time::timeout(outer, part).await {
                    Ok(result) => assert!(result.unwrap_err().is_timeout()),
                    Err(_) => assert!(!timed),
                }
                assert!(!session.is_rollback_only());
                // It is known as stored.
                let mut ann = accounts.get(1).await?;
                ann.balance = 11;
                accounts.save(&mut ann)
            })
            .await
            .unwrap();
        assert!(started.elapsed() < HANGS, "{:?}", started.elapsed());
        assert_eq!(db.accounts().await, [facts(1, "ann", 11, 2)]);
    }
}

/// A loan sends what the scopes around it had queued, and nothing of its own.
async fn what_a_nested_scope_carried_alone_is_not_stopped_with_it(db: Database) {
    db.slow_down().await;
    let accounts = db.account_repository();
    for polls in 1..6 {
        db.execute("DELETE FROM accounts").await;
        // Has the write of the outer scope wait longer than anybody waits before what was given up is stopped.
        let other = db.observer().begin();
        let blocks = "INSERT INTO accounts (id, owner, balance, version) VALUES (7, 'ann', 1, 1)";
        let waits = !db.is_sqlite();
        if waits {
            other.session().sql(blocks).execute().await.unwrap();
        }
        db.sessions
            .transaction(OUTER, async |session| {
                accounts.add(&mut account(1, "ann", 10))?;
                let part = db.sessions.transaction(NESTED, async |part| {
                    if waits {
                        drop(part.postgres().await?);
                    } else {
                        part.sqlite(|_| Ok(())).await?;
                    }
                    // Polled for ever, so that it is given up however few polls came before.
                    std::future::poll_fn(|context| {
                        context.waker().wake_by_ref();
                        std::task::Poll::<Result<(), Error>>::Pending
                    })
                    .await
                });
                // It is given up behind so many polls, or when nothing wakes it any more.
                let _ = tokio::time::timeout(Duration::from_millis(150), cancel_after(polls, false, part)).await;
                assert!(!session.is_rollback_only());
                // As long as the lock is held, whoever comes next waits with the write, and does not have it stopped.
                let _ = tokio::time::timeout(Duration::from_millis(150), accounts.find(9)).await;
                other.rollback().await;
                accounts.find(9).await.map(drop)
            })
            .await
            .unwrap();
        assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1)], "after {polls} polls");
    }
}

/// What came of it is known, although the nested scope that carried it is gone.
async fn what_the_outer_scope_had_queued_fails_the_outer_scope_alone(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    let unit = db.sessions.transaction(OUTER, async |_| {
        accounts.add(&mut account(2, "ann", 10))?;
        let part = db.sessions.transaction(NESTED, async |part| part.sql(endless(&db)).fetch_all::<(i64,)>().await);
        let _ = cancel_after(1, false, part).await;
        let error = accounts.find(1).await.map(drop).unwrap_err();
        assert!(error.is_rollback_only());
        Ok::<_, Error>(())
    });
    let error = unit.await.unwrap_err();
    assert!(error.is_rollback_only());
    assert!(error.to_string().contains("a statement in `outer` failed: write a value"), "{error}");
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1)]);
}

async fn an_endless_read_of_a_nested_scope_is_stopped(db: Database) {
    let accounts = db.account_repository();
    for flushed in [false, true] {
        db.execute("DELETE FROM accounts").await;
        let started = Instant::now();
        db.sessions
            .transaction(OUTER, async |session| {
                accounts.add(&mut account(1, "ann", 10))?;
                if flushed {
                    session.flush().await?;
                }
                give_up(
                    db.sessions.transaction(NESTED, async |part| part.sql(endless(&db)).fetch_all::<(i64,)>().await),
                )
                .await;
                Ok::<_, Error>(())
            })
            .await
            .unwrap();
        assert!(started.elapsed() < HANGS, "{:?}", started.elapsed());
        assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1)]);
    }
}

/// On PostgreSQL as long as the scope has only read.
async fn an_endless_read_is_stopped_for_the_next_call(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    let started = Instant::now();
    db.sessions
        .transaction(OUTER, async |session| {
            if db.is_sqlite() {
                accounts.add_now(&mut account(2, "bob", 20)).await?;
            }
            let mut ann = accounts.get(1).await?;
            for _ in 0..2 {
                give_up(session.sql(endless_select(&db)).fetch_all::<(i64,)>()).await;
                assert_eq!(accounts.query().filter(AccountRow::COLUMNS.id.eq(1)).count().await?, 1);
                assert!(!session.is_rollback_only());
            }
            ann.balance = 11;
            accounts.save(&mut ann)
        })
        .await
        .unwrap();
    assert!(started.elapsed() < HANGS, "{:?}", started.elapsed());
    assert_eq!(db.accounts().await[0], facts(1, "ann", 11, 2));
    assert_eq!(db.accounts().await.len(), if db.is_sqlite() { 2 } else { 1 });
}

async fn an_endless_read_is_stopped_for_the_commit(db: Database) {
    let accounts = db.account_repository();
    let started = Instant::now();
    db.sessions
        .transaction(OUTER, async |session| {
            give_up(session.sql(endless_select(&db)).fetch_all::<(i64,)>()).await;
            accounts.add(&mut account(1, "ann", 10))
        })
        .await
        .unwrap();
    assert!(started.elapsed() < HANGS, "{:?}", started.elapsed());
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1)]);
}

async fn an_endless_read_of_a_nested_scope_that_goes_on_is_stopped(db: Database) {
    let accounts = db.account_repository();
    let started = Instant::now();
    db.sessions
        .transaction(OUTER, async |_| {
            accounts.add(&mut account(1, "ann", 10))?;
            db.sessions
                .transaction(NESTED, async |part| {
                    give_up(part.sql(endless_select(&db)).fetch_all::<(i64,)>()).await;
                    assert_eq!(accounts.query().count().await?, 1);
                    give_up(part.sql(endless_select(&db)).fetch_all::<(i64,)>()).await;
                    accounts.add(&mut account(2, "bob", 20))
                })
                .await?;
            accounts.add(&mut account(3, "cy", 30))
        })
        .await
        .unwrap();
    assert!(started.elapsed() < HANGS, "{:?}", started.elapsed());
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1), facts(2, "bob", 20, 1), facts(3, "cy", 30, 1)]);
}

async fn an_endless_read_of_the_outer_scope_is_stopped_for_a_nested_one(db: Database) {
    let accounts = db.account_repository();
    let started = Instant::now();
    db.sessions
        .transaction(OUTER, async |session| {
            accounts.find(1).await?;
            give_up(session.sql(endless_select(&db)).fetch_all::<(i64,)>()).await;
            let part = db.sessions.transaction(NESTED, async |_| accounts.add_now(&mut account(1, "ann", 10)).await);
            part.await?;
            accounts.add(&mut account(2, "bob", 20))
        })
        .await
        .unwrap();
    assert!(started.elapsed() < HANGS, "{:?}", started.elapsed());
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1), facts(2, "bob", 20, 1)]);
}

/// What follows is in the transaction, whatever became of the one that was to begin anew.
async fn a_call_that_catches_up_may_be_given_up_too(db: Database) {
    let accounts = db.account_repository();
    for when_woken in [false, true] {
        let mut ended = false;
        for polls in 1..50 {
            for commits in [false, true] {
                let unit = db.sessions.transaction(OUTER, async |session| {
                    accounts.find(1).await?;
                    give_up(session.sql(endless_select(&db)).fetch_all::<(i64,)>()).await;
                    ended |= matches!(cancel_after(polls, when_woken, accounts.find(2)).await, Cancelled::No(_));
                    accounts.add_now(&mut account(3, "cy", 30)).await?;
                    if commits { Ok(()) } else { Err(Error::other("planned")) }
                });
                let outcome = unit.await;
                assert_eq!(outcome.is_ok(), commits, "after {polls} polls: {outcome:?}");
                let expected: &[i64] = if commits { &[3] } else { &[] };
                assert_eq!(db.numbers("SELECT id FROM accounts").await, expected, "after {polls} polls");
                db.execute("DELETE FROM accounts").await;
            }
            if ended {
                break;
            }
        }
        assert!(ended, "the call does not end");
    }
}

/// A scope whose first read was given up while it waited to begin: what follows is in a transaction all the same.
async fn a_begin_that_was_given_up_is_made_good(db: Database) {
    let accounts = db.account_repository();
    // Has SQLite wait for its one writer at the first read.
    let options = if db.is_sqlite() { OUTER.isolation(Isolation::Serializable) } else { OUTER };
    let other = db.observer().begin();
    other.session().sql("UPDATE accounts SET balance = 1").execute().await.unwrap();
    let unit = db.sessions.transaction(options, async |_| {
        let _ = cancel_after(1, false, accounts.find(1)).await;
        other.rollback().await;
        accounts.add_now(&mut account(1, "ann", 10)).await?;
        Err::<(), _>(Error::other("planned"))
    });
    assert!(unit.await.unwrap_err().is_custom());
    assert_eq!(db.accounts().await, []);
}

async fn listeners_hear_of_the_outer_scopes_writes_alone(db: Database) {
    let told = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&told);
    db.sessions.on_mutation(move |event| {
        counter.fetch_add(event.ids.len(), Ordering::SeqCst);
    });
    let accounts = db.account_repository();
    db.sessions
        .transaction(OUTER, async |_| {
            accounts.add(&mut account(1, "ann", 10))?;
            let part = db.sessions.transaction(NESTED, async |part| {
                accounts.add(&mut account(2, "bob", 10))?;
                part.sql(endless(&db)).fetch_all::<(i64,)>().await
            });
            give_up(part).await;
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1)]);
    assert_eq!(told.load(Ordering::SeqCst), 1);
}

async fn a_read_behind_a_write_is_waited_for_and_harms_nothing(db: Database) {
    let accounts = db.account_repository();
    db.sessions
        .transaction(OUTER, async |session| {
            accounts.add_now(&mut account(1, "ann", 10)).await?;
            give_up(session.sql("SELECT 1::int8 FROM pg_sleep(0.2)").fetch_all::<(i64,)>()).await;
            accounts.get(1).await?;
            give_up(session.sql("SELECT 1::int8 FROM pg_sleep(0.2)").fetch_all::<(i64,)>()).await;
            accounts.add(&mut account(2, "bob", 20))
        })
        .await
        .unwrap();
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1), facts(2, "bob", 20, 1)]);
}

async fn what_plain_sql_did_is_not_undone_to_stop_a_read(db: Database) {
    let accounts = db.account_repository();
    db.sessions
        .transaction(OUTER, async |session| {
            session.sql("SELECT set_config('app.desk', '7', true)").fetch_one::<(String,)>().await?;
            give_up(session.sql("SELECT 1::int8 FROM pg_sleep(0.2)").fetch_all::<(i64,)>()).await;
            accounts.find(1).await?;
            let (desk,): (String,) = session.sql("SELECT current_setting('app.desk', true)").fetch_one().await?;
            assert_eq!(desk, "7");
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
}

async fn a_lock_that_was_taken_is_kept_when_a_read_is_given_up(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    db.sessions
        .transaction(OUTER, async |session| {
            accounts.lock(1).await?;
            give_up(session.sql("SELECT 1::int8 FROM pg_sleep(0.2)").fetch_all::<(i64,)>()).await;
            accounts.find(2).await?;
            let impatient = db.observer().begin();
            let locked =
                impatient.session().sql("SELECT id FROM accounts FOR UPDATE NOWAIT").fetch_all::<(i64,)>().await;
            assert!(locked.unwrap_err().is_lock_timeout());
            impatient.rollback().await;
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
}
