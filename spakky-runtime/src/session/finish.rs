//! How a session ends: commit, rollback, and a scope that is dropped halfway.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::instrument::WithSubscriber;
use tracing::{Instrument, Span};
use uuid::Uuid;

use super::execute::{Call, Outgoing, Part, Wire};
use super::state::{Frame, Phase};
use super::{Session, SessionStatistics, enter_scope, has_runtime, runtime_or};
use crate::backend::{Backend, BurstResult, Connection, Pending, Statement, Step, stopped};
use crate::error::{Error, ErrorKind};
use crate::pool::Lease;
use crate::transaction::{Hooks, Isolation, Outcome, Question, TimeLimit, Unstoppable, commit_token};
use crate::unit_of_work::RowKey;

/// How long the clean-up of a connection may take before it is closed instead.
pub(super) const CLEANUP_DEADLINE: Duration = Duration::from_secs(5);
/// How long the end of a transaction waits for a call in another task before it is stopped, and stopped again.
const PATIENCE: Duration = Duration::from_millis(50);
/// How many before-commit hooks may run for one commit, those that hooks register included.
const MAX_HOOKS: usize = 1_000;

impl Session {
    /// Ends the session well: before-commit hooks, flush, COMMIT, after-commit hooks.
    pub(crate) async fn commit(&self) -> Result<(), Error> {
        self.commit_within(TimeLimit::NONE).await
    }

    /// The same; what comes before COMMIT has a limit.
    pub(crate) async fn commit_within(&self, limit: TimeLimit<'_>) -> Result<(), Error> {
        #[cfg(feature = "testing")]
        if self.is_enclosed() {
            return Box::pin(self.commit_enclosed(limit)).await;
        }
        match limit.keep(self.prepare_commit()).await {
            Ok((mut wire, Some(outgoing))) => match wire.take() {
                Some(lease) => self.send_commit(wire, lease, outgoing).await,
                None => Err(Error::new(ErrorKind::Connection, "commit: the session has no connection")),
            },
            Ok((wire, None)) => self.end_unwritten(wire).await,
            Err(error) => {
                self.rollback().await;
                Err(error)
            }
        }
    }

    /// Everything that comes before COMMIT. Without steps there is nothing whose commit has to be waited for.
    async fn prepare_commit(&self) -> Result<(Wire, Option<Outgoing>), Error> {
        self.check_committable()?;
        self.run_before_hooks().await?;
        self.check_committable()?;
        self.end_stream();
        let mut wire = self.wire().await?;
        // A call in another task may have failed while this one waited for its turn.
        self.check_committable()?;
        let nothing_pending = self.state().frames.iter().all(|frame| frame.queue.is_empty());
        if nothing_pending && !self.must_commit() {
            return Ok((wire, None));
        }
        let connection = self.connection(&mut wire).await?;
        // A stream may have left rows that are still to come: COMMIT is handed over behind them, and what comes before has a limit.
        connection.answered().await;
        self.check_committable()?;
        let mut outgoing =
            self.assemble(Call { statements: Vec::new(), flush: true, writes: false, transaction: false })?;
        if !self.must_commit() {
            // What was queued turned out to change nothing; what is owed from before ends with the transaction.
            return Ok((wire, None));
        }
        self.add_probe(&mut outgoing);
        outgoing.push(Step::Commit, Part::Commit);
        Ok((wire, Some(outgoing)))
    }

    /// Whether the outcome of COMMIT matters. Reads alone cannot fail in it, unless they have to fit into a serial order.
    fn must_commit(&self) -> bool {
        let state = self.state();
        let serializable = self.inner.mode.isolation == Some(Isolation::Serializable);
        state.phase == Phase::Open && (state.wrote || serializable)
    }

    /// Asks for the transaction's id ahead of COMMIT where it is not known, or writes the row that stands for it. An answer
    /// that nobody waited for may also have been a failure, after which the server answers COMMIT by rolling back: the
    /// statement fails then.
    fn add_probe(&self, outgoing: &mut Outgoing) {
        if self.inner.manager.backend() != Backend::Postgres {
            return;
        }
        if self.inner.manager.writes_commit_tokens()
            && let mut state = self.state()
            && state.wrote
            && state.xid.is_none()
        {
            let token = Uuid::now_v7();
            state.commit_token = Some(token);
            return outgoing.push(Step::Statement(commit_token::write(token)), Part::Token);
        }
        let answered = {
            let state = self.state();
            state.xid.is_some() && !state.unobserved
        };
        let tells = |part: &Part| matches!(part, Part::Flush { .. });
        let told = outgoing.parts.iter().any(tells) && !self.state().unobserved;
        if !answered && !told {
            outgoing.push(Step::Statement(Statement::transaction_id()), Part::Probe);
        }
    }

