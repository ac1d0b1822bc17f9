//! Reading the answers of a burst.

use std::sync::Arc;

use futures_util::TryStreamExt;
use tokio_postgres::{Row, RowStream};

use super::core::{Core, Observation};
use super::error::is_fatal;
use super::send::{Sent, StepError};
use super::tap::TransactionState;
use super::types::TypeCatalog;
use super::wire::{RowReader, UnknownType};
use crate::backend::{Answer, BurstFailure, BurstResult, Step};
use crate::error::{DatabaseError, ErrorKind};
use crate::value::Value;

/// What a step answered.
#[derive(Debug, Default)]
pub(super) struct Rows {
    records: Vec<Vec<Value>>,
    affected: u64,
    /// Rows with a type that was not known when they came.
    unread: Vec<Row>,
}

impl Rows {
    /// Reads all rows.
    pub(super) async fn collect(rows: RowStream, types: &TypeCatalog) -> Result<Self, tokio_postgres::Error> {
        let mut rows = std::pin::pin!(rows);
        let mut collected = Rows::default();
        let mut reader = None;
        while let Some(row) = rows.try_next().await? {
            collected.take(row, &mut reader, types);
        }
        collected.affected = rows.rows_affected().unwrap_or(0);
        Ok(collected)
    }

    fn take(&mut self, row: Row, reader: &mut Option<RowReader>, types: &TypeCatalog) {
        if !self.unread.is_empty() {
            self.unread.push(row);
            return;
        }
        let read = match reader {
            Some(reader) => Ok(reader.read(&row)),
            None => RowReader::of(&row, types).map(|made| reader.insert(made).read(&row)),
        };
        match read {
            Ok(record) => self.records.push(record),
            Err(UnknownType) => self.unread.push(row),
        }
    }

    /// Reads what had to wait for its types.
    fn read_again(&mut self, types: &TypeCatalog) {
        let unread = std::mem::take(&mut self.unread);
        if let Some(reader) = unread.first().map(|row| RowReader::of_known(row, types)) {
            self.records.extend(unread.iter().map(|row| reader.read(row)));
        }
    }
}

/// Waits for all answers of a burst, running it once more if nothing but a stale prepared statement was in the way.
pub(super) async fn read(core: Arc<Core>, steps: Arc<[Step]>, sent: Sent) -> BurstResult {
    let repeatable = sent.repeatable;
    let (result, stale, observation) = read_once(&core, &steps, sent).await;
    if stale && repeatable {
        let again = {
            let mut outbox = core.outbox();
            observation.is_last(&outbox).then(|| {
                if core.wire.transaction() != TransactionState::Idle {
                    core.send_rollback();
                }
                core.send_steps(&mut outbox, &steps)
            })
        };
        observation.complete();
        if let Some(again) = again {
            let (result, _, observation) = read_once(&core, &steps, again).await;
            observation.complete();
            return result;
        }
        return result;
    }
    observation.complete();
    result
}

/// Also answers whether a prepared statement was stale, and hands back the proof that all answers were read.
async fn read_once(core: &Core, steps: &[Step], sent: Sent) -> (BurstResult, bool, Observation) {
    let Sent { waits, prepared, observation, restoring, stays_open, .. } = sent;
    let mut rows = Vec::with_capacity(waits.len());
    let mut failed = None;
    // All of them are waited for, also behind a failure: then the burst is over on the server too.
    for (position, wait) in waits.into_iter().enumerate() {
        match wait.finish().await {
            Ok(answer) if failed.is_none() => rows.push(answer),
            Err(error) if failed.is_none() => failed = Some((position, error)),
            _ => {}
        }
    }

    if let Some(restoring) = restoring {
        match restoring.finish().await {
            Ok(()) => core.restored(),
            // It is done again before anybody else uses the connection.
            Err(error) => {
                core.wire.settled().await;
                core.failure(error);
            }
        }
    }

    let Some((step, error)) = failed else {
        let is_ended = stays_open && core.wire.transaction() == TransactionState::Idle;
        if is_ended && observation.is_last(&core.outbox()) {
            let message = "the transaction was ended by a statement inside it";
            let error = DatabaseError::new(ErrorKind::RollbackOnly, "", message);
            let step = rows.len().saturating_sub(1);
            rows.truncate(step);
            let answers = rows.into_iter().map(answer).collect();
            return (Err(Box::new(BurstFailure { step, error, answers, lost: false })), false, observation);
        }
        if rows.iter().any(|rows: &Rows| !rows.unread.is_empty()) {
            refresh_types(core, &observation).await;
        }
        return (Ok(finish(core, rows)), false, observation);
    };
    core.wire.settled().await;
    let code = match &error {
        StepError::Driver(error) => error.code().map(|code| code.code().to_owned()),
        _ => None,
    };
    let stale = prepared.get(step).copied().unwrap_or(false) && forget_stale(core, steps, code.as_deref());
    let lost = match &error {
        // The server said itself that it ended the connection at this step: a COMMIT behind it did not run.
        StepError::Driver(error) if error.as_db_error().is_some() => {
            is_fatal(error) && !steps[step + 1..].iter().any(|step| matches!(step, Step::Commit))
        }
        StepError::Driver(_) => true,
        StepError::RolledBack | StepError::Unsent(_) => false,
    };
    let mut error = match error {
        StepError::Driver(error) => core.failure(error),
        StepError::RolledBack => DatabaseError::new(
            ErrorKind::RollbackOnly,
            "",
            "the server answered COMMIT with ROLLBACK, since a statement before it had failed",
        ),
        StepError::Unsent(error) => error,
    };
    error.retryable |= stale;
    let answers = rows.into_iter().map(answer).collect();
    (Err(Box::new(BurstFailure { step, error, answers, lost })), stale, observation)
}

/// Drops prepared statements that a change of the tables (0A000) or of the connection (26000) has made useless.
/// Answers whether that was it.
fn forget_stale(core: &Core, steps: &[Step], code: Option<&str>) -> bool {
    let mut outbox = core.outbox();
    match code {
        Some("0A000") => {
            for step in steps {
                if let Some(statement) = step.statement() {
                    outbox.cache.forget(&statement.sql);
                }
            }
            true
        }
        Some("26000") => {
            outbox.cache.clear();
            true
        }
        _ => false,
    }
}

/// Reads the types of the database again, unless something was sent since: its answers come first, and may wait for
/// this very burst to be finished.
async fn refresh_types(core: &Core, observation: &Observation) {
    if observation.is_last(&core.outbox()) && core.wire.transaction() != TransactionState::Failed {
        // A failure shows as a type that stays unknown.
        let _ = core.types.load(&core.client).await;
    }
}

fn finish(core: &Core, rows: Vec<Rows>) -> Vec<Answer> {
    let read = |mut rows: Rows| {
        rows.read_again(&core.types);
        answer(rows)
    };
    rows.into_iter().map(read).collect()
}

fn answer(rows: Rows) -> Answer {
    Answer { rows: rows.records, affected: rows.affected }
}
