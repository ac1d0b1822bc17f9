//! What became of a COMMIT.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use spakky::prelude::*;
use spakky::testing::proxy::{Cut, Message};
use spakky::{Error, RetryOn, RetryPolicy};

use crate::support::{
    Cancelled, Database, Letter, Line, account, cancel_after, eventually, facts, letter, on_pgbouncer, on_postgres,
};

on_postgres![
    a_commit_whose_answer_was_cut_off_is_found_committed,
    a_commit_of_a_row_of_defaults_whose_answer_was_cut_off_is_found_committed,
    a_commit_of_plain_sql_whose_answer_was_cut_off_is_found_committed,
    a_commit_without_any_answer_is_found_by_an_earlier_write,
    a_commit_without_any_answer_is_found_by_earlier_rows_that_were_told,
    a_commit_that_never_arrived_rolls_back_and_may_be_retried,
    a_retry_runs_a_commit_that_never_arrived_again,
    a_commit_whose_server_cannot_be_asked_is_of_unknown_outcome,
    a_commit_without_any_answer_is_of_unknown_outcome,
    a_dropped_caller_does_not_keep_a_cut_commit_from_running_its_hooks,
    a_commit_after_an_unseen_failure_is_an_error,
    a_deferred_constraint_fails_the_commit,
    what_is_deferred_to_the_commit_has_no_limit_of_a_statement_or_of_the_scope,
    a_write_outside_a_scope_without_an_answer_is_of_unknown_outcome,
];

on_pgbouncer![
    a_commit_whose_answer_was_cut_off_is_found_committed,
    a_commit_without_any_answer_is_found_by_an_earlier_write,
    a_commit_that_never_arrived_rolls_back_and_may_be_retried,
    a_dropped_caller_does_not_keep_a_cut_commit_from_running_its_hooks,
    a_commit_after_an_unseen_failure_is_an_error,
    a_deferred_constraint_fails_the_commit,
];

const PAY: TransactionOptions = TransactionOptions::new().name("pay");

fn is_commit(message: &Message) -> bool {
    message.is_sql("COMMIT")
}

/// How often each kind of hook ran.
#[derive(Debug, Clone, Default)]
struct Hooks {
    committed: Arc<AtomicU32>,
    rolled_back: Arc<AtomicU32>,
}

impl Hooks {
    fn watch(&self, session: &Session) {
        let (committed, rolled_back) = (Arc::clone(&self.committed), Arc::clone(&self.rolled_back));
        session.after_commit(move || async move {
            committed.fetch_add(1, Ordering::SeqCst);
            Ok(())
        });
        session.on_rollback(move || async move {
            rolled_back.fetch_add(1, Ordering::SeqCst);
            Ok(())
        });
    }

    /// After-commit and rollback hooks that ran.
    fn ran(&self) -> (u32, u32) {
        (self.committed.load(Ordering::SeqCst), self.rolled_back.load(Ordering::SeqCst))
    }
}

/// Adds an account, watched.
async fn add(line: &Line, hooks: &Hooks) -> Result<(), Error> {
    let accounts = line.accounts();
    let work = line.sessions.transaction(PAY, async |session| {
        hooks.watch(&session);
        accounts.add(&mut account(1, "ann", 10))
    });
    work.await
}

async fn a_commit_whose_answer_was_cut_off_is_found_committed(db: Database) {
    let line = Line::new(&db).await;
    let hooks = Hooks::default();
    line.proxy.cut(Cut::after(is_commit));
    add(&line, &hooks).await.unwrap();
    assert!(!line.proxy.is_armed());
    assert_eq!(hooks.ran(), (1, 0));
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1)]);
    assert_eq!(line.sessions.status().in_use, 0);
}

/// The database makes all of it.
#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "counters")]
#[mappable(domain = Self)]
struct Counter {
    #[table(id, generated)]
    id: i64,
}

async fn a_commit_of_a_row_of_defaults_whose_answer_was_cut_off_is_found_committed(db: Database) {
    db.observer().create_tables(&schema![Counter]).await.unwrap();
    let line = Line::new(&db).await;
    let counters = line.sessions.repository::<Counter>();
    line.proxy.cut(Cut::after(is_commit));
    let work = line.sessions.transaction(PAY, async |_| counters.add_all(&mut [Counter { id: 0 }, Counter { id: 0 }]));
    work.await.unwrap();
    assert!(!line.proxy.is_armed());
    assert_eq!(db.numbers("SELECT count(*) FROM counters").await, [2]);
}

async fn a_commit_of_plain_sql_whose_answer_was_cut_off_is_found_committed(db: Database) {
    let line = Line::new(&db).await;
    let hooks = Hooks::default();
    line.proxy.cut(Cut::after(is_commit));
    let work = line.sessions.transaction(PAY, async |session| {
        hooks.watch(&session);
        session.sql("INSERT INTO accounts (id, owner, balance, version) VALUES (1, 'ann', 10, 1)").execute().await
    });
    work.await.unwrap();
    assert_eq!(hooks.ran(), (1, 0));
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1)]);
}

