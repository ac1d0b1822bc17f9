//! Reading the answers of a burst.

use std::sync::Arc;

use super::core::Core;
use super::encode::{Job, Sent, ends_from};
use super::exchange::{Failure, Finished, TransactionState};
use super::flight::Flight;
use super::rows::Rows;
use crate::backend::{Answer, BurstFailure, BurstResult, Step};
use crate::error::{DatabaseError, ErrorKind};

/// Waits for all answers of a burst, running it once more if nothing but a stale prepared statement, or what was left before it, was
/// in the way.
pub(super) async fn read(core: Arc<Core>, steps: Arc<[Step]>, flight: Flight) -> BurstResult {
    let (finished, sent) = flight.finished().await;
    let (result, stale) = settle(&core, &steps, finished, sent).await;
    // What was sent before, and nobody waited for, has left a transaction that failed: nothing of this has run.
    let is_shut_out = |failure: &BurstFailure| failure.step == 0 && failure.error.code() == "25P02";
    let is_shut_out = sent.begins_outside && result.as_ref().is_err_and(|failure| is_shut_out(failure));
    let is_alone = core.exchange().is_quiet();
    if is_alone && ((stale && sent.repeatable) || (is_shut_out && core.undo(true).await)) {
        let (finished, sent) = core.launch(Job::Burst(steps.clone())).finished().await;
        return settle(&core, &steps, finished, sent).await.0;
    }
    result
}

/// What a burst came to, and whether a prepared statement was stale. A transaction that the burst was to end has ended.
async fn settle(core: &Arc<Core>, steps: &Arc<[Step]>, finished: Finished, sent: Sent) -> (BurstResult, bool) {
    let Finished { mut answers, failure, failed_old, failed_behind, is_cut } = finished;
    // Behind a failed COMMIT nothing of it has run.
    let has_restored = sent.restores && !failed_behind && (failure.is_none() || !sent.restores_at_end);
    if has_restored && core.is_usable() {
        core.restored();
    }
    let Some((step, failure)) = failure else {
        if sent.stays_open && core.transaction() == TransactionState::Idle {
            let message = "the transaction was ended by a statement inside it";
            let error = DatabaseError::new(ErrorKind::RollbackOnly, "", message);
            let step = answers.len().saturating_sub(1);
            answers.truncate(step);
            let answers = answers.into_iter().map(answer).collect();
            return (Err(Box::new(BurstFailure { step, error, answers, lost: false, unsent: false })), false);
        }
        // Not while another burst is under way, whose owner may wait for this one.
        let can_ask = core.exchange().is_quiet() && core.transaction() != TransactionState::Failed;
        if can_ask && answers.iter().any(|rows| !rows.unread.is_empty()) {
            // A failure shows as a type that stays unknown.
            let _ = core.types.load(core).await;
        }
        let read = |mut rows: Rows| {
            rows.read_again(&core.types);
            answer(rows)
        };
        return (Ok(answers.into_iter().map(read).collect()), false);
    };
    let code = if let Failure::Server(error) = &failure { error.code.clone() } else { String::new() };
    let stale = failed_old && forget_stale(core, steps, &code);
    let commits = |step: usize| steps.get(step..).unwrap_or_default().iter().any(|step| matches!(step, Step::Commit));
    let lost = match &failure {
        // The server said itself that it ended the connection at this step: a COMMIT behind it did not run. What is in between says
        // so of what it has handed over already.
        Failure::Server(error) if core.is_pooled() => error.is_fatal() || is_cut,
        Failure::Server(error) => error.is_fatal() && !commits(step + 1),
        Failure::Ended(_) => true,
        // The connection is gone, and no COMMIT is in doubt that was not sent.
        Failure::Closed(_) => !commits(0),
        Failure::Unsent(_) | Failure::RolledBack => false,
    };
    let unsent = matches!(&failure, Failure::Closed(_) | Failure::Unsent(_));
    let mut error = failure.into_error();
    error.retryable |= stale;
    // The server has passed over what was to end the transaction.
    let is_open = core.exchange().is_quiet() && core.transaction() != TransactionState::Idle;
    if is_open && (ends_from(steps, step) || (stale && sent.repeatable)) {
        core.undo(true).await;
    }
    let answers = answers.into_iter().map(answer).collect();
    (Err(Box::new(BurstFailure { step, error, answers, lost, unsent })), stale)
}

/// Drops prepared statements that a change of the tables (0A000) or of the connection (26000) has made useless.
/// Answers whether that was it.
fn forget_stale(core: &Core, steps: &[Step], code: &str) -> bool {
    let cache = &mut core.exchange().cache;
    match code {
        "0A000" => {
            steps.iter().filter_map(Step::statement).for_each(|statement| cache.forget(&statement.sql));
            true
        }
        "26000" => {
            cache.clear();
            true
        }
        _ => false,
    }
}

fn answer(rows: Rows) -> Answer {
    Answer { rows: rows.records, affected: rows.affected }
}
