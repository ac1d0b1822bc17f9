//! One call given up inside a scope that goes on.

#![allow(clippy::large_futures, reason = "the futures of a test are part of no others")]

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use spakky::Error;
use spakky::prelude::*;

use crate::support::{AccountRow, Cancelled, Database, account, cancel_after, eventually, facts, on_each_backend};

on_each_backend![
    a_read_that_is_given_up_has_no_effect,
    a_read_by_condition_that_is_given_up_has_no_effect,
    a_write_that_is_given_up_dooms_the_scope,
    a_flush_that_is_given_up_dooms_the_scope,
    plain_sql_that_is_given_up_dooms_the_scope,
    a_lock_that_is_given_up_dooms_the_scope,
    a_query_that_carried_writes_and_is_given_up_dooms_the_scope,
    a_write_given_up_in_a_nested_scope_dooms_that_scope_only,
    a_write_given_up_in_a_nested_scope_leaves_what_the_outer_one_had_queued,
    a_write_that_waits_for_the_pool_and_is_given_up_dooms_the_scope,
    a_read_that_fails_unseen_keeps_the_transaction_from_committing,
    a_long_read_that_was_given_up_does_not_hold_up_the_next_user,
    a_long_read_is_stopped_when_its_scope_is_dropped,
    a_commit_goes_on_when_its_caller_goes_away,
    a_stream_that_outlives_its_scope_ends_with_an_error,
    a_stream_that_is_given_up_leaves_the_scope_alone,
    a_call_in_another_task_is_stopped_by_the_rollback,
    a_statement_of_an_undone_scope_does_not_hold_up_the_outer_one,
    a_read_of_the_outer_scope_given_up_survives_an_undone_scope,
];

const PAY: TransactionOptions = TransactionOptions::new().name("pay");
const NESTED: TransactionOptions = TransactionOptions::new().name("part").propagation(Propagation::Nested);

/// No call takes this long, and what is never stopped takes longer.
const HANGS: Duration = Duration::from_secs(60);

/// Polls a call once, which sends what it sends, and drops it.
async fn give_up<F: Future>(call: F) {
    assert!(matches!(cancel_after(1, false, call).await, Cancelled::Yes), "the call was answered at once");
}

/// Does the same to a write, which the database may answer before the poll is over: then to another, with the next id.
async fn give_up_writing(mut write: impl AsyncFnMut(i64) -> Result<(), Error>) {
    for id in 100..1_100 {
        match cancel_after(1, false, write(id)).await {
            Cancelled::Yes => return,
            Cancelled::No(result) => result.unwrap(),
        }
    }
    panic!("every call was answered at once");
}

/// Polls a call once and drops it, or finds it answered.
async fn try_to_give_up<F: Future>(call: F) {
    let _ = cancel_after(1, false, call).await;
}

/// Runs for minutes.
fn long_query(db: &Database) -> &'static str {
    if db.is_sqlite() {
        "SELECT max(x) FROM (WITH RECURSIVE n(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n) SELECT x FROM n)"
    } else {
        "SELECT 1::int8 FROM pg_sleep(600)"
    }
}

async fn a_read_that_is_given_up_has_no_effect(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY, async |session| {
            try_to_give_up(accounts.get(1)).await;
            assert!(!session.is_rollback_only());
            let mut ann = accounts.get(1).await?;
            ann.balance = 11;
            accounts.save_now(&mut ann).await?;
            try_to_give_up(accounts.get(2)).await;
            try_to_give_up(accounts.find_many([1, 2, 3])).await;
            accounts.add(&mut account(2, "bob", 20))
        })
        .await
        .unwrap();
    assert_eq!(db.accounts().await, [facts(1, "ann", 11, 2), facts(2, "bob", 20, 1)]);
}

async fn a_read_by_condition_that_is_given_up_has_no_effect(db: Database) {
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY, async |session| {
            try_to_give_up(accounts.query().all()).await;
            try_to_give_up(accounts.query().count()).await;
            try_to_give_up(session.sql("SELECT 1").fetch_all::<(i32,)>()).await;
            accounts.add(&mut account(2, "bob", 20))
        })
        .await
        .unwrap();
    assert_eq!(db.accounts().await, [facts(2, "bob", 20, 1)]);
}

