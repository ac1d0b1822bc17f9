//! What runs around the end of a transaction.
//!
//! The contract:
//!
//! * `before_commit` hooks run after the body returned `Ok`, inside the transaction, in the order they were
//!   registered. They may write, and register further hooks, which run too (1,000 at most). An error rolls back and is
//!   what the caller gets.
//! * `after_commit` hooks run once COMMIT has been confirmed and the connection is back in the pool, in order, each even if
//!   one before it failed or panicked. An error or a panic reaches the caller as
//!   [`is_post_commit`](crate::Error::is_post_commit): the data is committed.
//! * `on_rollback` hooks run once the transaction was rolled back, whatever the reason, a dropped future included; each even
//!   if one before it failed or panicked, which is logged.
//! * A panic in a `before_commit` hook is one of the body: it rolls back and goes on.
//! * All of them run in the context that the session was opened in, whoever ends it, and in which task.
//! * If COMMIT was sent and the future dropped, a background task finishes the commit and runs the hooks its outcome asks
//!   for. If the outcome stays unknown, neither kind runs.
//! * Hooks registered inside a nested scope that is rolled back to its savepoint are forgotten, except `on_rollback`
//!   ones, which run when the savepoint is rolled back.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;

use futures_util::FutureExt;

use crate::error::{Error, ErrorKind};
use crate::mutation::Mutation;

/// The future of a hook.
pub(crate) type HookFuture = Pin<Box<dyn Future<Output = Result<(), Error>> + Send + 'static>>;

/// A hook that has not run yet.
pub(crate) type Hook = Box<dyn FnOnce() -> HookFuture + Send + 'static>;

/// The hooks of one scope.
#[derive(Default)]
pub(crate) struct Hooks {
    pub(crate) before_commit: Vec<Hook>,
    pub(crate) after_commit: Vec<Hook>,
    pub(crate) on_rollback: Vec<Hook>,
    /// What listeners are told after COMMIT.
    pub(crate) mutations: Vec<Mutation>,
}

impl Hooks {
    /// Adds those of a nested scope that ended well.
    pub(crate) fn extend(&mut self, inner: Hooks) {
        self.before_commit.extend(inner.before_commit);
        self.after_commit.extend(inner.after_commit);
        self.on_rollback.extend(inner.on_rollback);
        self.mutations.extend(inner.mutations);
    }

    /// Runs the after-commit hooks; the first failure is reported when all have run.
    pub(crate) async fn run_after_commit(self) -> Result<(), Error> {
        let mut first = None;
        for hook in self.after_commit {
            if let Err(error) = run(hook).await {
                tracing::error!(error = %error, "an after-commit hook failed; the transaction is committed");
                first.get_or_insert(error);
            }
        }
        match first {
            None => Ok(()),
            Some(error) => {
                Err(Error::new(ErrorKind::PostCommit, "run an after-commit hook; the transaction itself is committed")
                    .with_source(error))
            }
        }
    }

    /// Runs the rollback hooks; their failures are logged, since the caller already has an error.
    pub(crate) async fn run_on_rollback(self) {
        for hook in self.on_rollback {
            if let Err(error) = run(hook).await {
                tracing::error!(error = %error, "a rollback hook failed");
            }
        }
    }
}

/// Runs a hook that others may stand behind: a panic in it is a failure.
async fn run(hook: Hook) -> Result<(), Error> {
    // Called inside, for it may panic before there is a future.
    let running = AssertUnwindSafe(async move { hook().await }).catch_unwind();
    running.await.unwrap_or_else(|_| Err(Error::other("run a hook: it panicked")))
}
