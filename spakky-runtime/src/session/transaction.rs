//! A transaction that the caller ends.

use tracing::Instrument;

use super::{ScopeGuard, Session, enter_scope};
use crate::error::Error;
#[cfg(feature = "testing")]
use crate::transaction::TransactionOptions;

/// An open transaction without a body around it, from [`SessionManager::begin`](super::SessionManager::begin).
///
/// Repositories take part in it through `repo.in_session(transaction.session())`, or inside
/// [`run`](Self::run), where they find it by themselves.
///
/// Dropped without [`commit`](Self::commit), it is rolled back in the background.
#[must_use = "a transaction that is dropped is rolled back"]
pub struct Transaction {
    session: Session,
    guard: ScopeGuard,
}

impl Transaction {
    pub(crate) fn new(session: Session) -> Self {
        let guard = ScopeGuard::new(&session);
        Transaction { session, guard }
    }

    /// The session of the transaction.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Runs a future inside the transaction, so that repositories find its session by themselves. Neither commits nor
    /// rolls back.
    pub async fn run<F: Future>(&self, future: F) -> F::Output {
        let future = std::pin::pin!(future.instrument(self.session.span()));
        enter_scope(self.session.manager().id(), Some(self.session.clone()), future).await
    }

    /// Writes what is pending and commits.
    ///
    /// # Errors
    /// Whatever kept it from committing; it is rolled back then, unless
    /// [`is_outcome_unknown`](Error::is_outcome_unknown) or [`is_post_commit`](Error::is_post_commit).
    ///
    /// # Cancellation
    /// Dropped before COMMIT was sent, it is rolled back in the background; dropped after, it ends as the database decides.
    pub async fn commit(mut self) -> Result<(), Error> {
        let result = self.session.commit().await;
        self.guard.disarm();
        result
    }

    /// Undoes everything and waits until the locks are gone.
    pub async fn rollback(mut self) {
        self.session.rollback().await;
        self.guard.disarm();
    }

    /// Commits and begins the next transaction of the same session, with what it knows of its rows, unless
    /// `expire_on_commit` is set. For long imports: what was loaded for one batch serves the next.
    ///
    /// # Errors
    /// As [`commit`](Self::commit); the transaction is gone then.
    pub async fn commit_and_chain(mut self) -> Result<Transaction, Error> {
        #[cfg(feature = "testing")]
        if self.session.is_enclosed() {
            let (manager, name) = (self.session.manager().clone(), self.session.name());
            self.commit().await?;
            return Ok(manager.begin_with(TransactionOptions::new().name(name)));
        }
        let next = self.session.successor();
        let result = self.session.commit().await;
        self.guard.disarm();
        result?;
        if !self.session.manager().config().expire_on_commit {
            next.inherit(&self.session);
        }
        Ok(Transaction::new(next))
    }
}

impl std::fmt::Debug for Transaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transaction").field("session", &self.session).finish()
    }
}
