//! What the answers to a burst mean for a session.

use super::execute::Part;
use super::state::State;
use super::{Session, SessionStatistics};
use crate::backend::{Answer, BurstFailure, BurstResult};
use crate::error::Error;
use crate::transaction::commit_token;
use crate::unit_of_work::Settled;
use crate::value::Value;

impl Session {
    /// Takes note of what a burst did.
    pub(super) fn absorb(&self, mut parts: Vec<Part>, result: BurstResult) -> Result<Vec<Answer>, Error> {
        // What the manager asks for itself, once, is no part of what units of work cost.
        let is_counted = |part: &&Part| !matches!(part, Part::Catalog { .. });
        let statements = parts.iter().filter(is_counted).count() as u64;
        let mut sent = SessionStatistics { statements, round_trips: 1, ..Default::default() };
        let mut state = self.state();
        let result = match result {
            Ok(answers) => {
                // Whatever was sent before has been answered too, and the transaction has survived it.
                state.observed();
                // Whatever failed before was dealt with: it is no reason to run the scope again.
                state.failure = None;
                for (part, answer) in parts.iter().zip(&answers) {
                    match part {
                        Part::Query { .. } => sent.rows_read += answer.rows.len() as u64,
                        Part::Flush { step, .. } => sent.rows_written += step.row_count() as u64,
                        Part::Control { .. }
                        | Part::Draw { .. }
                        | Part::Catalog { .. }
                        | Part::Probe
                        | Part::Token
                        | Part::Commit => {}
                    }
                }
                self.inner.manager.note_checked(parts.iter().filter_map(|part| match part {
                    Part::Catalog { guard, .. } => Some(&**guard),
                    _ => None,
                }));
                let is_usable = state.is_usable(self.depth, self.frame);
                self.note(&mut state, &mut parts, &answers, |_| is_usable);
                Ok(answers)
            }
            Err(failure) => Err(self.failed(&mut state, parts, *failure)),
        };
        state.statistics += sent;
        self.inner.manager.count(sent);
        result
    }

    /// What a failed burst means: which scope is doomed, and the error for the caller.
    pub(super) fn failed(&self, state: &mut State, parts: Vec<Part>, failure: BurstFailure) -> Error {
        let is_usable = state.is_usable(self.depth, self.frame);
        self.failed_in(state, parts, failure, |_| is_usable)
    }

    /// The same for a burst of which only some scopes are open by now.
    pub(super) fn failed_in(
        &self,
        state: &mut State,
        mut parts: Vec<Part>,
        failure: BurstFailure,
        is_open: impl Fn(usize) -> bool,
    ) -> Error {
        let answered = failure.step.min(failure.answers.len()).min(parts.len());
        self.note(state, &mut parts[..answered], &failure.answers, is_open);
        let BurstFailure { step, error, answers, lost, .. } = failure;
        let position = step.min(parts.len().saturating_sub(1));
        if lost && state.xid.is_none() {
            state.xid = answers.get(step).zip(parts.get(step)).and_then(|(answer, part)| part.xid(answer));
        }
        let ahead_of_query = parts.iter().any(|part| matches!(part, Part::Query { .. }));
        let part = parts.drain(position..).find(|part| !matches!(part, Part::Draw { .. }));
        let depth = if lost { 0 } else { part.as_ref().map_or(0, Part::depth) };
        let error = match part {
            Some(Part::Flush { step, .. }) => {
                step.explain(error, answers.get(position)).with_ahead_of_query(ahead_of_query)
            }
            Some(Part::Catalog { guard, .. }) => guard.explain(&self.inner.manager, error, answers.get(position)),
            Some(Part::Token) => commit_token::explain(error),
            Some(Part::Query { writes: true, .. }) => Error::of_write(error),
            _ => Error::from_database(error),
        };
        state.note_failure(&error);
        let name = state.frames.get(depth).map_or(self.inner.name, |frame| frame.name);
        state.doom(depth, format!("a statement in `{name}` failed: {error}"));
        error
    }

    /// Takes note of what the answers tell: the transaction's id, and the ids of new rows and of their children, as far as
    /// their scopes are open.
    pub(super) fn note(
        &self,
        state: &mut State,
        parts: &mut [Part],
        answers: &[Answer],
        is_open: impl Fn(usize) -> bool,
    ) {
        for (part, answer) in parts.iter().zip(answers) {
            if let Part::Draw { drawing, .. } = part {
                drawing.note(answer);
            }
        }
        for (at, answer) in answers.iter().enumerate().take(parts.len()) {
            let (done, behind) = parts.split_at_mut(at + 1);
            if let Part::Flush { depth, step, ids } = &mut done[at] {
                let Settled { new, learned } = step.settle(answer, ids, self.inner.manager.backend());
                if is_open(*depth) {
                    let (table, ids) = (step.table(), &*ids);
                    let tells = !(new.is_empty() && learned.is_empty());
                    let is_written_again = tells && behind.iter().any(|part| part.is_about(table, ids));
                    for (key, mut entry) in new {
                        entry.partial |= is_written_again;
                        state.map.insert(*depth, key, entry);
                    }
                    for (key, drawn) in learned {
                        state.map.update(*depth, &key, |entry| drawn.note_in(entry, is_written_again));
                    }
                }
            }
            if state.xid.is_none() {
                state.xid = done[at].xid(answer);
            }
        }
    }
}

impl Part {
    /// The transaction's id, if its answer tells it.
    fn xid(&self, answer: &Answer) -> Option<String> {
        match self {
            Part::Flush { step, .. } => step.xid(answer),
            Part::Probe | Part::Token => match answer.rows.first().and_then(|row| row.first()) {
                Some(Value::Text(xid)) => Some(xid.clone()),
                _ => None,
            },
            Part::Draw { .. } | Part::Control { .. } | Part::Catalog { .. } | Part::Query { .. } | Part::Commit => None,
        }
    }
}
