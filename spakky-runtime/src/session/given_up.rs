//! Calls of a session that were given up.
//!
//! Dropping a call does not make its statements undone, or unknown: the session keeps its answer, and whoever uses the
//! connection next reads it first, and has learned by then what it did in which scope. What nobody needs any more is stopped
//! before: all that a scope sent that was undone meanwhile, once that is answered which its burst carried for the scopes
//! around it, and reads, where that leaves the transaction as it is.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::future::join;

use super::Session;
use super::execute::{Part, Wire};
use super::finish::CLEANUP_DEADLINE;
use super::state::{Phase, State};
use crate::backend::{BurstFailure, BurstResult, Connection, Pending, Step, Stopping};
use crate::error::{Error, ErrorKind};
use crate::transaction::Isolation;

/// How long a read that was given up may go on before it is stopped: most have ended by then.
const GRACE: Duration = Duration::from_millis(20);

/// A call that was given up after it was sent.
pub(crate) struct GivenUp {
    /// The frames of the scopes around the call, the outermost first, and of its own as the last.
    frames: Vec<u64>,
    /// Its answer, until it has come; none for a stream, whose rows are read by nobody.
    pending: Option<Pending>,
    result: Option<BurstResult>,
    /// What each step of it is for.
    parts: Vec<Part>,
    /// It was asked to stop.
    stopped: bool,
    /// Told once all is answered that it carried for the scopes around it.
    outer_answered: Option<Arc<AtomicBool>>,
    /// Where in it the transaction begins.
    begins: Option<usize>,
    /// It holds nothing but what is the business of the scopes around the call.
    is_outer: bool,
    /// It writes nothing in its own scope.
    reads: bool,
}

/// What becomes of a call that was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Awaited,
    Stopped,
    /// Stopped, and everything its scope has done with it: nothing but reads.
    Undone,
}

/// A burst under way. Dropping it gives it up.
pub(super) struct Flight<'a> {
    pub(super) session: &'a Session,
    pub(super) answer: Option<(Pending, Vec<Part>)>,
    pub(super) outer_answered: Option<Arc<AtomicBool>>,
    pub(super) begins: Option<usize>,
    pub(super) is_outer: bool,
    /// The scope of the call is written in: given up, it can only be rolled back.
    pub(super) writes: bool,
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        let Some(answer) = self.answer.take() else { return };
        let session = self.session;
        let mut state = session.state();
        state.unobserved = true;
        let call = GivenUp {
            frames: state.frames_around(session.depth, session.frame),
            pending: Some(answer.0),
            result: None,
            parts: answer.1,
            stopped: false,
            outer_answered: self.outer_answered.take(),
            begins: self.begins,
            is_outer: self.is_outer,
            reads: !self.writes,
        };
        // Its end has the connection made clean.
        if !matches!(state.phase, Phase::Committing | Phase::Ended) {
            state.given_up.push_back(call);
        }
        if self.writes {
            state.doom_abandoned(session);
        }
    }
}

/// Two bursts that were sent one behind the other, answered as one. The flag is set between.
pub(super) fn chained(first: Pending, count: usize, second: Pending, between: Arc<AtomicBool>) -> Pending {
    Box::pin(async move {
        let first = first.await;
        between.store(true, Ordering::Release);
        let second = second.await;
        match (first, second) {
            (Ok(mut answers), Ok(more)) => {
                answers.extend(more);
                Ok(answers)
            }
            (Ok(mut answers), Err(failure)) => {
                let BurstFailure { step, error, answers: more, lost, .. } = *failure;
                answers.extend(more);
                Err(Box::new(BurstFailure { step: count + step, error, answers, lost, unsent: false }))
            }
            (Err(mut failure), second) => {
                failure.lost |= second.is_err_and(|second| second.lost);
                Err(failure)
            }
        }
    })
}

impl State {
    /// Whether there is something to catch up with before anything is sent.
    pub(super) fn is_behind(&self) -> bool {
        self.restarts || !self.given_up.is_empty()
    }