    /// Ends a transaction that has only read. Its COMMIT is not waited for.
    async fn end_unwritten(&self, mut wire: Wire) -> Result<(), Error> {
        let (phase, unobserved) = {
            let state = self.state();
            (state.phase, state.unobserved)
        };
        let hooks = self.end(Phase::Ended);
        let lease = wire.take();
        drop(wire);
        let mut burst = std::mem::take(&mut self.state().prelude);
        burst.push(Step::Commit);
        let echoed = burst.clone();
        let session = self.clone();
        let work = async move {
            match lease {
                // A read that was given up may still be running.
                Some(lease) if unobserved => give_back(lease).await,
                Some(lease) => {
                    if phase == Phase::Open {
                        // A savepoint that is still to be undone, or released, goes ahead.
                        let ending = lease.connection().send(burst);
                        lease.release_behind(ending);
                    } else {
                        lease.release();
                    }
                }
                None => {}
            }
            session.run_after_commit(hooks).await
        };
        if phase == Phase::Open {
            self.inner.manager.echo(&echoed);
            let sent = SessionStatistics { statements: echoed.len() as u64, ..Default::default() };
            self.state().statistics += sent;
            self.inner.manager.count(sent);
        }
        let span = self.span();
        self.keep_given();
        self.observe_end("committed");
        Unstoppable::new(self.inner.runtime.clone(), span, report, work).await
    }

    /// Sends COMMIT. From here on the outcome is the database's: if this future is dropped, a task of its own waits for
    /// the answer and runs the hooks that it asks for. The transaction of a call outside any scope is stopped then, if it
    /// still can be.
    async fn send_commit(&self, wire: Wire, lease: Lease, outgoing: Outgoing) -> Result<(), Error> {
        let Outgoing { burst, parts, .. } = outgoing;
        self.inner.manager.echo(&burst);
        let watch = self.watch(&burst, &parts);
        let mut hooks = self.end(Phase::Committing);
        // Before it is sent: a transaction that finds what this one wrote must find that it is being committed, too.
        let telling = self.inner.manager.listeners().begin(std::mem::take(&mut hooks.mutations));
        let mut pending = lease.connection().send(burst);
        let (session, span) = (self.clone(), self.span());
        let given_up = self.state().is_call.then(Arc::<AtomicBool>::default);
        let tells = given_up.clone();
        let work = async move {
            let result = match given_up {
                Some(given_up) => unless_given_up(lease.connection(), &mut pending, &given_up).await,
                None => pending.await,
            };
            watch.answered(&result);
            let ended = session.ended(lease, parts, result).await;
            session.observe_end(match &ended {
                Ok(()) => {
                    session.keep_given();
                    "committed"
                }
                Err(error) if error.is_outcome_unknown() => "unknown",
                Err(_) => {
                    session.undo_given();
                    "rolled back"
                }
            });
            session.state().phase = Phase::Ended;
            drop(wire);
            match ended {
                Ok(()) => {
                    telling.tell(session.context()).await;
                    session.run_after_commit(hooks).await
                }
                Err(error) => {
                    if error.kind() != ErrorKind::OutcomeUnknown {
                        session.run_on_rollback(hooks).await;
                    }
                    Err(error)
                }
            }
        };
        Unstoppable::new(self.inner.runtime.clone(), span, report, work).tells(tells).await
    }

    /// The outcome of a commit whose answer came, or did not.
    async fn ended(&self, lease: Lease, parts: Vec<Part>, result: BurstResult) -> Result<(), Error> {
        let failure = match result {
            Ok(answers) => {
                self.absorb(parts, Ok(answers))?;
                if self.state().commit_token.is_some() {
                    self.inner.manager.sweep_commit_tokens(&lease);
                }
                lease.release();
                return Ok(());
            }
            Err(failure) => failure,
        };
        let lost = failure.lost;
        let Err(error) = self.absorb(parts, Err(failure)) else { return Ok(()) };
        if !lost {
            // The failed statement turned the COMMIT behind it into a ROLLBACK.
            give_back(lease).await;
            return Err(error);
        }
        let lost = Arc::clone(lease.connection());
        drop(lease);
        let question = {
            let state = self.state();
            let question = Question { xid: state.xid.clone(), token: state.commit_token };
            (question.xid.is_some() || question.token.is_some()).then_some(question)
        };
        match self.inner.manager.resolve_outcome(&lost, question).await {
            Outcome::Committed => {
                self.state().map.clear();
                Ok(())
            }
            Outcome::Aborted => Err(error),
            Outcome::Unknown => {
                let message = "learn whether the transaction was committed: the connection broke while COMMIT was under \
                               way; look for what it wrote before doing it again";
                Err(Error::new(ErrorKind::OutcomeUnknown, message).with_retryable(false).with_source(error))
            }
        }
    }

