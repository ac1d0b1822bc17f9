//! What becomes of an outer scope when one inside it fails: three ways of nesting, three ways to fail, two ways to go on.

use std::future::pending;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use spakky::prelude::*;
use spakky::{Error, ErrorKind};

use crate::support::{Database, account, on_each_backend};

on_each_backend![
    required_fails_and_the_outer_goes_on,
    required_fails_and_the_outer_fails,
    required_panics_and_the_outer_goes_on,
    required_panics_and_the_outer_fails,
    required_is_cancelled_and_the_outer_goes_on,
    required_is_cancelled_and_the_outer_fails,
    requires_new_fails_and_the_outer_goes_on,
    requires_new_fails_and_the_outer_fails,
    requires_new_panics_and_the_outer_goes_on,
    requires_new_panics_and_the_outer_fails,
    requires_new_is_cancelled_and_the_outer_goes_on,
    requires_new_is_cancelled_and_the_outer_fails,
    nested_fails_and_the_outer_goes_on,
    nested_fails_and_the_outer_fails,
    nested_panics_and_the_outer_goes_on,
    nested_panics_and_the_outer_fails,
    nested_is_cancelled_and_the_outer_goes_on,
    nested_is_cancelled_and_the_outer_fails,
];

/// How the inner scope fails, after it has written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failure {
    Error,
    Panic,
    Cancelled,
}

/// What the outer scope does then, after it has written more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outer {
    GoesOn,
    Fails,
}

/// What is seen of it all.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    /// What the outer scope was told by the inner one, and by its own next write.
    inner: &'static str,
    next: &'static str,
    /// What the caller of the outer scope got.
    outer: String,
    /// The ids that others see: 1 and 3 are the outer scope's, 2 is the inner one's.
    stored: Vec<i64>,
}

fn seen(inner: &'static str, next: &'static str, outer: &str, stored: &[i64]) -> Seen {
    Seen { inner, next, outer: outer.to_owned(), stored: stored.to_owned() }
}

const OUTER: TransactionOptions = TransactionOptions::new().name("outer");
const INNER: TransactionOptions = TransactionOptions::new().name("inner");

fn own_error(text: &'static str) -> std::io::Error {
    std::io::Error::other(text)
}

/// The user's own error type.
#[derive(Debug)]
enum Failed {
    Own(&'static str),
    Library(Error),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Failed::Library(error)
    }
}

async fn play(db: &Database, propagation: Propagation, failure: Failure, outer_does: Outer, flush_first: bool) -> Seen {
    let accounts = db.account_repository();
    let mut told = ("", "");
    // The inner scope has written, and waits to be dropped.
    let reached = tokio::sync::Notify::new();
    let result = db
        .sessions
        .transaction(OUTER, async |session| {
            accounts.add(&mut account(1, "outer before", 1))?;
            if flush_first {
                session.flush().await?;
            }
            let scope = db.sessions.transaction(INNER.propagation(propagation), async |_| {
                accounts.add_now(&mut account(2, "inner", 2)).await?;
                match failure {
                    Failure::Error => Err::<(), _>(Failed::Own("inner")),
                    Failure::Panic => std::panic::panic_any(own_error("inner")),
                    Failure::Cancelled => {
                        reached.notify_one();
                        pending().await
                    }
                }
            });
            let limited = async {
                tokio::select! {
                    biased;
                    ended = scope => Some(ended),
                    () = reached.notified() => None,
                }
            };
            told.0 = match AssertUnwindSafe(limited).catch_unwind().await {
                Ok(Some(Ok(()))) => "ok",
                Ok(Some(Err(Failed::Own("inner")))) => "its own error",
                Ok(Some(Err(_))) => "another error",
                Ok(None) => "nothing: it was cancelled",
                Err(panic) if panic.is::<std::io::Error>() => "its panic",
                Err(_) => "another panic",
            };
            told.1 = match accounts.add_now(&mut account(3, "outer after", 3)).await {
                Ok(()) => "ok",
                Err(error) if error.is_rollback_only() => "rollback-only",
                Err(_) => "another error",
            };
            match outer_does {
                Outer::GoesOn => Ok(()),
                Outer::Fails => Err(Failed::Own("outer")),
            }
        })
        .await;
    let outer = match result {
        Ok(()) => "ok".to_owned(),
        Err(Failed::Own(text)) => format!("{text}'s own error"),
        Err(Failed::Library(error)) if error.kind() == ErrorKind::RollbackOnly => error.to_string(),
        Err(Failed::Library(error)) => format!("another error: {error:?}"),
    };
    db.is_at_rest().await;
    let stored = db.numbers("SELECT id FROM accounts ORDER BY id").await;
    Seen { inner: told.0, next: told.1, outer, stored }
}

