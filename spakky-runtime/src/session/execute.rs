//! Sending a session's bursts.

use std::borrow::Cow;
use std::sync::Arc;

use tokio::sync::OwnedMutexGuard;

use super::ambient::{is_inside_nested, writing_around};
use super::checked::CatalogGuard;
use super::given_up::{Flight, chained};
use super::state::{Phase, State, check_own};
use super::{Session, check_runtime, holds_connection};
use crate::backend::{Answer, Backend, Burst, Connection, Statement, Step};
use crate::error::{Error, ErrorKind};
use crate::instrument::BurstWatch;
use crate::pool::Lease;
use crate::schema::TableDescriptor;
use crate::statement::RaiseStyle;
use crate::transaction::{Isolation, TransactionMode};
use crate::unit_of_work::{Drawing, DrawnIds, FlushContext, FlushPlan, FlushStep, segments};

/// What a call wants to send.
pub(crate) struct Call {
    pub(crate) statements: Vec<Statement>,
    /// Pending writes travel ahead of the statements.
    pub(crate) flush: bool,
    /// The statements may change or lock something: abandoning them dooms the scope, and COMMIT has to be waited for.
    pub(crate) writes: bool,
    /// The statements need a transaction even where reads do without (SQLite before its first write).
    pub(crate) transaction: bool,
}

impl Call {
    /// Queries that see what is pending, if the session's settings say so.
    pub(crate) fn query(session: &Session, statements: Vec<Statement>) -> Self {
        Call { statements, flush: session.inner.manager.config().autoflush, writes: false, transaction: false }
    }

    /// A read by key, which the identity map makes independent of what is pending.
    pub(crate) fn by_key(statement: Statement) -> Self {
        Call { statements: vec![statement], flush: false, writes: false, transaction: false }
    }
}

/// What each step of a burst is for.
pub(super) enum Part {
    Control {
        depth: usize,
    },
    /// Ids for the rows of what is flushed behind it.
    Draw {
        depth: usize,
        drawing: Box<Drawing>,
    },
    Flush {
        depth: usize,
        step: Box<FlushStep>,
        ids: DrawnIds,
    },
    /// Looks up the columns of tables that are written for the first time.
    Catalog {
        depth: usize,
        guard: Box<CatalogGuard>,
    },
    Query {
        depth: usize,
        writes: bool,
    },
    /// Asks for the transaction's id, and whether it has failed unseen.
    Probe,
    /// The row by which the outcome is known. Answers like the probe.
    Token,
    Commit,
}

impl Part {
    pub(super) fn depth(&self) -> usize {
        match self {
            Part::Control { depth }
            | Part::Draw { depth, .. }
            | Part::Flush { depth, .. }
            | Part::Catalog { depth, .. }
            | Part::Query { depth, .. } => *depth,
            Part::Probe | Part::Token | Part::Commit => 0,
        }
    }

    /// Whether it may be about rows of `table`, and was planned behind what has these ids drawn.
    pub(super) fn is_about(&self, table: &TableDescriptor, drawn: &DrawnIds) -> bool {
        matches!(self, Part::Flush { step, ids, .. } if !ids.is_same(drawn) && step.is_about(table))
    }
}

pub(super) struct Outgoing {
    pub(super) burst: Burst,
    pub(super) parts: Vec<Part>,
    /// The scope of the call is written in: if nobody waits for the answers, it can only be rolled back.
    pub(super) writes: bool,
    /// Where the part of the call's own scope begins, behind that of the scopes around it.
    pub(super) own: usize,
    /// Where the transaction begins.
    pub(super) begins: Option<usize>,
}

impl Outgoing {
    pub(super) fn push(&mut self, step: Step, part: Part) {
        self.burst.push(step);
        self.parts.push(part);
    }

    fn push_guard(&mut self, guard: Option<Box<CatalogGuard>>, depth: usize) {
        if let Some(mut guard) = guard
            && let Some(statement) = guard.take_statement()
        {
            self.push(Step::Statement(statement), Part::Catalog { depth, guard });
        }
    }
}

pub(super) type Wire = OwnedMutexGuard<Option<Lease>>;