    /// Runs the hooks of a commit in the context that the session was opened in, and in no scope of its database, whatever
    /// stands around its end.
    pub(super) async fn run_after_commit(&self, hooks: Hooks) -> Result<(), Error> {
        if hooks.after_commit.is_empty() {
            return Ok(());
        }
        let running = self.context().clone().scope(hooks.run_after_commit());
        enter_scope(self.inner.manager.id(), None, pin!(running)).await
    }

    /// The same for the hooks of a rollback.
    async fn run_on_rollback(&self, hooks: Hooks) {
        if !hooks.on_rollback.is_empty() {
            let running = self.context().clone().scope(hooks.run_on_rollback());
            enter_scope(self.inner.manager.id(), None, pin!(running)).await;
        }
    }

    /// Runs the before-commit hooks in the scope, so that they find its session.
    pub(super) async fn run_before_hooks(&self) -> Result<(), Error> {
        for _ in 0..MAX_HOOKS {
            let next = {
                let mut state = self.state();
                let hooks = state.frames.get_mut(self.depth).map(|frame| &mut frame.hooks.before_commit);
                hooks.filter(|hooks| !hooks.is_empty()).map(|hooks| hooks.remove(0))
            };
            match next {
                Some(hook) => {
                    // Called inside the context, too: a hook may ask for it before there is a future.
                    let running = self.context().clone().scope(async move { hook().await });
                    enter_scope(self.inner.manager.id(), Some(self.clone()), pin!(running)).await?;
                }
                None => return Ok(()),
            }
        }
        Err(Error::new(
            ErrorKind::InvalidTransaction,
            format!("run the before-commit hooks: {MAX_HOOKS} have run and there are more; does one register itself?"),
        ))
    }

    pub(super) fn check_committable(&self) -> Result<(), Error> {
        let state = self.state();
        match state.frames.iter().find_map(|frame| frame.doom.as_ref()) {
            None => Ok(()),
            Some(doom) => Err(Error::new(
                ErrorKind::RollbackOnly,
                format!("commit `{}`: it can only be rolled back, because {}", self.inner.name, doom.reason),
            )),
        }
    }

    /// Takes back what was given to values in all of its scopes.
    fn undo_given(&self) {
        let mut state = self.state();
        let mut undone = std::mem::take(&mut state.undone);
        undone.extend(state.frames.iter_mut().flat_map(Frame::undo));
        drop(state);
        self.inner.manager.undone_versions().remember(undone);
    }

    /// Remembers what nested scopes gave to values and took back, but for the versions that came to be all the same.
    fn keep_given(&self) {
        let mut state = self.state();
        let undone = std::mem::take(&mut state.undone);
        if undone.is_empty() {
            return;
        }
        let is_given = |version: &(RowKey, i64)| state.frames.iter().any(|frame| frame.given.contains(version));
        let undone: Vec<_> = undone.into_iter().filter(|version| !is_given(version)).collect();
        drop(state);
        self.inner.manager.undone_versions().remember(undone);
    }

    /// Marks the session and takes its hooks.
    fn end(&self, phase: Phase) -> Hooks {
        let mut state = self.state();
        state.phase = phase;
        // Whoever has the connection makes it clean, which nobody's answer may hold up.
        let given_up = std::mem::take(&mut state.given_up);
        let mut hooks = Hooks::default();
        for frame in &mut state.frames {
            hooks.extend(std::mem::take(&mut frame.hooks));
        }
        drop(state);
        drop(given_up);
        // Whoever waits for a nested scope to end learns that all of it has.
        self.turn().notify_waiters();
        hooks
    }