fn abandoned(name: &str) -> String {
    format!(
        "commit `pay`: it can only be rolled back, because a write in `{name}` was abandoned before its answer came"
    )
}

async fn expect_doom(db: &Database, body: impl AsyncFnOnce(Session) -> Result<(), Error>) {
    let error = db.sessions.transaction(PAY, body).await.unwrap_err();
    assert!(error.is_rollback_only());
    assert_eq!(error.to_string(), abandoned("pay"));
    db.is_at_rest().await;
}

async fn a_write_that_is_given_up_dooms_the_scope(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    db.slow_down().await;
    let accounts = db.account_repository();
    expect_doom(&db, async |_| {
        accounts.get(1).await?;
        give_up_writing(async |id| accounts.add_now(&mut account(id, &format!("owner {id}"), 20)).await).await;
        assert!(accounts.get(2).await.unwrap_err().is_rollback_only());
        Ok(())
    })
    .await;
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1)]);
}

async fn a_flush_that_is_given_up_dooms_the_scope(db: Database) {
    db.slow_down().await;
    let accounts = db.account_repository();
    expect_doom(&db, async |session| {
        give_up_writing(async |id| {
            accounts.add(&mut account(id, &format!("owner {id}"), 20))?;
            session.flush().await
        })
        .await;
        Ok(())
    })
    .await;
    assert_eq!(db.accounts().await, []);
}

async fn plain_sql_that_is_given_up_dooms_the_scope(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    db.slow_down().await;
    expect_doom(&db, async |session| {
        give_up_writing(async |_| session.sql("UPDATE accounts SET balance = 0").execute().await.map(drop)).await;
        Ok(())
    })
    .await;
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1)]);
}

async fn a_lock_that_is_given_up_dooms_the_scope(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    // Somebody else holds the lock.
    let other = db.observer().begin();
    other.session().sql("UPDATE accounts SET balance = 1").execute().await.unwrap();
    let accounts = db.account_repository();
    expect_doom(&db, async |_| {
        give_up(accounts.lock(1)).await;
        other.rollback().await;
        Ok(())
    })
    .await;
}

async fn a_query_that_carried_writes_and_is_given_up_dooms_the_scope(db: Database) {
    db.slow_down().await;
    let accounts = db.account_repository();
    expect_doom(&db, async |_| {
        give_up_writing(async |id| {
            accounts.add(&mut account(id, &format!("owner {id}"), 20))?;
            accounts.query().all().await.map(drop)
        })
        .await;
        Ok(())
    })
    .await;
    assert_eq!(db.accounts().await, []);
}

async fn a_write_given_up_in_a_nested_scope_dooms_that_scope_only(db: Database) {
    db.slow_down().await;
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY, async |_| {
            accounts.add_now(&mut account(1, "ann", 10)).await?;
            let part = db.sessions.transaction(NESTED, async |_| {
                give_up_writing(async |id| accounts.add_now(&mut account(id, &format!("owner {id}"), 20)).await).await;
                Ok::<_, Error>(())
            });
            assert!(part.await.unwrap_err().is_rollback_only());
            accounts.add(&mut account(3, "cy", 30))
        })
        .await
        .unwrap();
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1), facts(3, "cy", 30, 1)]);
}

/// What the outer scope had queued travels with it, and is the outer one's all the same.
async fn a_write_given_up_in_a_nested_scope_leaves_what_the_outer_one_had_queued(db: Database) {
    db.slow_down().await;
    let accounts = db.account_repository();
    let mut last = 0;
    db.sessions
        .transaction(PAY, async |session| {
            for id in 100..1_100 {
                accounts.add(&mut account(id, &format!("owner {id}"), 10))?;
                last = id;
                let mut given_up = false;
                let part = db.sessions.transaction(NESTED, async |_| {
                    let mut other = account(10_000 + id, &format!("other {id}"), 20);
                    // One that is answered before the poll is over is followed by another.
                    let adding = cancel_after(1, false, accounts.add_now(&mut other)).await;
                    given_up = matches!(adding, Cancelled::Yes);
                    Ok::<_, Error>(())
                });
                let ended = part.await;
                if given_up {
                    assert!(ended.unwrap_err().is_rollback_only());
                    assert!(!session.is_rollback_only());
                    return Ok::<_, Error>(());
                }
                ended?;
            }
            panic!("every call was answered at once");
        })
        .await
        .unwrap();
    let stored = db.accounts().await;
    assert!(stored.contains(&facts(last, &format!("owner {last}"), 10, 1)), "{stored:?}");
    assert!(!stored.iter().any(|(id, ..)| *id == 10_000 + last), "{stored:?}");
}