impl Session {
    /// Sends the call's statements and waits for their answers.
    pub(crate) async fn execute(&self, call: Call) -> Result<Vec<Answer>, Error> {
        self.execute_behind(call, None).await
    }

    /// The same behind a question to the catalog.
    pub(crate) async fn execute_behind(
        &self,
        call: Call,
        guard: Option<Box<CatalogGuard>>,
    ) -> Result<Vec<Answer>, Error> {
        // A write that is given up before it was sent was not done, though the caller may go on as if it was.
        let mut waiting = InFlight::new(self, call.writes);
        let result = self.execute_now(call, guard).await;
        waiting.answered();
        result
    }

    async fn execute_now(&self, call: Call, guard: Option<Box<CatalogGuard>>) -> Result<Vec<Answer>, Error> {
        let mut wire = self.wire().await?;
        let connection = self.connection(&mut wire).await?;
        let wanted = call.statements.len();
        let outgoing = self.assemble_behind(call, guard)?;
        let answers = self.exchange(&connection, outgoing).await?;
        Ok(last(answers, wanted))
    }

    /// Sends what is pending and waits until the database has taken it.
    ///
    /// # Errors
    /// Constraint violations and conflicts of the queued writes, naming where each was queued. The scope can then only be
    /// rolled back, unless it is a nested one, which goes back to its savepoint when it ends.
    ///
    /// # Cancellation
    /// Dropping the future leaves the scope rollback-only, unless nothing was pending.
    pub async fn flush(&self) -> Result<(), Error> {
        self.check()?;
        let nothing = self.state().frames.iter().take(self.depth + 1).all(|frame| frame.queue.is_empty());
        if nothing {
            return Ok(());
        }
        // What is given up while it waits for its turn would otherwise be sent later all the same.
        let mut waiting = InFlight::new(self, true);
        let call = Call { statements: Vec::new(), flush: true, writes: false, transaction: false };
        let result = self.execute_now(call, None).await;
        waiting.answered();
        result.map(drop)
    }

    /// The wire, once it is this scope's turn: a nested scope that is open goes first.
    ///
    /// # Errors
    /// When waiting for it could be waiting for the caller itself.
    pub(super) async fn wire(&self) -> Result<Wire, Error> {
        check_own(self.frame)?;
        check_runtime()?;
        loop {
            self.check_not_taken()?;
            let turn = self.turn().notified();
            let wire = Arc::clone(&self.inner.wire).lock_owned().await;
            {
                let state = self.state();
                state.check(self.depth, self.frame)?;
                if state.frames.len() - 1 == self.depth {
                    drop(state);
                    return Ok(wire);
                }
            }
            drop(wire);
            if is_inside_nested(self) {
                return Err(Error::new(
                    ErrorKind::InvalidTransaction,
                    format!(
                        "use the session of `{}` inside a scope nested in it, which would wait for itself; use the nested \
                         scope's own session, as `Session::current()` gives it",
                        self.scope_name()
                    ),
                ));
            }
            turn.await;
        }
    }

    /// Refuses a call while a stream or a loan has the connection. Their holder is most often the caller, who would wait for
    /// ever.
    fn check_not_taken(&self) -> Result<(), Error> {
        let taken = {
            let state = self.state();
            match state.stream.upgrade() {
                _ if state.lent => "its connection is lent; drop the loan first",
                Some(stream) if stream.is_open() => {
                    "rows are being streamed from it; read the stream to its end or drop it first, or use `all`"
                }
                _ => return Ok(()),
            }
        };
        let message = format!("use the session of `{}` while {taken}", self.scope_name());
        Err(Error::new(ErrorKind::InvalidTransaction, message))
    }