async fn a_commit_without_any_answer_is_found_by_an_earlier_write(db: Database) {
    let line = Line::new(&db).await;
    let hooks = Hooks::default();
    let accounts = line.accounts();
    let work = line.sessions.transaction(PAY, async |session| {
        hooks.watch(&session);
        accounts.add_now(&mut account(1, "ann", 10)).await?;
        line.proxy.cut(Cut::after(is_commit).without_earlier_answers());
        accounts.add(&mut account(2, "bob", 10))
    });
    work.await.unwrap();
    assert_eq!(hooks.ran(), (1, 0));
    assert_eq!(db.accounts().await.len(), 2);
}

/// The database assigns its id.
#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "visits")]
#[mappable(domain = Self)]
struct Visit {
    #[table(id, generated)]
    id: i64,
    place: String,
}

async fn a_commit_without_any_answer_is_found_by_earlier_rows_that_were_told(db: Database) {
    db.observer().create_tables(&schema![Counter, Visit]).await.unwrap();
    let line = Line::new(&db).await;
    let (counters, visits) = (line.sessions.repository::<Counter>(), line.sessions.repository::<Visit>());
    let lose = || line.proxy.cut(Cut::after(is_commit).without_earlier_answers());
    let visit = |place: &str| Visit { id: 0, place: place.to_owned() };
    let mut alone = visit("Ulm");
    let work = line.sessions.transaction(PAY, async |_| {
        visits.add_now(&mut alone).await?;
        lose();
        Ok::<_, Error>(())
    });
    work.await.unwrap();
    let mut several = [visit("Bonn"), visit("Kiel")];
    let work = line.sessions.transaction(PAY, async |_| {
        visits.add_all_now(&mut several).await?;
        lose();
        Ok::<_, Error>(())
    });
    work.await.unwrap();
    // One statement for each.
    let mut bare = [Counter { id: 0 }, Counter { id: 0 }];
    let work = line.sessions.transaction(PAY, async |_| {
        counters.add_all_now(&mut bare).await?;
        lose();
        Ok::<_, Error>(())
    });
    work.await.unwrap();
    assert!(!line.proxy.is_armed());
    let ids = [alone.id, several[0].id, several[1].id, bare[0].id, bare[1].id];
    assert_eq!(ids, [1, 2, 3, 1, 2]);
    assert_eq!(db.numbers("SELECT count(*) FROM visits UNION ALL SELECT count(*) FROM counters").await, [3, 2]);
}

async fn a_commit_that_never_arrived_rolls_back_and_may_be_retried(db: Database) {
    let line = Line::new(&db).await;
    let hooks = Hooks::default();
    line.proxy.cut(Cut::before(is_commit));
    let error = add(&line, &hooks).await.unwrap_err();
    assert!(error.is_connection(), "{error:?}");
    assert!(error.is_retryable());
    assert_eq!(hooks.ran(), (0, 1));
    assert_eq!(db.accounts().await, []);
    add(&line, &hooks).await.unwrap();
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1)]);
}

fn retry() -> RetryPolicy {
    RetryPolicy { attempts: 5, backoff: Duration::from_millis(1), on: RetryOn::Transient }
}

async fn a_retry_runs_a_commit_that_never_arrived_again(db: Database) {
    let line = Line::new(&db).await;
    let accounts = line.accounts();
    line.proxy.cut(Cut::before(is_commit));
    let runs = Cell::new(0);
    let work = line.sessions.transaction_with_retry(PAY.retry(retry()), async |_| {
        runs.set(runs.get() + 1);
        accounts.add(&mut account(1, "ann", 10))
    });
    work.await.unwrap();
    assert_eq!(runs.get(), 2);
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1)]);
}

async fn a_commit_whose_server_cannot_be_asked_is_of_unknown_outcome(db: Database) {
    let line = Line::with(&db, |config| config.connect_timeout(Duration::from_secs(3))).await;
    let accounts = line.accounts();
    let hooks = Hooks::default();
    line.proxy.cut(Cut::after(is_commit));
    line.proxy.set_refuse(true);
    let runs = Cell::new(0);
    let work = line.sessions.transaction_with_retry(PAY.retry(retry()), async |session| {
        runs.set(runs.get() + 1);
        hooks.watch(&session);
        accounts.add(&mut account(1, "ann", 10))
    });
    let error = work.await.unwrap_err();
    assert!(error.is_outcome_unknown(), "{error:?}");
    assert!(!error.is_retryable());
    assert_eq!(
        error.to_string(),
        "learn whether the transaction was committed: the connection broke while COMMIT was under way; look for what it \
         wrote before doing it again"
    );
    assert_eq!((runs.get(), hooks.ran()), (1, (0, 0)));
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1)]);
    line.proxy.set_refuse(false);
    line.sessions.ping().await.unwrap();
}

