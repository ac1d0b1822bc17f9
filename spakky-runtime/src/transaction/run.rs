//! Running a body in a scope.

use std::future::Future;
use std::pin::Pin;

use super::scope::{Closed, Scope};
use super::{Policy, Retry, TransactionOptions};
use crate::error::{Error, ErrorKind};
use crate::session::{InScope, OutOfTime, SessionManager};

/// The body of a scope. Passed by reference, so that the future is not copied into each scope around it, and as an option,
/// so that a time-out can drop it in place.
pub type Body<'a, F> = Pin<&'a mut Option<F>>;

/// How an attempt ended.
#[derive(Debug)]
pub enum Attempt<T> {
    /// For good.
    Done(T),
    /// With a passing failure; the pause before the next attempt is over.
    Again,
}

/// Runs `body` in the scope that `options` ask for, once.
///
/// # Errors
/// The body's own error, unchanged, after a rollback; else whatever kept the transaction from committing, as
/// [`Policy::failed`] makes it.
///
/// # Cancellation
/// Dropped before COMMIT was sent, the transaction is rolled back in the background. Dropped after, it ends as the
/// database decides, and a background task runs the hooks that follow.
pub async fn run_once<R, E, F>(
    manager: &SessionManager,
    options: &TransactionOptions,
    body: Body<'_, F>,
    policy: &Policy<R, E>,
) -> R
where
    F: Future<Output = R>,
{
    match run(manager, options, body, policy, &mut Retry::none()).await {
        Attempt::Done(result) => result,
        Attempt::Again => {
            let error = Error::new(ErrorKind::InvalidTransaction, "retry a scope that asked for no retry");
            policy.failed(error)
        }
    }
}

/// Runs `body` in the scope that `options` ask for, as one attempt of `retry`.
///
/// # Errors
/// As [`run_once`].
pub async fn run<R, E, F>(
    manager: &SessionManager,
    options: &TransactionOptions,
    body: Body<'_, F>,
    policy: &Policy<R, E>,
    retry: &mut Retry,
) -> Attempt<R>
where
    F: Future<Output = R>,
{
    match retry.context_again() {
        Some(context) => Box::pin(context.scope(run_here(manager, options, body, policy, retry))).await,
        None => run_here(manager, options, body, policy, retry).await,
    }
}

/// Runs `body` in the context around this place.
async fn run_here<R, E, F>(
    manager: &SessionManager,
    options: &TransactionOptions,
    mut body: Body<'_, F>,
    policy: &Policy<R, E>,
    retry: &mut Retry,
) -> Attempt<R>
where
    F: Future<Output = R>,
{
    let mut scope = match Scope::open(manager, options, retry.attempt()).await {
        Ok(scope) => scope,
        Err(error) => return Attempt::Done(policy.failed(error)),
    };
    let ended = match body.as_mut().as_pin_mut() {
        Some(body) => {
            let running = InScope::new(manager.id(), scope.session(), body).span(scope.span()).limit(options.timeout);
            running.await.map_err(|OutOfTime| options.out_of_time())
        }
        None => Err(Error::new(ErrorKind::InvalidTransaction, "run a body that has run already; make a new one")),
    };
    // A body out of time is dropped where it stands, before anything else happens, so that nothing of it is still using
    // the session.
    body.set(None);
    let (result, commits) = match ended {
        Ok(result) => {
            let commits = policy.commits(&result);
            (result, commits)
        }
        // It did not come to its end, so whatever its error is taken for, what it wrote is not to be kept.
        Err(error) => (policy.failed(error), false),
    };
    let closed = match scope.close_at_once(commits) {
        Some(closed) => closed,
        None => Box::pin(scope.close(commits, retry)).await,
    };
    match closed {
        Closed::Kept => Attempt::Done(result),
        Closed::Failed(error) => Attempt::Done(policy.failed(error)),
        Closed::Again => Attempt::Again,
    }
}