    /// No transaction is open any more, and nothing of it was kept.
    fn begins_anew(&mut self) {
        self.phase = Phase::Idle;
        self.restarts = false;
        self.unobserved = false;
        self.prelude.clear();
        for frame in &mut self.frames {
            frame.savepoint = None;
        }
    }

    /// The frames around one, and itself, which may be gone.
    fn frames_around(&self, depth: usize, frame: u64) -> Vec<u64> {
        self.frames.iter().take(depth).map(|frame| frame.id).chain([frame]).collect()
    }

    /// Whether the scope at a depth is the one that a call was given up in.
    fn is_open(&self, call: &GivenUp, depth: usize) -> bool {
        let frame = self.frames.get(depth).map(|frame| frame.id);
        frame.is_some() && frame == call.frames.get(depth).copied()
    }

    /// The scope of a write that was given up can only be rolled back.
    pub(super) fn doom_abandoned(&mut self, session: &Session) {
        if let Some(frame) = self.frames.get(session.depth)
            && frame.id == session.frame
        {
            let reason = format!("a write in `{}` was abandoned before its answer came", frame.name);
            self.doom(session.depth, reason);
        }
    }

    /// Whether the scope at `depth` has done nothing but reads of ours, which can be undone with nobody noticing: for each
    /// sees what is committed when it runs, or the scopes around it keep what it sees.
    fn has_only_read(&self, depth: usize, isolation: Option<Isolation>) -> bool {
        let Some(frame) = self.frames.get(depth) else { return false };
        let has_begin = match depth {
            0 => {
                self.phase == Phase::Open
                    && !self.wrote
                    && isolation.is_none_or(|level| level == Isolation::ReadCommitted)
            }
            _ => frame.savepoint.is_some(),
        };
        let inner_sent_nothing = self.frames.iter().skip(depth + 1).all(|inner| inner.savepoint.is_none());
        has_begin && !frame.touched && inner_sent_nothing
    }
}

impl Session {
    /// A stream of this scope was given up: rows of it may still be under way.
    pub(super) fn give_up_stream(&self) {
        let mut state = self.state();
        let frames = state.frames_around(self.depth, self.frame);
        state.given_up.push_back(GivenUp {
            frames,
            pending: None,
            result: None,
            parts: Vec::new(),
            stopped: false,
            outer_answered: None,
            begins: None,
            is_outer: false,
            reads: true,
        });
    }

    /// Catches up with what was given up, if the session has a connection, and fails if the scope has failed by it.
    pub(super) async fn catch_up_before_end(&self, wire: &mut Wire) -> Result<(), Error> {
        let Some(connection) = wire.as_ref().map(|lease| Arc::clone(lease.connection())) else { return Ok(()) };
        if !self.state().is_behind() {
            return Ok(());
        }
        self.catch_up(&connection).await?;
        self.check()
    }

    /// Learns what became of the calls that were given up, one after the other, and stops those that can be.
    ///
    /// # Errors
    /// When the connection did not survive it. A scope in which one of them failed can only be rolled back.
    ///
    /// # Cancellation
    /// Whoever comes next goes on with it.
    pub(super) async fn catch_up(&self, connection: &Connection) -> Result<(), Error> {
        // Of an earlier try, or of the call itself.
        connection.cancels_settled().await;
        loop {
            if self.state().restarts {
                self.begin_anew(connection).await?;
            }
            let Some(call) = self.state().given_up.pop_front() else { return Ok(()) };
            let mut held = Held { session: self, call: Some(call) };
            let Some(call) = &mut held.call else { return Ok(()) };
            let way = self.way_of(call, connection);
            if way == Way::Undone && !call.ends_within(GRACE).await && call.frames.len() == 1 {
                self.state().restarts = true;
                held.call = None;
                continue;
            }
            call.end(connection, way).await;
            if let Some(call) = held.call.take() {
                self.take_in(call, way);
            }
        }
    }