    /// The session's connection, taken from the pool if it has none yet.
    pub(super) async fn connection(&self, wire: &mut Wire) -> Result<Arc<Connection>, Error> {
        if let Some(lease) = wire.as_ref() {
            let connection = Arc::clone(lease.connection());
            if self.state().is_behind() {
                Box::pin(self.catch_up(&connection)).await?;
            }
            return Ok(connection);
        }
        let manager = &self.inner.manager;
        self.context().check_settings()?;
        // Waiting for the pool while this task holds a connection in another session could be waiting for itself.
        let wait = !holds_connection(manager, Some(self));
        let lease = manager.lease_inside(&self.span_from_outside(), wait).await?;
        let connection = Arc::clone(lease.connection());
        self.state().connection = Arc::downgrade(&connection);
        **wire = Some(lease);
        Ok(connection)
    }

    /// Builds the burst: what is owed from before, BEGIN, savepoints, pending writes, then the statements.
    pub(super) fn assemble(&self, call: Call) -> Result<Outgoing, Error> {
        self.assemble_behind(call, None)
    }

    /// The same with a question to the catalog ahead of the statements. What is flushed has its own.
    fn assemble_behind(&self, call: Call, asked: Option<Box<CatalogGuard>>) -> Result<Outgoing, Error> {
        let manager = &self.inner.manager;
        let backend = manager.backend();
        let depth = self.depth;
        let outer_writer = (backend == Backend::Sqlite).then(|| writing_around(manager, Some(self))).flatten();
        let mut guard = self.state();
        let state = &mut *guard;
        // The scope may have ended, or have been doomed, while this call waited for a connection.
        state.check(depth, self.frame)?;

        // What was queued outside of a savepoint after it was made has to wait: it would be undone with it.
        let first = (0..=depth).rev().find(|&position| state.frames[position].savepoint.is_some()).unwrap_or(0);
        let pending = |position: usize| !state.frames[position].queue.is_empty();
        let any_pending = (first..=depth).any(pending);
        // A savepoint stands between the writes queued before it and those after, so making one flushes what is before.
        let makes_savepoint = state.frames[1..=depth].iter().any(|frame| frame.savepoint.is_none());
        // A statement that fails aborts the transaction up to the savepoint, so reads need one too once there is one.
        let in_transaction = backend == Backend::Postgres || state.phase == Phase::Open;
        let sends_to_nested = depth > 0 && (in_transaction || call.writes || (call.flush && any_pending));
        let flushed: Vec<bool> = (0..=depth)
            .map(|position| {
                let before_savepoint = sends_to_nested && makes_savepoint && position < depth;
                position >= first && (call.flush || before_savepoint) && pending(position)
            })
            .collect();
        let writes = call.writes || flushed[depth];
        let writes_anywhere = writes || flushed.contains(&true);
        let needs_transaction = self.needs_transaction(backend, writes_anywhere, call.transaction);
        if let (Phase::Idle, true, false, Some(outer)) =
            (state.phase, needs_transaction, self.inner.mode.read_only, outer_writer)
        {
            return Err(one_writer(self.inner.name, outer));
        }

        let scope = self.scope();
        let mut context = FlushContext {
            backend,
            scope: &scope,
            raise: self.raise_style(state),
            wants_xid: false,
            tells: !manager.listeners().is_empty(),
        };
        context.wants_xid = backend == Backend::Postgres && state.xid.is_none();
        let mut flushes = Vec::with_capacity(flushed.len());
        for (position, flushed) in flushed.iter().copied().enumerate() {
            flushes.push(if flushed { plan_flush(state, position, &mut context)? } else { Vec::new() });
        }

        for (frame, flushed) in state.frames.iter_mut().zip(&flushed) {
            frame.touched |= flushed;
        }
        state.frames[depth].touched |= call.writes || call.transaction;

        let mut outgoing = Outgoing { burst: Burst::new(), parts: Vec::new(), writes, own: 0, begins: None };
        for step in std::mem::take(&mut state.prelude) {
            outgoing.push(step, Part::Control { depth: 0 });
        }
        // What is queued may come to nothing: rows as they were loaded, one that was added and deleted again.
        let has_flush = flushes.iter().flatten().any(|plan| !plan.steps.is_empty());
        let sends = has_flush || call.transaction || !call.statements.is_empty();
        if sends && needs_transaction && state.phase == Phase::Idle {
            outgoing.begins = Some(outgoing.burst.len());
            outgoing.push(Step::Begin(manager.transaction_mode(&self.begins_with())), Part::Control { depth: 0 });
            state.phase = Phase::Open;
        }
        for (position, plans) in flushes.into_iter().enumerate() {
            let frame = &mut state.frames[position];
            let open = sends && state.phase == Phase::Open;
            if position > 0 && frame.savepoint.is_none() && open && sends_to_nested {
                let name = format!("spakky_{}", frame.id);
                let control = Step::Control(format!("SAVEPOINT {name}").into());
                outgoing.push(control, Part::Control { depth: position - 1 });
                frame.savepoint = Some(name);
            }
            if position == depth && depth > 0 {
                outgoing.own = outgoing.burst.len();
            }
            let tables = plans.iter().flat_map(|plan| &plan.steps).map(FlushStep::table);
            outgoing.push_guard(manager.catalog_guard(tables), position);
            for FlushPlan { steps, drawn, .. } in plans {
                for mut step in steps {
                    for draw in step.take_draws() {
                        let drawing = Box::new(Drawing::of(&draw, &drawn));
                        outgoing.push(Step::Draw(draw), Part::Draw { depth: position, drawing });
                    }
                    if let Some(statement) = step.take_statement() {
                        let part = Part::Flush { depth: position, step: Box::new(step), ids: drawn.clone() };
                        outgoing.push(Step::Statement(statement), part);
                    }
                }
            }
        }
        outgoing.push_guard(asked, depth);
        for statement in call.statements {
            state.ran_text |= statement.by_user;
            outgoing.push(Step::Statement(statement), Part::Query { depth, writes: call.writes });
        }
        state.wrote |= call.writes || has_flush;
        Ok(outgoing)
    }

