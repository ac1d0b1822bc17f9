//! A database in memory ends with its one connection, which is therefore never closed, whatever is dropped, and where.

#![allow(clippy::large_futures, reason = "the futures of a test are part of no others")]

use std::task::Poll;
use std::time::Duration;

use futures_util::StreamExt;
use spakky::Error;
use spakky::prelude::*;

use crate::support::{Cancelled, cancel_after, eventually};

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "items")]
#[mappable(domain = Self)]
struct Item {
    #[table(id)]
    id: i64,
    n: i64,
}

const COUNT: i64 = 200;
const HANGS: Duration = Duration::from_secs(60);
const UNIT: TransactionOptions = TransactionOptions::new();
const ENDLESS: &str =
    "SELECT count(*) FROM (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n)";

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

async fn filled() -> SessionManager {
    let sessions = SessionManager::connect("sqlite::memory:").await.unwrap();
    sessions.create_tables(&schema![Item]).await.unwrap();
    let mut items: Vec<Item> = (0..COUNT).map(|id| Item { id, n: 0 }).collect();
    sessions.repository::<Item>().autocommit().add_all_now(&mut items).await.unwrap();
    sessions
}

/// The rows are there, nothing of a dropped unit of work is, and the connection takes writes.
async fn is_whole(sessions: &SessionManager, what: &str) {
    let items = sessions.repository::<Item>();
    let count = items.query().count().await.unwrap_or_else(|error| panic!("{what}: {error:?}"));
    assert_eq!(count, u64::try_from(COUNT).unwrap(), "{what}");
    items.autocommit().filter(Item::COLUMNS.id.eq(1)).update(Item::COLUMNS.n.set(0)).await.unwrap();
    eventually("no connection is in use", HANGS, async || sessions.status().in_use == 0).await;
}

/// Drops a call after each number of polls, until it comes to its end.
async fn dropped_everywhere<F: Future>(sessions: &SessionManager, what: &str, call: impl Fn() -> F) {
    for when_woken in [false, true] {
        for polls in 1..100 {
            let outcome = cancel_after(polls, when_woken, call()).await;
            is_whole(sessions, what).await;
            if matches!(outcome, Cancelled::No(_)) {
                break;
            }
        }
    }
}

#[test]
fn calls_that_are_dropped_at_any_await_leave_the_database_there() {
    runtime().block_on(async {
        let sessions = filled().await;
        let items = sessions.repository::<Item>().autocommit();
        let (columns, tables) = (Item::COLUMNS, schema![Item]);
        dropped_everywhere(&sessions, "find", || items.find(1)).await;
        dropped_everywhere(&sessions, "all", || items.query().all()).await;
        dropped_everywhere(&sessions, "sql", || sessions.sql("SELECT count(*) FROM items").fetch_one::<(i64,)>()).await;
        dropped_everywhere(&sessions, "ping", || sessions.ping()).await;
        dropped_everywhere(&sessions, "tables", || sessions.create_tables(&tables)).await;
        dropped_everywhere(&sessions, "update", || items.update_where(columns.id.eq(1), columns.n.set(1))).await;
        dropped_everywhere(&sessions, "upsert", || async { items.upsert_now(&mut Item { id: 1, n: 1 }).await }).await;
        dropped_everywhere(&sessions, "execute", || sessions.sql("UPDATE items SET n = 1").execute()).await;
        dropped_everywhere(&sessions, "stream", || async {
            let mut rows = items.query().stream().await?;
            rows.next().await.transpose()
        })
        .await;
        dropped_everywhere(&sessions, "transaction", || {
            sessions.transaction(UNIT, async |session| {
                items.add_now(&mut Item { id: COUNT, n: 1 }).await?;
                session.sqlite(|_| Ok(())).await?;
                Err::<(), _>(Error::other("planned"))
            })
        })
        .await;
    });
}

#[test]
fn an_endless_read_that_is_dropped_leaves_the_database_there() {
    runtime().block_on(async {
        let sessions = filled().await;
        for _ in 0..3 {
            let read = sessions.sql(ENDLESS).fetch_all::<(i64,)>();
            assert!(matches!(cancel_after(1, false, read).await, Cancelled::Yes));
            is_whole(&sessions, "an endless read").await;
        }
    });
}

/// What runs in the closure cannot be stopped: the connection is waited for.
#[test]
fn a_closure_that_goes_on_when_its_scope_is_dropped_leaves_the_database_there() {
    runtime().block_on(async {
        let sessions = filled().await;
        let (go, goes) = std::sync::mpsc::channel::<()>();
        let (begun, has_begun) = tokio::sync::oneshot::channel();
        let scope = sessions.transaction(UNIT, async |session| {
            session
                .sqlite(move |_| {
                    let _ = begun.send(());
                    let _ = goes.recv();
                    Ok(())
                })
                .await
        });
        tokio::select! {
            _ = scope => panic!("the closure ended"),
            _ = has_begun => {}
        }
        assert_eq!(sessions.status().in_use, 1);
        go.send(()).unwrap();
        is_whole(&sessions, "a closure").await;
    });
}

#[test]
fn what_is_dropped_outside_of_a_runtime_or_behind_its_end_leaves_the_database_there() {
    let first = runtime();
    let sessions = first.block_on(filled());
    let items = sessions.repository::<Item>();
    let open = || {
        first.block_on(async {
            let transaction = sessions.begin();
            items.in_session(transaction.session()).add_now(&mut Item { id: COUNT, n: 1 }).await.unwrap();
            transaction
        })
    };
    // The thread of this test is in no runtime.
    drop(open());
    first.block_on(is_whole(&sessions, "a transaction"));
    let mut stream = first.block_on(async { Box::pin(items.query().stream().await.unwrap()) });
    assert!(first.block_on(stream.next()).is_some());
    drop(stream);
    first.block_on(is_whole(&sessions, "a stream"));
    let mut read = Box::pin(sessions.sql(ENDLESS).fetch_all::<(i64,)>());
    let once = std::future::poll_fn(|context| Poll::Ready(read.as_mut().poll(context)));
    assert!(first.block_on(once).is_pending());
    drop(read);
    first.block_on(is_whole(&sessions, "a read"));

    let left = open();
    drop(first);
    let second = runtime();
    drop(left);
    second.block_on(is_whole(&sessions, "a transaction of a runtime that is gone"));
}
