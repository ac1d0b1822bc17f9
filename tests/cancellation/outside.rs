//! Calls outside any scope that are dropped: stopped in the database, told of what they did, their connection kept.

#![allow(clippy::large_futures, reason = "the futures of a test are part of no others")]

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use spakky::Error;
use spakky::prelude::*;

use crate::support::{
    AccountRow, Cancelled, Database, Known, account, cancel_after, eventually, facts, on_each_backend, on_pgbouncer,
    on_postgres, posting,
};

/// What can be seen in a server alone.
mod server {
    use super::*;

    on_postgres![
        every_call_that_waits_in_the_server_is_stopped_and_keeps_its_connection,
        calls_that_are_given_up_one_after_the_other_do_not_pile_up,
    ];
}
on_each_backend![
    listeners_are_told_what_a_dropped_write_did,
    a_read_that_is_dropped_gives_its_connection_back,
    a_ping_that_is_dropped_keeps_its_connection,
    a_call_with_settings_that_is_dropped_leaves_none_behind,
];
on_pgbouncer![listeners_are_told_what_a_dropped_write_did];

const HANGS: Duration = Duration::from_secs(60);

type Call = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

/// Every form of call that works outside a scope, by name. Those that write come first.
fn calls(sessions: &SessionManager) -> Vec<(&'static str, bool, Call)> {
    let mut calls: Vec<(&'static str, bool, Call)> = Vec::new();
    let columns = AccountRow::COLUMNS;
    macro_rules! call {
        ($name:literal, $writes:literal, |$accounts:ident, $sessions:ident| $body:expr) => {{
            let ($accounts, $sessions) = (sessions.repository::<AccountRow>().autocommit(), sessions.clone());
            calls.push(($name, $writes, Box::pin(async move { $body.await.map(drop) })));
        }};
    }
    call!("add_now", true, |accounts, _s| async { accounts.add_now(&mut account(9, "new", 1)).await });
    call!("add_all_now", true, |accounts, _s| async {
        accounts.add_all_now(&mut [account(9, "new", 1), account(10, "newer", 1)]).await
    });
    call!("upsert_now", true, |accounts, _s| async { accounts.upsert_now(&mut account(1, "ann", 11)).await });
    call!("upsert_by_now", true, |accounts, _s| async {
        accounts.upsert_by_now(AccountRow::UQ_OWNER, &mut account(7, "ann", 11)).await
    });
    call!("save_if_now", true, |accounts, _s| async { accounts.save_if_now(&mut account(1, "ann", 11), 1).await });
    call!("delete_by_id_now", true, |accounts, _s| accounts.delete_by_id_now(1));
    call!("update_where", true, |accounts, _s| accounts.update_where(columns.id.eq(1), columns.balance.set(11)));
    call!("delete_where", true, |accounts, _s| accounts.delete_where(columns.id.eq(1)));
    call!("query.update", true, |accounts, _s| accounts.filter(columns.id.eq(1)).update(columns.balance.set(11)));
    call!("query.delete", true, |accounts, _s| accounts.filter(columns.id.eq(1)).delete());
    call!("sql.execute", true, |_a, sessions| sessions.sql("UPDATE accounts SET balance = 11").execute());
    call!("sql.returning", true, |_a, sessions| {
        sessions.sql("UPDATE accounts SET balance = 11 RETURNING id").fetch_all::<(i64,)>()
    });
    call!("get", false, |accounts, _s| accounts.get(1));
    call!("find", false, |accounts, _s| accounts.find(1));
    call!("exists", false, |accounts, _s| accounts.exists(1));
    call!("get_many", false, |accounts, _s| accounts.get_many([1]));
    call!("find_many", false, |accounts, _s| accounts.find_many([1]));
    call!("get_versioned", false, |accounts, _s| accounts.get_versioned(1));
    call!("all", false, |accounts, _s| accounts.query().all());
    call!("first", false, |accounts, _s| accounts.query().first());
    call!("count", false, |accounts, _s| accounts.query().count());
    call!("sum", false, |accounts, _s| accounts.query().sum(columns.balance));
    call!("page", false, |accounts, _s| accounts.query().page(PageRequest::new(1).size(10)));
    call!("cursor_page", false, |accounts, _s| accounts.query().cursor_page(CursorRequest::first(10)));
    call!("exists_where", false, |accounts, _s| accounts.exists_where(columns.id.eq(1)));
    call!("sql.select", false, |_a, sessions| sessions.sql("SELECT id FROM accounts").fetch_all::<(i64,)>());
    call!("stream", false, |accounts, _s| async {
        let mut rows = accounts.query().stream().await?;
        rows.next().await.transpose()
    });
    calls
}

/// How many of the tested connections are at work or in a transaction.
async fn busy(db: &Database, name: &str) -> i64 {
    let sql = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = '{name}' AND datname = current_database() AND state \
         <> 'idle'"
    );
    db.numbers(&sql).await[0]
}