    fn way_of(&self, call: &GivenUp, connection: &Connection) -> Way {
        let state = self.state();
        let depth = call.frames.len() - 1;
        // What others queued is not stopped for the sake of whoever carried it along.
        if call.is_outer {
            return Way::Awaited;
        }
        if !state.is_open(call, depth) {
            return Way::Stopped;
        }
        if !call.reads {
            return Way::Awaited;
        }
        match connection.stopping() {
            Stopping::Alone => Way::Stopped,
            Stopping::WithItsTransaction
                if call.pending.is_some() && state.has_only_read(depth, self.inner.mode.isolation) =>
            {
                Way::Undone
            }
            Stopping::WithItsTransaction | Stopping::Never => Way::Awaited,
        }
    }

    /// Undoes a transaction that has only read; it begins anew with what is sent next.
    async fn begin_anew(&self, connection: &Connection) -> Result<(), Error> {
        if !connection.reset(CLEANUP_DEADLINE).await {
            let message = "use the session: a read that was given up did not end, and its connection was closed";
            let error = Error::new(ErrorKind::Connection, message).with_retryable(true);
            let mut state = self.state();
            state.note_failure(&error);
            state.doom(0, error.to_string());
            return Err(error);
        }
        self.state().begins_anew();
        Ok(())
    }

    /// Takes note of what a call did that was given up.
    fn take_in(&self, call: GivenUp, way: Way) {
        let GivenUp { result, mut parts, begins, frames, stopped, .. } = call;
        let Some(result) = result else { return };
        let mut guard = self.state();
        let state = &mut *guard;
        let open: Vec<bool> = frames
            .iter()
            .enumerate()
            .map(|(at, id)| state.frames.get(at).is_some_and(|frame| frame.id == *id))
            .collect();
        let is_open = |depth: usize| open.get(depth).copied().unwrap_or(false);
        if way == Way::Undone
            && stopped
            && let Some(name) = state.frames.get(frames.len() - 1).and_then(|frame| frame.savepoint.clone())
        {
            state.prelude.push(Step::Control(format!("ROLLBACK TO SAVEPOINT {name}").into()));
        }
        let failure = match result {
            Ok(answers) => {
                self.note(state, &mut parts, &answers, is_open);
                return state.observed();
            }
            Err(failure) => failure,
        };
        let position = failure.step.min(parts.len().saturating_sub(1));
        let failed_in = parts.get(position).map_or(0, Part::depth);
        let was_stopped = stopped && failure.error.kind == ErrorKind::Timeout;
        if !failure.lost && (was_stopped || !is_open(failed_in)) {
            let answered = failure.step.min(failure.answers.len()).min(parts.len());
            self.note(state, &mut parts[..answered], &failure.answers, is_open);
            if begins.is_some_and(|begins| failure.step <= begins) {
                state.begins_anew();
            }
            return state.observed();
        }
        drop(self.failed_in(state, parts, *failure, is_open));
    }
}

impl GivenUp {
    /// Reads the answer, which is kept: whoever waits for it may go away.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(pending) = &mut self.pending else { return Poll::Ready(()) };
        let result = ready!(pending.as_mut().poll(context));
        self.result = Some(result);
        self.pending = None;
        Poll::Ready(())
    }

    async fn ends_within(&mut self, limit: Duration) -> bool {
        tokio::time::timeout(limit, poll_fn(|context| self.poll(context))).await.is_ok()
    }

    /// Brings it to its end.
    async fn end(&mut self, connection: &Connection, way: Way) {
        if way == Way::Awaited || self.result.is_some() {
            return poll_fn(|context| self.poll(context)).await;
        }
        if let Some(answered) = self.outer_answered.clone() {
            poll_fn(|context| match self.poll(context) {
                Poll::Pending if !answered.load(Ordering::Acquire) => Poll::Pending,
                _ => Poll::Ready(()),
            })
            .await;
        }
        if self.result.is_none() {
            self.stopped = true;
            // An answer that nobody reads would hold up that to the request to stop.
            join(connection.stop(), poll_fn(|context| self.poll(context))).await;
        }
    }
}

/// One that is being caught up with: whoever comes next goes on.
struct Held<'a> {
    session: &'a Session,
    call: Option<GivenUp>,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Some(call) = self.call.take() {
            self.session.state().given_up.push_front(call);
        }
    }
}
