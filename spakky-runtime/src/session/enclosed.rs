//! Scopes inside the one transaction around a whole test, which is undone at its end.
//!
//! A scope that would have a transaction of its own is a nested scope of that transaction here, with a savepoint, so that all
//! that holds for nested scopes holds for it: one at a time, undone by itself, cleaned up when its future is dropped. What
//! makes it a transaction to those inside it is kept apart: its options, context and name, what it knows of its rows, its span
//! and its statistics. Where COMMIT would be sent, constraints that wait for it are checked.

use std::sync::Arc;

use tracing::Span;

use super::execute::{Call, Wire};
use super::state::State;
use super::{CatalogGuard, Session, SessionManager, SessionStatistics};
use crate::backend::{Answer, Backend, Statement, Step};
use crate::context::RequestContext;
use crate::error::{Error, ErrorKind};
use crate::mutation::Mutation;
use crate::transaction::{Hooks, TimeLimit, TransactionOptions};
use crate::unit_of_work::IdentityMap;

/// Has PostgreSQL check what waits for COMMIT; afterwards each constraint waits or not as it was declared.
const CHECK_POSTGRES: &str = "\
DO $spakky$
DECLARE waiting text;
BEGIN
    SET CONSTRAINTS ALL IMMEDIATE;
    SELECT string_agg(DISTINCT format('%I.%I', n.nspname, c.conname), ', ') INTO waiting
    FROM pg_catalog.pg_constraint c JOIN pg_catalog.pg_namespace n ON n.oid = c.connamespace WHERE c.condeferred;
    IF waiting IS NOT NULL THEN
        EXECUTE 'SET CONSTRAINTS ' || waiting || ' DEFERRED';
    END IF;
END
$spakky$";
/// Foreign keys are all that waits on SQLite.
const CHECK_SQLITE: &str = "SELECT \"table\" FROM pragma_foreign_key_check LIMIT 1";

/// What is the outer scope's, while one inside it stands for a transaction.
pub(crate) struct Around {
    map: IdentityMap,
    span: Span,
    statistics: SessionStatistics,
    observed: bool,
    wrote: bool,
}

impl State {
    /// Begins anew for a scope inside this one, and answers with the id of its frame.
    fn open_enclosed(&mut self, name: &'static str, span: Span) -> u64 {
        let around = Around {
            map: std::mem::replace(&mut self.map, IdentityMap::inside(self.frames.len() - 1)),
            span: std::mem::replace(&mut self.span, span),
            statistics: std::mem::take(&mut self.statistics),
            observed: std::mem::take(&mut self.observed),
            wrote: std::mem::take(&mut self.wrote),
        };
        self.failure = None;
        let id = self.open_frame(name);
        if let Some(frame) = self.frames.last_mut() {
            frame.around = Some(Box::new(around));
        }
        id
    }

    /// Goes on with the scope around.
    pub(super) fn close_enclosed(&mut self, around: Around) {
        let Around { map, span, statistics, observed, wrote } = around;
        self.map = map;
        self.span = span;
        self.statistics = statistics;
        self.observed = observed;
        self.wrote |= wrote;
    }
}

impl SessionManager {
    /// Opens the transaction in which all others of this manager are from now on.
    pub(crate) fn enclose(&self) -> Enclosure {
        let session = self.open(&TransactionOptions::new().name("test"), 1);
        *self.enclosing_slot() = Some(session.clone());
        Enclosure { sessions: self.clone(), session }
    }

    /// Whether all that is done with this manager is part of one transaction.
    pub(super) fn is_enclosing(&self) -> bool {
        self.enclosing_slot().is_some()
    }

    /// The innermost scope around this place, or the test's own, if all that is done here is part of one transaction.
    pub(crate) fn enclosing(&self) -> Option<Session> {
        let outermost = self.enclosing_slot().clone()?;
        Some(super::ambient::innermost_of(self).unwrap_or(outermost))
    }
}

/// The transaction around a test.
pub(crate) struct Enclosure {
    sessions: SessionManager,
    session: Session,
}

impl Enclosure {
    /// Undoes everything.
    pub(crate) async fn undo(self) {
        self.session.rollback().await;
    }
}

impl Drop for Enclosure {
    fn drop(&mut self) {
        // The session holds the manager.
        *self.sessions.enclosing_slot() = None;
    }
}

impl Session {
    /// Whether it stands for a transaction, inside another.
    pub(super) fn is_enclosed(&self) -> bool {
        let state = self.state();
        state.frames.get(self.depth).is_some_and(|frame| frame.id == self.frame && frame.around.is_some())
    }

    /// Opens a scope that stands for a transaction, once it is its turn.
    ///
    /// # Errors
    /// When it would wait for itself, or has settings that would outlast it.
    pub(crate) async fn begin_enclosed(&self, options: &TransactionOptions, attempt: u32) -> Result<Session, Error> {
        let _wire = self.wire().await?;
        self.open_enclosed(options, attempt)
    }

