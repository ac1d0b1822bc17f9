//! Runs bursts on a connection's task, and keeps the books of the open transaction.

use std::sync::Arc;

use tokio::sync::{OwnedMutexGuard, watch};

use super::operation::Drawn;
use super::table::State;
use super::{MemoryDatabase, locked, no_sql, operation};
use crate::backend::{Answer, Burst, BurstFailure, BurstResult, Draw, Statement, Step};
use crate::error::{DatabaseError, ErrorKind};
use crate::value::Value;

/// A connection as its task sees it.
pub(super) struct Executor {
    database: Arc<MemoryDatabase>,
    stops: watch::Receiver<u64>,
    transaction: Option<Transaction>,
    /// The ids that steps of the burst have drawn.
    drawn: Drawn,
}

struct Transaction {
    state: State,
    /// Something in it failed: it takes nothing but a rollback.
    failed: bool,
    /// The state at each savepoint.
    savepoints: Vec<(String, State)>,
    /// Whoever only reads has none.
    writer: Option<OwnedMutexGuard<()>>,
}

/// A step that failed, with its own answer where it has one.
struct StepFailure {
    error: DatabaseError,
    answer: Option<Answer>,
}

impl From<DatabaseError> for StepFailure {
    fn from(error: DatabaseError) -> Self {
        StepFailure { error, answer: None }
    }
}

impl Executor {
    pub(super) fn new(database: Arc<MemoryDatabase>, stops: watch::Receiver<u64>) -> Self {
        Executor { database, stops, transaction: None, drawn: Drawn::new() }
    }

    /// Runs a burst that was sent after `number` requests to stop, up to the first step that fails.
    pub(super) async fn burst(&mut self, number: u64, burst: Burst) -> BurstResult {
        self.drawn.clear();
        let mut answers = Vec::with_capacity(burst.len());
        let mut steps = burst.into_iter();
        while let Some(step) = steps.next() {
            let ends = is_end(&step);
            match self.step(number, step).await {
                Ok(answer) => answers.push(answer),
                Err(failure) => {
                    let at = answers.len();
                    answers.extend(failure.answer);
                    if ends || steps.any(|step| is_end(&step)) {
                        self.rollback();
                    } else if let Some(transaction) = &mut self.transaction {
                        transaction.failed = true;
                    }
                    return Err(Box::new(BurstFailure {
                        step: at,
                        error: failure.error,
                        answers,
                        lost: false,
                        unsent: false,
                    }));
                }
            }
        }
        Ok(answers)
    }

    /// Runs a burst that was sent behind another one, in the transaction that it opened.
    pub(super) async fn burst_behind(&mut self, number: u64, burst: Burst) -> BurstResult {
        if self.transaction.is_none() {
            let error = rollback_only("the transaction that this belongs to could not be begun");
            return Err(Box::new(BurstFailure { step: 0, error, answers: Vec::new(), lost: false, unsent: false }));
        }
        self.burst(number, burst).await
    }

    /// Ends the transaction, if one is open, undoing it.
    pub(super) fn rollback(&mut self) {
        self.transaction = None;
    }

    async fn step(&mut self, number: u64, step: Step) -> Result<Answer, StepFailure> {
        // A savepoint is made in a burst that was given up too: what goes back to it comes later.
        let is_due = is_end(&step) || (matches!(step, Step::Control(_)) && self.transaction.is_some());
        if *self.stops.borrow() > number && !is_due {
            return Err(cancelled().into());
        }
        match step {
            Step::Begin(mode) => self.begin(number, mode.read_only).await?,
            Step::Statement(statement) => return self.answer(number, statement).await,
            Step::Draw(draw) => return self.draw(&draw),
            Step::Control(sql) => self.control(&sql)?,
            Step::Commit => self.commit()?,
            Step::Rollback => self.rollback(),
        }
        Ok(Answer::default())
    }

    async fn begin(&mut self, number: u64, read_only: bool) -> Result<(), DatabaseError> {
        if self.transaction.is_some() {
            return Err(DatabaseError::new(ErrorKind::InvalidTransaction, "", "a transaction is already open"));
        }
        let writer = if read_only { None } else { Some(self.write_lock(number).await?) };
        let state = self.database.committed();
        self.transaction = Some(Transaction { state, failed: false, savepoints: Vec::new(), writer });
        Ok(())
    }

