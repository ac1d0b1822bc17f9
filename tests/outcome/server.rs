//! A server that goes away.

use std::cell::Cell;

use spakky::Error;
use spakky::prelude::*;
use spakky::testing::proxy::{Cut, Message};

use crate::support::{Database, Line, account, on_postgres};

on_postgres![
    a_backend_that_is_terminated_ends_its_scope_and_nothing_else,
    a_line_that_is_cut_under_a_read_ends_its_scope_and_nothing_else,
    a_line_that_is_cut_while_idle_is_replaced,
    a_lost_connection_may_be_retried,
];

const PAY: TransactionOptions = TransactionOptions::new().name("pay");

async fn pid(session: &Session) -> i32 {
    session.sql("SELECT pg_backend_pid()").fetch_one::<(i32,)>().await.unwrap().0
}

async fn terminate(db: &Database, pid: i32) {
    let gone = "SELECT pg_terminate_backend($1, 60000)";
    assert!(db.observer().sql(gone).bind(pid).fetch_one::<(bool,)>().await.unwrap().0);
}

async fn a_backend_that_is_terminated_ends_its_scope_and_nothing_else(db: Database) {
    let accounts = db.account_repository();
    let mut caught = Vec::new();
    let work = db.sessions.transaction(PAY, async |session| {
        accounts.add_now(&mut account(1, "ann", 10)).await?;
        terminate(&db, pid(&session).await).await;
        let error = accounts.get(2).await.unwrap_err();
        caught.push((error.is_connection(), error.is_retryable()));
        Ok::<_, Error>(())
    });
    // Swallowing the error does not make a success of it.
    assert!(work.await.unwrap_err().is_rollback_only());
    assert_eq!(caught, [(true, true)]);
    assert_eq!(db.accounts().await, []);
    assert_eq!(db.sessions.status().in_use, 0);
    db.sessions.transaction(PAY, async |_| accounts.add(&mut account(1, "ann", 10))).await.unwrap();
    assert_eq!(db.accounts().await.len(), 1);
}

async fn a_line_that_is_cut_under_a_read_ends_its_scope_and_nothing_else(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let line = Line::new(&db).await;
    let accounts = line.accounts();
    line.proxy.cut(Cut::after(|message: &Message| message.is_sql("SELECT")));
    let work = line.sessions.transaction(PAY, async |_| accounts.get(1).await);
    let error = work.await.unwrap_err();
    assert!(error.is_connection() && error.is_retryable(), "{error:?}");
    assert_eq!(accounts.get(1).await.unwrap().balance, 10);
}

async fn a_line_that_is_cut_while_idle_is_replaced(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let line = Line::new(&db).await;
    let connections = line.proxy.counts().connections;
    line.proxy.cut_now();
    // The first call may be faster than the news.
    let found = line.accounts().get(1).await;
    let found = if found.is_err() { line.accounts().get(1).await } else { found };
    assert_eq!(found.unwrap().balance, 10);
    assert_eq!(line.proxy.counts().connections, connections + 1);
}

async fn a_lost_connection_may_be_retried(db: Database) {
    let accounts = db.account_repository();
    let policy = spakky::RetryPolicy {
        attempts: 3,
        backoff: std::time::Duration::from_millis(1),
        on: spakky::RetryOn::Transient,
    };
    let runs = Cell::new(0);
    let work = db.sessions.transaction_with_retry(PAY.retry(policy), async |session| {
        runs.set(runs.get() + 1);
        accounts.add_now(&mut account(1, "ann", 10)).await?;
        if runs.get() == 1 {
            terminate(&db, pid(&session).await).await;
        }
        accounts.add_now(&mut account(2, "bob", 10)).await
    });
    work.await.unwrap();
    assert_eq!(runs.get(), 2);
    assert_eq!(db.accounts().await.len(), 2);
}
