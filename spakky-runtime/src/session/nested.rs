//! Nested scopes: a part of a transaction that can be undone alone.

use tracing::Instrument;
use tracing::instrument::WithSubscriber;

use super::execute::Wire;
use super::state::Phase;
use super::{Session, runtime_or};
use crate::backend::Step;
use crate::error::Error;
use crate::mutant::Mutant;
use crate::transaction::{Hooks, TimeLimit};

impl Session {
    /// Starts a nested scope: a savepoint, made once something is sent.
    pub(crate) async fn begin_nested(&self, name: &'static str) -> Result<Session, Error> {
        let _wire = self.wire().await?;
        let frame = self.state().open_frame(name);
        Ok(Session { depth: self.depth + 1, frame, ..self.clone() })
    }

    /// Ends a nested scope well: what it has queued is sent, so that its failure is this scope's alone, and its writes become
    /// those of the scope around it.
    ///
    /// # Errors
    /// What the database says of them, and when its time is over or it can only be rolled back, which it is then.
    pub(crate) async fn end_nested(&self, limit: TimeLimit<'_>) -> Result<(), Error> {
        self.end_stream();
        match limit.keep(self.settle()).await {
            Ok(_wire) => {
                self.merge_into_outer();
                self.turn().notify_waiters();
                Ok(())
            }
            Err(error) => {
                self.undo_nested().await;
                Err(error)
            }
        }
    }

    /// Sends what the scope has queued. Calls of it that other tasks wait for come first, and what they queue is sent too.
    async fn settle(&self) -> Result<Wire, Error> {
        loop {
            if self.has_queued() {
                self.flush().await?;
            }
            let mut wire = self.wire().await?;
            self.catch_up_before_end(&mut wire).await?;
            if !self.has_queued() {
                return Ok(wire);
            }
        }
    }

    pub(super) fn has_queued(&self) -> bool {
        self.state().frames.get(self.depth).is_some_and(|frame| frame.id == self.frame && !frame.queue.is_empty())
    }

    fn merge_into_outer(&self) {
        let mut state = self.state();
        let Some(mut frame) = state.frames.pop() else { return };
        state.map.keep_layer();
        // What another task queued in it while it was ending.
        let writes = frame.queue.take();
        if let Some(name) = &frame.savepoint {
            state.prelude.push(Step::Control(format!("RELEASE SAVEPOINT {name}").into()));
        }
        let state = &mut *state;
        let depth = state.frames.len() - 1;
        if let Some(outer) = state.frames.last_mut() {
            outer.touched |= frame.touched;
            for write in writes {
                let row = write.key.clone();
                outer.queue.push(write, |_, _| false);
                if let Some(row) = row.filter(|row| outer.queue.get(row).is_none()) {
                    // Added outside, deleted inside: nothing is left to be written.
                    state.map.update(depth, &row, |entry| entry.queued = entry.queued.with(depth, false));
                }
            }
            outer.given.append(&mut frame.given);
            outer.hooks.extend(frame.hooks);
        }
    }

    /// Ends a nested scope going back to its savepoint.
    pub(crate) async fn undo_nested(&self) {
        if let Some(hooks) = self.forget_nested() {
            self.context().clone().scope(hooks.run_on_rollback()).await;
        }
    }

    /// Takes the nested frame off and owes the database a ROLLBACK TO, which travels with the next burst.
    fn forget_nested(&self) -> Option<Hooks> {
        #[cfg(feature = "testing")]
        if self.is_enclosed() {
            self.observe_end("rolled back");
        }
        let mut state = self.state();
        let is_open = state.frames.get(self.depth).is_some_and(|frame| frame.id == self.frame);
        if matches!(state.phase, Phase::Committing | Phase::Ended) || !is_open {
            return None;
        }
        let mut hooks = Hooks::default();
        while state.frames.len() > self.depth {
            let Some(mut frame) = state.frames.pop() else { break };
            state.undone.append(&mut frame.undo());
            if let Some(name) = frame.savepoint {
                // What is owed to savepoints inside this one goes with it.
                state.prelude.clear();
                let undo = match Mutant::UndoneIsKept.is_on() {
                    true => format!("RELEASE SAVEPOINT {name}"),
                    false => format!("ROLLBACK TO SAVEPOINT {name}; RELEASE SAVEPOINT {name}"),
                };
                state.prelude.push(Step::Control(undo.into()));
            }
            match Mutant::UndoneIsBelieved.is_on() {
                true => state.map.keep_layer(),
                false => state.map.undo_layer(),
            }
            if let (true, Some(outer)) = (Mutant::UndoneIsTold.is_on(), state.frames.last_mut()) {
                outer.hooks.mutations.append(&mut frame.hooks.mutations);
            }
            #[cfg(feature = "testing")]
            if let Some(around) = frame.around.take() {
                state.close_enclosed(*around);
            }
            hooks.extend(frame.hooks);
        }
        drop(state);
        self.turn().notify_waiters();
        Some(hooks)
    }

    /// Ends a nested scope whose future was dropped.
    fn abandon_nested(&self) {
        self.end_stream();
        if let Some(hooks) = self.forget_nested()
            && !hooks.on_rollback.is_empty()
            && let Some(runtime) = runtime_or(self.inner.runtime.as_ref())
        {
            let running = self.context().clone().scope(hooks.run_on_rollback());
            runtime.spawn(running.instrument(self.span()).with_current_subscriber());
        }
    }
}

/// Ends a scope that nobody ended: its future was dropped, or its body panicked.
pub(crate) struct ScopeGuard {
    session: Option<Session>,
}

impl ScopeGuard {
    pub(crate) fn new(session: &Session) -> Self {
        ScopeGuard { session: Some(session.clone()) }
    }

    /// The scope has been ended.
    pub(crate) fn disarm(&mut self) {
        self.session = None;
    }
}

impl Drop for ScopeGuard {
    fn drop(&mut self) {
        match self.session.take() {
            Some(session) if session.depth == 0 => session.abandon(),
            Some(session) => session.abandon_nested(),
            None => {}
        }
    }
}