    /// Waits until no other connection writes.
    async fn write_lock(&mut self, number: u64) -> Result<OwnedMutexGuard<()>, DatabaseError> {
        let lock = Arc::clone(&self.database.writer).lock_owned();
        let limit = self.database.lock_timeout;
        tokio::select! {
            biased;
            _ = self.stops.wait_for(|stops| *stops > number) => Err(cancelled()),
            lock = tokio::time::timeout(limit, lock) => lock.map_err(|_| locked()),
        }
    }

    fn draw(&mut self, draw: &Draw) -> Result<Answer, StepFailure> {
        let Some(transaction) = &mut self.transaction else { return Err(no_sql().into()) };
        transaction.check()?;
        let ids = operation::draw(&mut transaction.state, draw)?;
        let rows = ids.iter().map(|&id| vec![Value::I64(id)]).collect();
        self.drawn.insert(draw.number, ids);
        Ok(Answer { rows, affected: 0 })
    }

    async fn answer(&mut self, number: u64, statement: Statement) -> Result<Answer, StepFailure> {
        let Some(meaning) = &statement.meaning else { return Err(no_sql().into()) };
        let writes = meaning.writes();
        let answer = match &mut self.transaction {
            Some(transaction) => {
                transaction.check()?;
                if writes && transaction.writer.is_none() {
                    return Err(DatabaseError::new(ErrorKind::ReadOnly, "", "the transaction only reads").into());
                }
                operation::run(&mut transaction.state, meaning, &self.drawn)?
            }
            None => {
                let _writer = if writes { Some(self.write_lock(number).await?) } else { None };
                let mut state = self.database.committed();
                let answer = operation::run(&mut state, meaning, &self.drawn)?;
                if writes {
                    state.check_deferred()?;
                    self.database.publish(state);
                }
                answer
            }
        };
        let count = if answer.rows.is_empty() { answer.affected } else { answer.rows.len() as u64 };
        match statement.guard {
            Some(expected) if expected != count => {
                let message = format!("the statement met {count} rows where it must meet {expected}");
                let error = DatabaseError::new(ErrorKind::Conflict, "", message);
                Err(StepFailure { error, answer: Some(answer) })
            }
            _ => Ok(answer),
        }
    }

    /// The texts that sessions send for nested scopes, and no others.
    fn control(&mut self, sql: &str) -> Result<(), DatabaseError> {
        for part in sql.split(';').map(str::trim).filter(|part| !part.is_empty()) {
            let Some(transaction) = &mut self.transaction else { return Err(no_sql()) };
            if let Some(name) = part.strip_prefix("SAVEPOINT ") {
                transaction.check()?;
                transaction.savepoints.push((name.to_owned(), transaction.state.clone()));
            } else if let Some(name) = part.strip_prefix("ROLLBACK TO SAVEPOINT ") {
                let at = transaction.savepoint(name)?;
                transaction.savepoints.truncate(at + 1);
                transaction.state = transaction.savepoints[at].1.clone();
                transaction.failed = false;
            } else if let Some(name) = part.strip_prefix("RELEASE SAVEPOINT ") {
                transaction.check()?;
                let at = transaction.savepoint(name)?;
                transaction.savepoints.truncate(at);
            } else {
                return Err(no_sql());
            }
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<(), DatabaseError> {
        let Some(transaction) = &self.transaction else {
            return Err(rollback_only("no transaction is open"));
        };
        if transaction.failed {
            return Err(rollback_only("the transaction was rolled back, because something in it failed"));
        }
        transaction.state.check_deferred()?;
        if let Some(transaction) = self.transaction.take()
            && transaction.writer.is_some()
        {
            self.database.publish(transaction.state);
        }
        Ok(())
    }
}

impl Transaction {
    fn check(&self) -> Result<(), DatabaseError> {
        if self.failed { Err(rollback_only("something in this transaction failed; roll it back")) } else { Ok(()) }
    }

    fn savepoint(&self, name: &str) -> Result<usize, DatabaseError> {
        let found = self.savepoints.iter().rposition(|(other, _)| other == name);
        found.ok_or_else(|| DatabaseError::new(ErrorKind::InvalidTransaction, "", format!("no savepoint {name}")))
    }
}

fn is_end(step: &Step) -> bool {
    matches!(step, Step::Commit | Step::Rollback)
}

fn rollback_only(message: &str) -> DatabaseError {
    DatabaseError::new(ErrorKind::RollbackOnly, "", message)
}

fn cancelled() -> DatabaseError {
    DatabaseError::new(ErrorKind::Timeout, "", "the statement was cancelled")
}