    /// Ends the session undoing everything, and waits until its locks are gone.
    pub(crate) async fn rollback(&self) {
        #[cfg(feature = "testing")]
        if self.is_enclosed() {
            return Box::pin(self.undo_nested()).await;
        }
        let span = self.span();
        let Some(work) = self.begin_rollback() else { return };
        if has_runtime() {
            return Unstoppable::new(self.inner.runtime.clone(), span, drop, work).await;
        }
        // Where it is awaited there are no timers.
        if let Some(task) = self.leave(span, work) {
            // It says nothing of how it ended, and a runtime that is gone has closed the connection.
            let _ = task.await;
        }
    }

    /// Ends the session for all who use it; `None` if it has ended already. The rest undoes what the database has of it.
    fn begin_rollback(&self) -> Option<impl Future<Output = ()> + Send + 'static> {
        let phase = {
            let mut state = self.state();
            if matches!(state.phase, Phase::Committing | Phase::Ended) {
                return None;
            }
            std::mem::replace(&mut state.phase, Phase::Ended)
        };
        let hooks = self.end(Phase::Ended);
        self.end_stream();
        self.undo_given();
        self.observe_end("rolled back");
        let session = self.clone();
        Some(async move {
            if session.close_if_lent() {
                return session.run_on_rollback(hooks).await;
            }
            let mut wire = session.seize().await;
            // Only now: a body that is dropped after this began gives up its calls meanwhile.
            let unobserved = session.state().unobserved;
            if let Some(lease) = wire.take() {
                if phase == Phase::Idle && !unobserved {
                    lease.release();
                } else {
                    give_back(lease).await;
                }
            }
            drop(wire);
            session.run_on_rollback(hooks).await;
        })
    }

    /// Closes a connection that is lent, which undoes its transaction: the loan may be the caller's own, who would wait for
    /// its end for ever. The loan gives the connection up when it is dropped.
    fn close_if_lent(&self) -> bool {
        let state = self.state();
        if state.lent
            && let Some(connection) = state.connection.upgrade()
        {
            connection.close();
        }
        state.lent
    }

    /// The wire, although another task may be waiting for an answer on it: that is stopped. Where it does not stop in time, the
    /// connection is closed.
    async fn seize(&self) -> Wire {
        let mut waiting = pin!(Arc::clone(&self.inner.wire).lock_owned());
        let end = Instant::now() + CLEANUP_DEADLINE;
        loop {
            match tokio::time::timeout(PATIENCE, waiting.as_mut()).await {
                Ok(wire) => return wire,
                Err(_) => {
                    let connection = self.state().connection.upgrade();
                    if let Some(connection) = connection {
                        if Instant::now() >= end {
                            connection.close();
                        }
                        connection.cancel().await;
                    }
                }
            }
        }
    }

    /// Rolls back in the background, for a scope whose future was dropped.
    pub(super) fn abandon(&self) {
        let span = self.span();
        if let Some(work) = self.begin_rollback() {
            drop(self.leave(span, work));
        }
    }

    /// Leaves the end of the session to a task of its own.
    fn leave(&self, span: Span, work: impl Future<Output = ()> + Send + 'static) -> Option<JoinHandle<()>> {
        let Some(runtime) = runtime_or(self.inner.runtime.as_ref()) else {
            // Without a runtime nothing can be sent; dropping the lease closes the connection, which rolls back too.
            if let Ok(mut wire) = self.inner.wire.try_lock() {
                drop(wire.take());
            }
            return None;
        };
        Some(runtime.spawn(work.instrument(span).with_current_subscriber()))
    }
}

/// The answer to a burst, which is stopped once nobody waits for it any more.
async fn unless_given_up(connection: &Connection, pending: &mut Pending, given_up: &AtomicBool) -> BurstResult {
    let answered = poll_fn(|context| {
        if given_up.load(Ordering::Acquire) {
            return Poll::Ready(None);
        }
        pending.as_mut().poll(context).map(Some)
    });
    match answered.await {
        Some(result) => result,
        None => stopped(connection, pending).await,
    }
}

/// Returns a connection to the pool once it is clean, or closes it. One that holds its database is waited for: whoever used
/// it next would have to, and without a limit.
pub(crate) async fn give_back(lease: Lease) {
    while !lease.connection().reset(CLEANUP_DEADLINE).await {
        if !lease.holds_database() {
            return;
        }
    }
    lease.release();
}

/// What becomes of the result of a commit whose caller went away.
fn report(result: Result<(), Error>) {
    if let Err(error) = result {
        tracing::warn!(error = %error, "a transaction whose caller went away did not end well");
    }
}