/// Plays it with the outer scope's first write still queued, and with it sent.
async fn expect(db: &Database, propagation: Propagation, failure: Failure, outer: Outer, expected: Seen) {
    // On SQLite a second writer would wait for the first: see `writer.rs`.
    let both = !(db.is_sqlite() && propagation == Propagation::RequiresNew);
    for flush_first in if both { vec![false, true] } else { vec![false] } {
        assert_eq!(play(db, propagation, failure, outer, flush_first).await, expected, "flushed first: {flush_first}");
        db.execute("DELETE FROM accounts").await;
    }
}

const ERROR: &str = "its own error";
const PANIC: &str = "its panic";
const CANCELLED: &str = "nothing: it was cancelled";
const DOOMED: &str = "rollback-only";
const FAILED: &str = "commit `outer`: it can only be rolled back, because the inner scope `inner` failed";
const PANICKED: &str = "commit `outer`: it can only be rolled back, because the inner scope `inner` panicked";
const ABANDONED: &str = "commit `outer`: it can only be rolled back, because the inner scope `inner` was abandoned";
const OWN: &str = "outer's own error";

macro_rules! table {
    ($($name:ident: $propagation:ident $failure:ident $outer:ident => $inner:expr, $next:expr, $got:expr, $stored:expr;)+) => {
        $(async fn $name(db: Database) {
            let expected = seen($inner, $next, $got, &$stored);
            expect(&db, Propagation::$propagation, Failure::$failure, Outer::$outer, expected).await;
        })+
    };
}

table! {
    required_fails_and_the_outer_goes_on: Required Error GoesOn => ERROR, DOOMED, FAILED, [];
    required_fails_and_the_outer_fails: Required Error Fails => ERROR, DOOMED, OWN, [];
    required_panics_and_the_outer_goes_on: Required Panic GoesOn => PANIC, DOOMED, PANICKED, [];
    required_panics_and_the_outer_fails: Required Panic Fails => PANIC, DOOMED, OWN, [];
    required_is_cancelled_and_the_outer_goes_on: Required Cancelled GoesOn => CANCELLED, DOOMED, ABANDONED, [];
    required_is_cancelled_and_the_outer_fails: Required Cancelled Fails => CANCELLED, DOOMED, OWN, [];
    requires_new_fails_and_the_outer_goes_on: RequiresNew Error GoesOn => ERROR, "ok", "ok", [1, 3];
    requires_new_fails_and_the_outer_fails: RequiresNew Error Fails => ERROR, "ok", OWN, [];
    requires_new_panics_and_the_outer_goes_on: RequiresNew Panic GoesOn => PANIC, "ok", "ok", [1, 3];
    requires_new_panics_and_the_outer_fails: RequiresNew Panic Fails => PANIC, "ok", OWN, [];
    requires_new_is_cancelled_and_the_outer_goes_on: RequiresNew Cancelled GoesOn => CANCELLED, "ok", "ok", [1, 3];
    requires_new_is_cancelled_and_the_outer_fails: RequiresNew Cancelled Fails => CANCELLED, "ok", OWN, [];
    nested_fails_and_the_outer_goes_on: Nested Error GoesOn => ERROR, "ok", "ok", [1, 3];
    nested_fails_and_the_outer_fails: Nested Error Fails => ERROR, "ok", OWN, [];
    nested_panics_and_the_outer_goes_on: Nested Panic GoesOn => PANIC, "ok", "ok", [1, 3];
    nested_panics_and_the_outer_fails: Nested Panic Fails => PANIC, "ok", OWN, [];
    nested_is_cancelled_and_the_outer_goes_on: Nested Cancelled GoesOn => CANCELLED, "ok", "ok", [1, 3];
    nested_is_cancelled_and_the_outer_fails: Nested Cancelled Fails => CANCELLED, "ok", OWN, [];
}