    /// The same for a caller that cannot wait.
    pub(super) fn begin_enclosed_now(&self, options: &TransactionOptions) -> Result<Session, Error> {
        let wire = Arc::clone(&self.inner.wire).try_lock_owned();
        let is_innermost = self.state().frames.len() - 1 == self.depth;
        if wire.is_ok() && is_innermost {
            return self.open_enclosed(options, 1);
        }
        let message = format!(
            "begin `{}` while another scope is open: the test is one transaction, whose scopes end in the order opposite to \
             that in which they began; remove `rollback` from its `#[spakky::test]`",
            options.display_name()
        );
        Err(Error::new(ErrorKind::InvalidTransaction, message))
    }

    fn open_enclosed(&self, options: &TransactionOptions, attempt: u32) -> Result<Session, Error> {
        if RequestContext::with_current(RequestContext::has_settings) {
            let message = format!(
                "open `{}` with settings in the request's context: they would last until the end of the transaction around \
                 the test; remove `rollback` from its `#[spakky::test]`",
                options.display_name()
            );
            return Err(Error::new(ErrorKind::InvalidTransaction, message));
        }
        let span = self.manager().unit_of_work_span(options, attempt);
        let frame = self.state().open_enclosed(options.display_name(), span);
        Ok(self.inside(options, frame))
    }

    /// Ends it well, as COMMIT would.
    pub(super) async fn commit_enclosed(&self, limit: TimeLimit<'_>) -> Result<(), Error> {
        match self.settle_enclosed(limit).await {
            Ok(wire) => {
                self.observe_end("committed");
                let mut hooks = self.leave_enclosed();
                let telling = self.manager().listeners().begin(std::mem::take(&mut hooks.mutations));
                drop(wire);
                self.turn().notify_waiters();
                telling.tell(self.context()).await;
                self.run_after_commit(hooks).await
            }
            Err(error) => {
                self.undo_nested().await;
                Err(error)
            }
        }
    }

    /// Everything that comes before the end, and what is queued with it. The limit is that of hooks: what is sent at the end stands
    /// for COMMIT.
    async fn settle_enclosed(&self, limit: TimeLimit<'_>) -> Result<Wire, Error> {
        let hooks = async {
            self.check_committable()?;
            self.run_before_hooks().await
        };
        limit.keep(hooks).await?;
        self.end_stream();
        loop {
            let mut wire = self.wire().await?;
            self.catch_up_before_end(&mut wire).await?;
            self.check_committable()?;
            if !self.has_queued() && !self.state().wrote {
                return Ok(wire);
            }
            let connection = self.connection(&mut wire).await?;
            let statements = vec![self.deferred_check()];
            let call = Call { statements, flush: true, writes: false, transaction: false };
            let outgoing = self.assemble(call)?;
            let answers = self.exchange(&connection, outgoing).await?;
            check_answer(self.manager().backend(), answers.last())?;
            self.state().wrote = false;
        }
    }

    fn deferred_check(&self) -> Statement {
        let sql = match self.manager().backend() {
            Backend::Postgres => CHECK_POSTGRES,
            Backend::Sqlite => CHECK_SQLITE,
        };
        Statement { sql: sql.into(), binds: Vec::new(), cached: false, guard: None, meaning: None, by_user: false }
    }

    /// Takes the frame off; its savepoint is released with the next burst.
    fn leave_enclosed(&self) -> Hooks {
        let mut state = self.state();
        let Some(mut frame) = state.frames.pop() else { return Hooks::default() };
        if let Some(name) = &frame.savepoint {
            state.prelude.push(Step::Control(format!("RELEASE SAVEPOINT {name}").into()));
        }
        if let Some(around) = frame.around.take() {
            state.close_enclosed(*around);
        }
        std::mem::take(&mut frame.hooks)
    }

    /// Runs statements outside any scope of the program's.
    pub(super) async fn run_enclosed(
        &self,
        steps: Vec<Step>,
        writes: bool,
        asked: Option<Box<CatalogGuard>>,
        mutation: Option<Mutation>,
    ) -> Result<Vec<Answer>, Error> {
        let session = self.begin_enclosed(&TransactionOptions::new().name("no scope"), 1).await?;
        let mut guard = super::ScopeGuard::new(&session);
        let statements = steps.into_iter().filter_map(|step| match step {
            Step::Statement(statement) => Some(statement),
            Step::Begin(_) | Step::Draw(_) | Step::Control(_) | Step::Commit | Step::Rollback => None,
        });
        let call = Call { statements: statements.collect(), flush: false, writes, transaction: writes };
        let result = match session.execute_behind(call, asked).await {
            Ok(answers) => {
                if let Some(frame) = session.state().frames.get_mut(session.depth) {
                    frame.hooks.mutations.extend(mutation);
                }
                session.commit_enclosed(TimeLimit::NONE).await.map(|()| answers)
            }
            Err(error) => {
                session.undo_nested().await;
                Err(error)
            }
        };
        guard.disarm();
        result
    }
}

/// What SQLite would say at COMMIT.
fn check_answer(backend: Backend, answer: Option<&Answer>) -> Result<(), Error> {
    if backend == Backend::Sqlite && answer.is_some_and(|answer| !answer.rows.is_empty()) {
        let error =
            crate::error::DatabaseError::new(ErrorKind::ForeignKeyViolation, "787", "FOREIGN KEY constraint failed");
        return Err(Error::from_database(error));
    }
    Ok(())
}