async fn a_write_that_waits_for_the_pool_and_is_given_up_dooms_the_scope(db: Database) {
    let sessions = db.connect(|config| config.pool_size(1)).await;
    let accounts = sessions.repository::<AccountRow>();
    let other = sessions.begin();
    other.session().sql("SELECT 1").fetch_one::<(i32,)>().await.unwrap();
    let transaction = sessions.begin_with(PAY);
    let mine = accounts.in_session(transaction.session());
    give_up(mine.add_now(&mut account(1, "ann", 10))).await;
    other.rollback().await;
    assert_eq!(transaction.commit().await.unwrap_err().to_string(), abandoned("pay"));
    assert_eq!(db.accounts().await, []);
}

/// On PostgreSQL a failed statement aborts the transaction, whether somebody waits for its error or not.
async fn a_read_that_fails_unseen_keeps_the_transaction_from_committing(db: Database) {
    let accounts = db.account_repository();
    let answer = db.sessions.transaction(PAY, async |session| {
        accounts.add_now(&mut account(1, "ann", 10)).await?;
        try_to_give_up(session.sql("SELECT missing FROM accounts").fetch_all::<(i64,)>()).await;
        Ok::<_, Error>(())
    });
    let answer = answer.await;
    db.is_at_rest().await;
    // Never a commit reported that was none.
    assert_eq!(db.accounts().await.len(), usize::from(answer.is_ok()));
    match answer {
        Err(error) => assert!(error.is_rollback_only(), "{error:?}"),
        // There the read may be stopped before it fails, without harm to the transaction.
        Ok(()) => assert!(db.is_sqlite()),
    }
}

async fn a_long_read_that_was_given_up_does_not_hold_up_the_next_user(db: Database) {
    let sessions = db.connect(|config| config.pool_size(1)).await;
    let started = Instant::now();
    sessions
        .transaction(PAY, async |session| {
            give_up(session.sql(long_query(&db)).fetch_all::<(i64,)>()).await;
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    sessions.sql("SELECT 1").fetch_one::<(i32,)>().await.unwrap();
    assert!(started.elapsed() < HANGS, "{:?}", started.elapsed());
    assert_eq!(sessions.status().in_use, 0);
}

async fn a_long_read_is_stopped_when_its_scope_is_dropped(db: Database) {
    let accounts = db.account_repository();
    let scope = db.sessions.transaction(PAY, async |session| {
        accounts.add_now(&mut account(1, "ann", 10)).await?;
        session.sql(long_query(&db)).fetch_all::<(i64,)>().await
    });
    assert!(tokio::time::timeout(Duration::from_millis(50), scope).await.is_err());
    let dropped = Instant::now();
    db.store(&[account(1, "bob", 20)]).await;
    assert!(dropped.elapsed() < HANGS, "{:?}", dropped.elapsed());
    db.is_at_rest().await;
}

async fn a_commit_goes_on_when_its_caller_goes_away(db: Database) {
    let accounts = db.account_repository();
    let transaction = db.sessions.begin_with(PAY);
    let (told, hook) = tokio::sync::oneshot::channel();
    transaction.session().after_commit(|| async move {
        told.send(()).unwrap();
        Ok(())
    });
    let accounts = accounts.in_session(transaction.session());
    accounts.add_now(&mut account(1, "ann", 10)).await.unwrap();
    // Sends COMMIT and waits.
    try_to_give_up(transaction.commit()).await;
    hook.await.unwrap();
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1)]);
}