async fn a_commit_without_any_answer_is_of_unknown_outcome(db: Database) {
    let line = Line::new(&db).await;
    let hooks = Hooks::default();
    line.proxy.cut(Cut::after(is_commit).without_earlier_answers());
    let error = add(&line, &hooks).await.unwrap_err();
    assert!(error.is_outcome_unknown(), "{error:?}");
    assert!(!error.is_retryable());
    assert_eq!(hooks.ran(), (0, 0));
}

async fn a_dropped_caller_does_not_keep_a_cut_commit_from_running_its_hooks(db: Database) {
    let line = Line::new(&db).await;
    let hooks = Hooks::default();
    line.proxy.cut(Cut::after(is_commit));
    // Polled until the COMMIT is on its way, then dropped.
    let mut polls = 1;
    while line.proxy.is_armed() {
        polls += 1;
        if let Cancelled::No(result) = cancel_after(polls, true, add(&line, &hooks)).await {
            result.unwrap();
        }
        eventually("the rest is done", Duration::from_secs(60), async || line.sessions.status().in_use == 0).await;
        assert!(polls < 100, "never committed");
    }
    assert_eq!(db.accounts().await.len(), 1);
    // They run once the connection is back.
    eventually("the hook has run", Duration::from_secs(60), async || hooks.ran().0 == 1).await;
}

async fn a_commit_after_an_unseen_failure_is_an_error(db: Database) {
    let line = Line::new(&db).await;
    let accounts = line.accounts();
    let hooks = Hooks::default();
    let fail = "SELECT 1 / (count(*) - 1) FROM pg_sleep(1)";
    for write_first in [true, false] {
        let work = line.sessions.transaction(PAY, async |session| {
            hooks.watch(&session);
            if write_first {
                accounts.add_now(&mut account(1, "ann", 10)).await?;
            } else {
                accounts.find(1).await?;
            }
            let read = session.sql(fail).fetch_one::<(i64,)>();
            assert!(matches!(cancel_after(1, false, read).await, Cancelled::Yes));
            if write_first { Ok(()) } else { accounts.add(&mut account(1, "ann", 10)) }
        });
        if write_first {
            let error = work.await.unwrap_err();
            assert!(error.is_rollback_only(), "{error:?}");
            assert_eq!(db.accounts().await, []);
        } else {
            // A scope that has only read has it stopped, and goes on.
            work.await.unwrap();
            assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1)]);
        }
    }
    assert_eq!(hooks.ran(), (1, 1));
}

async fn a_deferred_constraint_fails_the_commit(db: Database) {
    db.execute("ALTER TABLE letters ADD CONSTRAINT uq_text UNIQUE (text) DEFERRABLE INITIALLY DEFERRED").await;
    let line = Line::new(&db).await;
    let letters = line.sessions.repository::<Letter>();
    let hooks = Hooks::default();
    let work = line.sessions.transaction(PAY, async |session| {
        hooks.watch(&session);
        letters.add_now(&mut letter(1, "dear")).await?;
        letters.add_now(&mut letter(2, "dear")).await
    });
    let error = work.await.unwrap_err();
    assert!(error.is_unique_violation(), "{error:?}");
    assert_eq!(error.constraint(), Some("uq_text"));
    assert_eq!(error.table(), Some("letters"));
    assert_eq!(hooks.ran(), (0, 1));
    assert_eq!(db.numbers("SELECT count(*) FROM letters").await, [0]);
}

async fn a_write_outside_a_scope_without_an_answer_is_of_unknown_outcome(db: Database) {
    let line = Line::new(&db).await;
    line.proxy.cut(Cut::after(|message: &Message| message.is_sql("DELETE")).without_earlier_answers());
    let error = line.sessions.sql("DELETE FROM accounts").execute().await.unwrap_err();
    assert!(error.is_outcome_unknown(), "{error:?}");
    line.sessions.ping().await.unwrap();
}

/// The server's rule, which the guide tells.
async fn what_is_deferred_to_the_commit_has_no_limit_of_a_statement_or_of_the_scope(db: Database) {
    let linger = "CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(1.5); RETURN NULL; END $$";
    db.execute(linger).await;
    let deferred = "CREATE CONSTRAINT TRIGGER linger AFTER INSERT ON letters DEFERRABLE INITIALLY DEFERRED FOR EACH ROW \
                    EXECUTE FUNCTION linger()";
    db.execute(deferred).await;
    let limited = db.connect(|config| config.statement_timeout(Duration::from_secs(1))).await;
    let letters = limited.repository::<Letter>();
    let pressed = PAY.timeout(Duration::from_secs(1));
    limited.transaction(pressed, async |_| letters.add(&mut letter(1, "dear"))).await.unwrap();
    // The same work is cut off where it is a statement's.
    let at_once = limited.transaction(PAY, async |session| {
        letters.add(&mut letter(2, "dear"))?;
        session.sql("SET CONSTRAINTS ALL IMMEDIATE").execute().await.map(drop)
    });
    let error = at_once.await.unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
    assert_eq!(db.numbers("SELECT id FROM letters").await, [1]);
}