    /// How guarded statements report a miss. A role that is not the connection's may not be allowed to call the function.
    fn raise_style(&self, state: &State) -> RaiseStyle {
        let sets_role = |(name, _): &(String, String)| {
            ["role", "session_authorization"].iter().any(|setting| name.eq_ignore_ascii_case(setting))
        };
        if state.ran_text || self.inner.mode.settings.iter().any(sets_role) {
            return RaiseStyle::Cast;
        }
        self.inner.manager.raise_style()
    }

    /// How the transaction on the database is opened.
    fn begins_with(&self) -> Cow<'_, TransactionMode> {
        #[cfg(feature = "testing")]
        if self.manager().is_enclosing() {
            return Cow::Owned(TransactionMode::default());
        }
        Cow::Borrowed(&self.inner.mode)
    }

    /// Whether the next burst has to be inside a transaction. On SQLite reads before the first write run by themselves, as
    /// on PostgreSQL under read committed each sees what is committed: a transaction that began with reading could not
    /// be upgraded once another writer was faster.
    fn needs_transaction(&self, backend: Backend, writes: bool, asked: bool) -> bool {
        let mode = &self.inner.mode;
        match backend {
            Backend::Postgres => true,
            Backend::Sqlite => {
                writes
                    || asked
                    || mode.read_only
                    || mode.isolation.is_some_and(|level| level > Isolation::ReadCommitted)
            }
        }
    }

    /// Sends a burst and takes in its answers.
    pub(super) async fn exchange(&self, connection: &Connection, outgoing: Outgoing) -> Result<Vec<Answer>, Error> {
        self.exchange_with(connection, outgoing, || ()).await.map(|(answers, ())| answers)
    }

    /// The same; `behind` sends what travels behind the burst.
    pub(super) async fn exchange_with<T>(
        &self,
        connection: &Connection,
        outgoing: Outgoing,
        behind: impl FnOnce() -> T,
    ) -> Result<(Vec<Answer>, T), Error> {
        let Outgoing { mut burst, parts, writes, own, begins } = outgoing;
        if burst.is_empty() {
            return Ok((Vec::new(), behind()));
        }
        self.inner.manager.echo(&burst);
        let watch = self.watch(&burst, &parts);
        let mut outer_answered = None;
        let is_outer = own > 0 && own == burst.len();
        // What belongs to the scopes around a nested one is sent ahead by itself: it is to be done whatever becomes of the
        // nested one's, which may be stopped.
        let pending = if own > 0 && own < burst.len() {
            let own = burst.split_off(own);
            let answered = outer_answered.insert(Arc::default());
            let count = burst.len();
            let first = connection.send(burst);
            chained(first, count, connection.send_behind(own), Arc::clone(answered))
        } else {
            connection.send(burst)
        };
        let mut flight =
            Flight { session: self, answer: Some((pending, parts)), outer_answered, begins, is_outer, writes };
        let behind = behind();
        let result = match &mut flight.answer {
            Some((pending, _)) => self.inner.manager.answered(connection, pending).await,
            None => Ok(Vec::new()),
        };
        let parts = flight.answer.take().map(|(_, parts)| parts).unwrap_or_default();
        watch.answered(&result);
        self.absorb(parts, result).map(|answers| (answers, behind))
    }

    /// Watches a burst that is about to be sent.
    pub(super) fn watch(&self, burst: &Burst, parts: &[Part]) -> BurstWatch {
        let origins = parts.iter().filter_map(|part| match part {
            Part::Flush { step, .. } => Some(step.origins()),
            _ => None,
        });
        let asked = |position: usize| matches!(parts[position], Part::Flush { .. } | Part::Query { .. });
        self.inner.manager.watch_burst(&self.span_from_outside(), self.inner.name, burst, asked, origins.flatten())
    }
}