async fn a_stream_that_outlives_its_scope_ends_with_an_error(db: Database) {
    for id in 1..=100 {
        db.store(&[account(id, &format!("owner {id}"), id)]).await;
    }
    let accounts = db.account_repository();
    let mut stream = db
        .sessions
        .transaction(PAY, async |_| {
            let mut stream = accounts.query().stream().await?;
            assert!(stream.next().await.unwrap().is_ok());
            accounts.add(&mut account(101, "last", 1))?;
            Ok::<_, Error>(stream)
        })
        .await
        .unwrap();
    assert_eq!(db.numbers("SELECT count(*) FROM accounts").await, [101]);
    let error = stream.next().await.unwrap().unwrap_err();
    assert!(error.is_no_session());
    assert!(stream.next().await.is_none());
}

async fn a_stream_that_is_given_up_leaves_the_scope_alone(db: Database) {
    for id in 1..=100 {
        db.store(&[account(id, &format!("owner {id}"), id)]).await;
    }
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY, async |_| {
            let mut stream = accounts.query().stream().await?;
            assert!(stream.next().await.unwrap().is_ok());
            drop(stream);
            let mut first = accounts.get(1).await?;
            first.balance = 0;
            accounts.save(&mut first)
        })
        .await
        .unwrap();
    assert_eq!(db.accounts().await[0], facts(1, "owner 1", 0, 2));
}

async fn a_call_in_another_task_is_stopped_by_the_rollback(db: Database) {
    let accounts = db.account_repository();
    let query = long_query(&db);
    let started = Instant::now();
    let answer = db.sessions.transaction(PAY, async |session| {
        accounts.add_now(&mut account(1, "ann", 10)).await?;
        let shared = session.clone();
        tokio::spawn(async move { shared.sql(query).fetch_all::<(i64,)>().await });
        let round_trips = session.statistics().round_trips;
        // The other task is in the middle of its call once this one finds the session taken.
        eventually("the other task has begun", HANGS, async || {
            tokio::time::timeout(Duration::from_millis(20), accounts.find(9)).await.is_err()
        })
        .await;
        assert!(round_trips >= 1);
        Err::<(), _>(
            Session::clone(&session).manager().repository::<AccountRow>().add(&mut account(1, "x", 1)).unwrap_err(),
        )
    });
    assert!(answer.await.is_err());
    assert!(started.elapsed() < HANGS, "{:?}", started.elapsed());
    db.is_at_rest().await;
    assert_eq!(db.accounts().await, []);
}

async fn a_statement_of_an_undone_scope_does_not_hold_up_the_outer_one(db: Database) {
    let accounts = db.account_repository();
    let query = long_query(&db);
    for dropped in [false, true] {
        let started = Instant::now();
        db.sessions
            .transaction(PAY, async |_| {
                let limit = Duration::from_millis(50);
                let options = if dropped { NESTED } else { NESTED.timeout(limit) };
                let part = db.sessions.transaction(options, async |part| {
                    accounts.add_now(&mut account(1, "ann", 10)).await?;
                    part.sql(query).fetch_all::<(i64,)>().await
                });
                // The inner limit is to be met first where there is one.
                let outer = if dropped { limit } else { 2 * HANGS };
                match tokio::time::timeout(outer, part).await {
                    Ok(result) => assert!(result.unwrap_err().is_timeout()),
                    Err(_) => assert!(dropped),
                }
                accounts.add_now(&mut account(2, "bob", 20)).await
            })
            .await
            .unwrap();
        assert!(started.elapsed() < HANGS, "{:?}", started.elapsed());
        assert_eq!(db.accounts().await, [facts(2, "bob", 20, 1)]);
        db.execute("DELETE FROM accounts").await;
    }
}

/// What the outer scope itself gave up is not stopped: on PostgreSQL that would undo the transaction.
async fn a_read_of_the_outer_scope_given_up_survives_an_undone_scope(db: Database) {
    let query = if db.is_sqlite() { "SELECT 1" } else { "SELECT 1::int8 FROM pg_sleep(0.2)" };
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY, async |session| {
            accounts.add_now(&mut account(1, "ann", 10)).await?;
            try_to_give_up(session.sql(query).fetch_all::<(i64,)>()).await;
            let part = db.sessions.transaction(NESTED, async |_| {
                try_to_give_up(accounts.find(9)).await;
                accounts.add(&mut account(1, "ann", 10))
            });
            assert!(part.await.unwrap_err().is_unique_violation());
            accounts.add(&mut account(2, "bob", 20))
        })
        .await
        .unwrap();
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1), facts(2, "bob", 20, 1)]);
}