async fn every_call_that_waits_in_the_server_is_stopped_and_keeps_its_connection(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let sessions = db.connect(|config| config.pool_size(1).application_name("given up")).await;
    let told = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&told);
    sessions.on_mutation(move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
    });
    let pid = async || sessions.sql("SELECT pg_backend_pid()::int8").fetch_one::<(i64,)>().await.unwrap();
    let first = pid().await;
    for (name, _, call) in calls(&sessions) {
        let lock = db.observer().begin();
        lock.session().sql("LOCK TABLE accounts IN ACCESS EXCLUSIVE MODE").execute().await.unwrap();
        let look = db.connect(|config| config.pool_size(1)).await;
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'given up' AND datname = \
                     current_database() AND wait_event_type = 'Lock'";
        let waiting = eventually(name, HANGS, async || look.sql(waits).fetch_one::<(i64,)>().await.unwrap().0 == 1);
        tokio::select! {
            result = call => panic!("`{name}` did not wait: {result:?}"),
            () = waiting => {}
        }
        // Although nobody gives way to it.
        eventually(&format!("`{name}` is stopped"), HANGS, async || {
            look.sql(waits).fetch_one::<(i64,)>().await.unwrap().0 == 0 && sessions.status().in_use == 0
        })
        .await;
        lock.rollback().await;
        assert_eq!(pid().await, first, "`{name}` cost its connection");
        assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1)], "`{name}`");
        assert_eq!(told.load(Ordering::SeqCst), 0, "`{name}` was told of");
        assert_eq!(busy(&db, "given up").await, 0, "`{name}` left something behind");
    }
}

async fn calls_that_are_given_up_one_after_the_other_do_not_pile_up(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let sessions = db.connect(|config| config.pool_size(3).application_name("piled up")).await;
    let lock = db.observer().begin();
    lock.session().sql("LOCK TABLE accounts IN ACCESS EXCLUSIVE MODE").execute().await.unwrap();
    for _ in 0..3 {
        for (_, _, call) in calls(&sessions) {
            let _ = tokio::time::timeout(Duration::from_millis(5), call).await;
        }
    }
    let open =
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'piled up' AND datname = current_database()";
    assert!(db.numbers(open).await[0] <= 3);
    eventually("nothing is at work", HANGS, async || busy(&db, "piled up").await == 0).await;
    lock.rollback().await;
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1)]);
}

/// Autocommit writes of every form, dropped at each of their awaits: the database and the listeners tell the same story.
async fn listeners_are_told_what_a_dropped_write_did(db: Database) {
    db.slow_down().await;
    let told = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&told);
    db.sessions.on_mutation(move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
    });
    let before = [facts(1, "ann", 10, 1), facts(2, "bob", 10, 1)];
    let forms = calls(&db.sessions).into_iter().filter(|(name, writes, _)| *writes && !name.starts_with("sql"));
    let names: Vec<&str> = forms.map(|(name, ..)| name).collect();
    assert!(names.len() >= 10);
    for name in names {
        for when_woken in [false, true] {
            let mut ended = false;
            for polls in 1..200 {
                db.execute("DELETE FROM accounts").await;
                db.store(&[account(1, "ann", 10), account(2, "bob", 10)]).await;
                told.store(0, Ordering::SeqCst);
                let (_, _, call) = calls(&db.sessions).into_iter().find(|(other, ..)| *other == name).unwrap();
                let outcome = cancel_after(polls, when_woken, call).await;
                db.is_at_rest().await;
                let changed = db.accounts().await != before;
                let case = format!("`{name}` after {polls} polls, when woken: {when_woken}");
                // The connection may be back before listeners are told.
                eventually(&case, HANGS, async || !changed || told.load(Ordering::SeqCst) > 0).await;
                assert_eq!(told.load(Ordering::SeqCst), usize::from(changed), "{case}");
                if let Cancelled::No(result) = outcome {
                    result.unwrap_or_else(|error| panic!("{case}: {error:?}"));
                    assert!(changed, "{case}");
                    ended = true;
                    break;
                }
            }
            assert!(ended, "`{name}` does not end");
        }
    }
}

async fn a_read_that_is_dropped_gives_its_connection_back(db: Database) {
    let sessions = db.connect(|config| config.pool_size(1)).await;
    let known = Known::of(&sessions).await;
    let endless = if db.is_sqlite() {
        "SELECT count(*) FROM (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n)"
    } else {
        "SELECT 1::int8 FROM pg_sleep(600)"
    };
    for _ in 0..3 {
        let read = sessions.sql(endless).fetch_all::<(i64,)>();
        assert!(matches!(cancel_after(1, false, read).await, Cancelled::Yes));
        // The same connection, and at once.
        assert!(known.is_given().await);
    }
    assert_eq!(sessions.status().size, 1);
}

async fn a_ping_that_is_dropped_keeps_its_connection(db: Database) {
    let sessions = db.connect(|config| config.pool_size(1)).await;
    let known = Known::of(&sessions).await;
    for polls in 1..10 {
        let _ = cancel_after(polls, false, sessions.ping()).await;
        assert!(known.is_given().await);
    }
}

async fn a_call_with_settings_that_is_dropped_leaves_none_behind(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let sessions = db.connect(|config| config.pool_size(1)).await;
    let postings = sessions.repository::<crate::support::Posting>().autocommit();
    for polls in 1..20 {
        let context = RequestContext::new().setting("app.desk", "7");
        let mut added = posting(polls, 1, 1);
        let call = context.scope(postings.add_now(&mut added));
        let done = matches!(cancel_after(usize::try_from(polls).unwrap(), false, call).await, Cancelled::No(_));
        if !db.is_sqlite() {
            let left = sessions.sql("SELECT coalesce(current_setting('app.desk', true), '')").fetch_one::<(String,)>();
            assert_eq!(left.await.unwrap(), (String::new(),));
        }
        if done {
            return;
        }
    }
    panic!("the call does not end");
}
