//! What stands around a body: opened before it, closed after it, and not generic over it, so that it is compiled once and
//! is no part of the futures of callers.

use tracing::{Instrument, Span};

use super::{Propagation, Retry, TimeLimit, TransactionOptions};
use crate::error::{Error, ErrorKind};
use crate::session::{ScopeGuard, Session, SessionManager, check_runtime, find_session, has_runtime};

/// A scope that is open. Dropping it takes back what its body did.
pub(super) struct Scope<'a> {
    options: &'a TransactionOptions,
    limit: TimeLimit<'a>,
    kind: Kind,
}

enum Kind {
    /// A transaction of its own.
    Root { session: Session, guard: ScopeGuard, span: Span },
    /// A part of an open transaction.
    Joined(JoinGuard),
    /// A savepoint of an open transaction.
    Nested { session: Session, guard: ScopeGuard },
    /// No transaction.
    Bare,
}

/// What closing a scope made of its body's result.
pub(super) enum Closed {
    /// It stands.
    Kept,
    /// The scope failed.
    Failed(Error),
    /// It does not count: the body is to run again, the pause before that is over.
    Again,
}

impl<'a> Scope<'a> {
    /// # Errors
    /// When the options contradict each other, or the scope that is open around this place.
    pub(super) async fn open(
        manager: &SessionManager,
        options: &'a TransactionOptions,
        attempt: u32,
    ) -> Result<Self, Error> {
        options.check()?;
        if options.timeout.is_some() {
            check_runtime()?;
        }
        let kind = match (options.propagation, find_session(manager.id())) {
            (Propagation::Required | Propagation::Mandatory | Propagation::Supports, Some(outer)) => {
                let session = join(manager, options, outer)?;
                Kind::Joined(JoinGuard { session, name: options.display_name(), ended: false })
            }
            (Propagation::Nested, Some(outer)) => {
                let outer = join(manager, options, outer)?;
                let session = Box::pin(outer.begin_nested(options.display_name())).await?;
                Kind::Nested { guard: ScopeGuard::new(&session), session }
            }
            (Propagation::Required | Propagation::Nested, None) | (Propagation::RequiresNew, _) => {
                let session = match manager.open_root(options, attempt) {
                    Ok(session) => session,
                    Err(opening) => opening.await?,
                };
                let span = session.span();
                Kind::Root { guard: ScopeGuard::new(&session), session, span }
            }
            (Propagation::Mandatory, None) => {
                return Err(Error::new(
                    ErrorKind::NoSession,
                    format!("run `{}`: it is `mandatory` and there is no transaction to join", options.display_name()),
                ));
            }
            (Propagation::Never, Some(outer)) => {
                return Err(Error::new(
                    ErrorKind::InvalidTransaction,
                    format!("run `{}`: it is `never` and `{}` is open", options.display_name(), outer.name()),
                ));
            }
            (Propagation::Never | Propagation::Supports, None) | (Propagation::NotSupported, _) => Kind::Bare,
        };
        Ok(Scope { options, limit: TimeLimit::from_now(options), kind })
    }

    /// The session that the body finds.
    pub(super) fn session(&self) -> Option<Session> {
        match &self.kind {
            Kind::Root { session, .. } | Kind::Nested { session, .. } => Some(session.clone()),
            Kind::Joined(guard) => Some(guard.session.clone()),
            Kind::Bare => None,
        }
    }

    /// The span that the body runs in; none for a scope that is part of another.
    pub(super) fn span(&self) -> Span {
        match &self.kind {
            Kind::Root { span, .. } => span.clone(),
            Kind::Joined(_) | Kind::Nested { .. } | Kind::Bare => Span::none(),
        }
    }

    /// Keeps what the body did, or takes it back, if that takes no waiting.
    pub(super) fn close_at_once(&mut self, commits: bool) -> Option<Closed> {
        match &mut self.kind {
            Kind::Root { .. } | Kind::Nested { .. } => None,
            Kind::Joined(guard) => {
                guard.ended = true;
                if !commits {
                    let reason = format!("the inner scope `{}` failed", guard.name);
                    guard.session.state().doom(guard.session.depth, reason);
                }
                Some(Closed::Kept)
            }
            Kind::Bare => Some(Closed::Kept),
        }
    }

    /// Keeps what the body did, or takes it back.
    pub(super) async fn close(&mut self, commits: bool, retry: &mut Retry) -> Closed {
        match &mut self.kind {
            Kind::Nested { session, guard } => close_nested(session, guard, commits, self.limit).await,
            Kind::Root { session, guard, span } => {
                let closing = close_root(session, guard, commits, self.limit);
                let (closed, is_undone) = closing.instrument(span.clone()).await;
                let failure = if is_undone { session.state().failure } else { None };
                let Some(pause) = retry.next(failure).filter(|_| has_runtime()) else { return closed };
                let (name, attempt) = (self.options.display_name(), retry.attempt());
                tracing::debug!(name, attempt, "running a unit of work again");
                tokio::time::sleep(pause).await;
                Closed::Again
            }
            Kind::Joined(_) | Kind::Bare => Closed::Kept,
        }
    }
}

/// The session of a scope that is part of `outer`.
fn join(manager: &SessionManager, options: &TransactionOptions, outer: Session) -> Result<Session, Error> {
    options.check_joins(&outer.inner.mode, outer.name(), manager.is_reader())?;
    Ok(if options.read_only { outer.for_reading(options.display_name()) } else { outer })
}

async fn close_nested(session: &Session, guard: &mut ScopeGuard, commits: bool, limit: TimeLimit<'_>) -> Closed {
    let closed = if commits {
        session.end_nested(limit).await.map_or_else(Closed::Failed, |()| Closed::Kept)
    } else {
        session.undo_nested().await;
        Closed::Kept
    };
    guard.disarm();
    closed
}

/// Gives, too, whether nothing of the transaction is left, so that it can be run again.
async fn close_root(session: &Session, guard: &mut ScopeGuard, commits: bool, limit: TimeLimit<'_>) -> (Closed, bool) {
    let (closed, ended) = if commits {
        match session.commit_within(limit).await {
            Ok(()) => (Closed::Kept, "committed"),
            Err(error) => {
                let ended = match error.kind() {
                    ErrorKind::PostCommit => "committed",
                    ErrorKind::OutcomeUnknown => "unknown",
                    _ => "rolled back",
                };
                (Closed::Failed(error), ended)
            }
        }
    } else {
        session.rollback().await;
        (Closed::Kept, "rolled back")
    };
    guard.disarm();
    (closed, ended == "rolled back")
}

/// Marks the transaction when an inner scope that takes part in it is dropped or panics.
struct JoinGuard {
    session: Session,
    name: &'static str,
    ended: bool,
}

impl Drop for JoinGuard {
    fn drop(&mut self) {
        if !self.ended {
            let what = if std::thread::panicking() { "panicked" } else { "was abandoned" };
            self.session.state().doom(self.session.depth, format!("the inner scope `{}` {what}", self.name));
        }
    }
}
