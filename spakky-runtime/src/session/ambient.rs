//! How a session is found: a stack of scopes in a task-local, keyed by manager.
//!
//! A spawned task starts with an empty stack: it has no part in the scope it was spawned from.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::task::coop::{Unconstrained, unconstrained};
use tokio::time::Sleep;
use tracing::Span;

use super::state::Phase;
use super::{Session, SessionManager};

tokio::task_local! {
    static SCOPE: Arc<Scope>;
}

/// One scope of the current task.
#[derive(Debug)]
pub(crate) struct Scope {
    pub(crate) manager: u64,
    /// The session of the scope; `None` where an outer one is left aside (`not_supported`).
    pub(crate) session: Option<Session>,
    pub(crate) parent: Option<Arc<Scope>>,
}

impl Scope {
    /// A scope inside the current one.
    fn inside(manager: u64, session: Option<Session>) -> Arc<Self> {
        Arc::new(Scope { manager, session, parent: SCOPE.try_with(Arc::clone).ok() })
    }
}

fn stack() -> impl Iterator<Item = Arc<Scope>> {
    std::iter::successors(SCOPE.try_with(Arc::clone).ok(), |scope| scope.parent.clone())
}

/// The session that code here works in, for one manager.
pub(crate) fn find(manager: u64) -> Option<Session> {
    stack().find(|scope| scope.manager == manager).and_then(|scope| scope.session.clone())
}

/// The session of the innermost scope, of whatever manager.
pub(crate) fn innermost() -> Option<Session> {
    stack().next().and_then(|scope| scope.session.clone())
}

/// Whether this task holds a connection of the manager, in any scope around this place but that of `except`.
pub(crate) fn holds_connection(manager: &SessionManager, except: Option<&Session>) -> bool {
    sessions_around(manager, except).any(|session| session.holds_connection())
}

/// The session of the innermost scope of this manager's pool around this place, also of one that is left aside.
#[cfg(feature = "testing")]
pub(super) fn innermost_of(manager: &SessionManager) -> Option<Session> {
    sessions_around(manager, None).next()
}

/// The sessions of the manager's own pool in all scopes around this place, but for `except`.
fn sessions_around(manager: &SessionManager, except: Option<&Session>) -> impl Iterator<Item = Session> {
    stack()
        .filter_map(|scope| scope.session.clone())
        .filter(|session| session.manager().shares_pool(manager))
        .filter(move |session| !except.is_some_and(|except| except.shares_transaction(session)))
}

impl Session {
    /// Whether code here works in this session.
    pub(crate) fn is_around(&self) -> bool {
        find(self.manager().id()).is_some_and(|found| Arc::ptr_eq(&found.inner, &self.inner))
    }
}

/// Whether this place is inside a scope nested in that of `session`.
pub(crate) fn is_inside_nested(session: &Session) -> bool {
    stack()
        .filter_map(|scope| scope.session.clone())
        .any(|inner| inner.shares_transaction(session) && inner.depth > session.depth)
}

/// The name of a scope around this place, other than that of `except`, whose transaction can write.
pub(crate) fn writing_around(manager: &SessionManager, except: Option<&Session>) -> Option<&'static str> {
    sessions_around(manager, except)
        .find(|session| session.state().phase == Phase::Open && !session.inner.mode.read_only)
        .map(|session| session.name())
}

/// Runs a future inside a scope.
pub(crate) async fn enter<F: Future>(manager: u64, session: Option<Session>, future: Pin<&mut F>) -> F::Output {
    SCOPE.scope(Scope::inside(manager, session), future).await
}

/// A future that runs inside a scope, in the scope's span and within its time.
///
/// It holds the future by reference, so that it is not copied into each scope around it, and is written out instead of
/// put together of others, because it is part of every caller's future.
pub(crate) struct InScope<'a, F> {
    future: Pin<&'a mut F>,
    scope: Arc<Scope>,
    span: Span,
    /// Unconstrained: a body that used up its turn must not keep its own limit from being looked at.
    limit: Option<Pin<Box<Unconstrained<Sleep>>>>,
}

impl<'a, F> InScope<'a, F> {
    pub(crate) fn new(manager: u64, session: Option<Session>, future: Pin<&'a mut F>) -> Self {
        InScope { future, scope: Scope::inside(manager, session), span: Span::none(), limit: None }
    }

    /// In this span.
    pub(crate) fn span(self, span: Span) -> Self {
        InScope { span, ..self }
    }

    /// No longer than this.
    pub(crate) fn limit(self, limit: Option<Duration>) -> Self {
        InScope { limit: limit.map(|limit| Box::pin(unconstrained(tokio::time::sleep(limit)))), ..self }
    }
}

/// The time of a scope is over.
pub(crate) struct OutOfTime;

impl<F: Future> Future for InScope<'_, F> {
    type Output = Result<F::Output, OutOfTime>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let InScope { future, scope, span, limit } = self.get_mut();
        let _entered = span.enter();
        let result = SCOPE.sync_scope(Arc::clone(scope), || future.as_mut().poll(context));
        match (result, limit) {
            (Poll::Ready(output), _) => Poll::Ready(Ok(output)),
            (Poll::Pending, Some(limit)) => limit.as_mut().poll(context).map(|()| Err(OutOfTime)),
            (Poll::Pending, None) => Poll::Pending,
        }
    }
}