/// The answers of the last `count` steps.
fn last(mut answers: Vec<Answer>, count: usize) -> Vec<Answer> {
    answers.split_off(answers.len().saturating_sub(count))
}

/// The statements of what the frame at `position` has queued, one plan for each segment of the queue, for which the identity
/// map is brought up to date.
fn plan_flush(state: &mut State, position: usize, context: &mut FlushContext<'_>) -> Result<Vec<FlushPlan>, Error> {
    let writes = state.frames[position].queue.take();
    for row in writes.iter().filter_map(|write| write.key.as_ref()) {
        state.map.update(position, row, |entry| entry.queued = entry.queued.with(position, false));
    }
    let segments = segments(writes, &state.map, position);
    let mut plans = Vec::with_capacity(segments.len());
    for segment in segments {
        match FlushPlan::of(segment, &state.map, position, context) {
            Ok(mut plan) => {
                context.wants_xid &= !plan.tells_xid();
                if context.tells {
                    state.frames[position].hooks.mutations.extend(plan.mutations());
                }
                plan.apply(&mut state.map, position);
                plans.push(plan);
            }
            Err(error) => {
                // What outer scopes had queued has been taken for this burst too.
                state.doom(0, format!("a queued write cannot be sent: {error}"));
                return Err(error);
            }
        }
    }
    Ok(plans)
}

/// The error of a transaction that would wait for the one around it in the same task (SQLite).
pub(super) fn one_writer(name: &str, outer: &str) -> Error {
    let message = format!(
        "write in `{name}`: SQLite has one writer at a time, and `{outer}` around it has written already, so it would wait \
         for itself; write here before `{outer}` flushes, or after it has ended, or make this scope `nested`"
    );
    Error::new(ErrorKind::PoolDeadlock, message)
}

/// A call that has not come to its end. Dropping it means that the caller gave up: after a write nobody knows what it did,
/// so the scope can only be rolled back; after a read only the answer is lost.
pub(super) struct InFlight<'a> {
    session: &'a Session,
    writes: bool,
    sent: bool,
    armed: bool,
}

impl<'a> InFlight<'a> {
    /// A call that has sent nothing yet.
    fn new(session: &'a Session, writes: bool) -> Self {
        InFlight { session, writes, sent: false, armed: true }
    }

    /// A call that was sent, and writes.
    #[cfg(feature = "sqlite")]
    pub(super) fn sent(session: &'a Session) -> Self {
        InFlight { session, writes: true, sent: true, armed: true }
    }

    /// The answer came.
    pub(super) fn answered(&mut self) {
        self.armed = false;
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        if !self.armed {
            return;
        }
        let mut state = self.session.state();
        state.unobserved |= self.sent;
        if self.writes {
            state.doom_abandoned(self.session);
        }
    }
}
