//! Runs bursts on the connection's thread, and keeps the books of the open transaction.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::error::{breaks_connection, cancelled, classify, is_given_up, unstorable};
use super::guard::Left;
use super::options::SqliteOptions;
use super::queue::Queue;
use super::raw::{Database, Failure};
use super::restore::Settings;
use super::statement_cache::StatementCache;
use super::wire;
use crate::backend::{Answer, Bind, Burst, BurstFailure, BurstResult, Draw, Statement, Step};
use crate::error::{DatabaseError, ErrorKind};
use crate::sql::Dialect;
use crate::sql::control::{Control, controls};
use crate::transaction::TransactionMode;
use crate::value::{ColumnType, ScalarType, Value};

/// A connection as its thread sees it.
pub(super) struct Executor {
    // Dropped first, since a connection with prepared statements cannot be closed.
    statements: StatementCache,
    pub(super) database: Database,
    queue: Arc<Queue>,
    pub(super) transaction: Option<Transaction>,
    /// The settings of a connection that its database ends with, so that closing it mends nothing.
    pub(super) kept: Option<Settings>,
    /// The ids that steps of the burst have drawn.
    drawn: HashMap<usize, Vec<i64>>,
}

/// The transaction that we opened. SQLite may have ended it: see [`Executor::is_gone`].
#[derive(Debug)]
pub(super) struct Transaction {
    read_only: bool,
    /// Something in it failed: it takes nothing but a rollback.
    pub(super) failed: bool,
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
    pub(super) fn new(options: &SqliteOptions, database: Database, queue: Arc<Queue>) -> Self {
        let statements = StatementCache::new(options.statement_cache_size);
        let kept = options.is_memory().then(|| Settings::of(&database));
        Executor { statements, database, queue, transaction: None, kept, drawn: HashMap::new() }
    }

    /// Runs a burst, up to the first step that fails.
    pub(super) fn burst(&mut self, burst: Burst) -> BurstResult {
        let result = self.steps(burst);
        // What the end of a transaction undoes, the end of a statement outside of any does.
        if self.transaction.is_none() {
            self.restore();
        }
        result
    }

    /// Runs a burst that was sent behind another one, in the transaction that it opened.
    pub(super) fn burst_behind(&mut self, burst: Burst) -> BurstResult {
        match self.check_behind() {
            Ok(()) => self.burst(burst),
            Err(error) => {
                Err(Box::new(BurstFailure { step: 0, error, answers: Vec::new(), lost: false, unsent: false }))
            }
        }
    }

    /// Whether there is the transaction that was to be opened: outside of it, each statement would be committed by itself.
    pub(super) fn check_behind(&self) -> Result<(), DatabaseError> {
        if self.transaction.is_none() {
            return Err(rollback_only("the transaction that this belongs to could not be begun"));
        }
        Ok(())
    }

    fn steps(&mut self, burst: Burst) -> BurstResult {
        self.drawn.clear();
        let mut answers = Vec::with_capacity(burst.len());
        let mut steps = burst.into_iter();
        while let Some(step) = steps.next() {
            let ends = is_end(&step);
            match self.step(step) {
                Ok(answer) => answers.push(answer),
                Err(failure) => {
                    let at = answers.len();
                    answers.extend(failure.answer);
                    if ends || steps.any(|step| is_end(&step)) {
                        self.rollback();
                    } else if !self.is_spared(&failure.error)
                        && let Some(transaction) = &mut self.transaction
                    {
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

    /// Whether the failure is that a job was told to stop in a way that harms no transaction: nothing was done by halves.
    fn is_spared(&self, error: &DatabaseError) -> bool {
        self.queue.is_stopped_gently() && error.kind == ErrorKind::Timeout
    }

    fn step(&mut self, step: Step) -> Result<Answer, StepFailure> {
        // A savepoint is made in a burst that was given up too: what goes back to it comes later.
        let is_due = is_end(&step) || (matches!(step, Step::Control(_)) && self.transaction.is_some());
        if self.queue.is_stopped() && !is_due {
            return Err(cancelled().into());
        }
        match step {
            Step::Begin(mode) => self.begin(&mode)?,
            Step::Statement(statement) => return self.answer(statement),
            Step::Draw(draw) => return self.draw(draw),
            Step::Control(sql) => self.control(&sql)?,
            Step::Commit => self.commit()?,
            Step::Rollback => self.rollback(),
        }
        Ok(Answer::default())
    }

    fn begin(&mut self, mode: &TransactionMode) -> Result<(), DatabaseError> {
        if self.transaction.is_some() {
            return Err(DatabaseError::new(ErrorKind::InvalidTransaction, "", "a transaction is already open"));
        }
        // A `PRAGMA busy_timeout` of another session's ends here.
        self.database.install_handlers();
        let begun = if mode.read_only {
            // A deferred transaction never waits for writers, and takes its snapshot at the first read.
            self.database.execute("PRAGMA query_only = ON").and_then(|()| self.database.begin.execute())
        } else {
            self.database.begin_immediate.execute()
        };
        self.transaction = Some(Transaction { read_only: mode.read_only, failed: false });
        begun.map_err(|failure| {
            let error = self.failed(failure);
            self.rollback();
            error
        })
    }

    /// Draws ids as SQLite would assign them: above all that there are, and with AUTOINCREMENT above all that there were.
    fn draw(&mut self, draw: Draw) -> Result<Answer, StepFailure> {
        let mut greatest = self.number(draw.statement)?;
        let counts = self.number(Statement::plain(HAS_COUNTS, Vec::new()))? > 0;
        if counts {
            greatest = greatest.max(self.number(Statement::plain(LAST_COUNT, vec![text(draw.table.name)]))?);
        }
        let count = i64::try_from(draw.count).unwrap_or(i64::MAX);
        let Some(last) = greatest.checked_add(count) else {
            let message = format!("draw ids for {}: there are no greater ones left", draw.table.name);
            return Err(DatabaseError::new(ErrorKind::Database, "", message).into());
        };
        if counts && self.number(Statement::plain(HAS_TRIGGERS, Vec::new()))? > 0 {
            self.reserve(draw.table.name, last)?;
        }
        let ids: Vec<i64> = (greatest + 1..=last).collect();
        let rows = ids.iter().map(|&id| vec![Value::I64(id)]).collect();
        self.drawn.insert(draw.number, ids);
        Ok(Answer { rows, affected: 0 })
    }

    /// Has rows that a trigger adds meanwhile get greater ids, in a table that counts them.
    fn reserve(&mut self, table: &str, last: i64) -> Result<(), DatabaseError> {
        for sql in [BEGIN_COUNT, COUNT_ON] {
            let last = Bind { ty: ColumnType::scalar(ScalarType::I64), value: Value::I64(last) };
            self.run(Statement::plain(sql, vec![text(table), last]), |_| ControlFlow::Continue(()))?;
        }
        Ok(())
    }

    /// The one number of a query, 0 for a NULL or anything less.
    fn number(&mut self, statement: Statement) -> Result<i64, DatabaseError> {
        let mut number = 0;
        self.run(statement, |row| {
            if let Some(Value::I64(found)) = row.first() {
                number = number.max(*found);
            }
            ControlFlow::Continue(())
        })?;
        Ok(number)
    }

    fn answer(&mut self, mut statement: Statement) -> Result<Answer, StepFailure> {
        for bind in &mut statement.binds {
            if let Value::Drawn(id) = &bind.value
                && let Some(drawn) = self.drawn.get(&id.draw).and_then(|ids| ids.get(id.position))
            {
                bind.value = Value::I64(*drawn);
            }
        }
        let guard = statement.guard;
        let mut rows = Vec::new();
        let affected = self.run(statement, |row| {
            rows.push(row);
            ControlFlow::Continue(())
        })?;
        let answer = Answer { rows, affected };
        let count = if answer.rows.is_empty() { affected } else { answer.rows.len() as u64 };
        match guard {
            Some(expected) if expected != count => {
                let message = format!("the statement met {count} rows where it must meet {expected}");
                let error = DatabaseError::new(ErrorKind::Conflict, "", message);
                Err(StepFailure { error, answer: Some(answer) })
            }
            _ => Ok(answer),
        }
    }

    /// Runs one statement in the open transaction, or in one of its own, and hands out its rows until `row` breaks off.
    /// Answers how many rows it wrote.
    pub(super) fn run(
        &mut self,
        statement: Statement,
        row: impl FnMut(Vec<Value>) -> ControlFlow<()>,
    ) -> Result<u64, DatabaseError> {
        self.check_open()?;
        if statement.by_user {
            return self.run_watched(statement, row);
        }
        let binds = wire::encode_all(statement.binds).map_err(|error| unstorable(&error))?;
        let result = if statement.cached && self.statements.capacity() > 0 {
            self.statements
                .get(&self.database, &statement.sql)
                .and_then(|prepared| self.queue.writing(!prepared.is_read_only(), || prepared.run(&binds, row)))
        } else {
            self.database
                .prepare(&statement.sql)
                .and_then(|mut prepared| self.queue.writing(!prepared.is_read_only(), || prepared.run(&binds, row)))
        };
        let written = result.map_err(|failure| self.failed(failure))?;
        self.check_left_open()?;
        Ok(written)
    }

    /// The same with a user's own text, which may neither begin nor end a transaction, and leave what is undone later.
    fn run_watched(
        &mut self,
        statement: Statement,
        row: impl FnMut(Vec<Value>) -> ControlFlow<()>,
    ) -> Result<u64, DatabaseError> {
        let binds = wire::encode_all(statement.binds).map_err(|error| unstorable(&error))?;
        let guard = Arc::clone(&self.database.guard);
        let watching = guard.watch(false);
        let result = self.database.prepare(&statement.sql).and_then(|mut prepared| prepared.run(&binds, row));
        drop(watching);
        self.note_left();
        if guard.has_refused() {
            let message = "the statement begins or ends a transaction, which is done by its scope";
            return Err(DatabaseError::new(ErrorKind::InvalidTransaction, "", message));
        }
        let written = result.map_err(|failure| self.failed(failure))?;
        self.check_left_open()?;
        Ok(written)
    }

    /// Has it be known that a user's own text left something.
    pub(super) fn note_left(&self) {
        if self.database.guard.left() != Left::default() {
            self.queue.touch(true);
        }
    }

    fn control(&mut self, sql: &str) -> Result<(), DatabaseError> {
        let back_to_savepoint = is_rollback_to(sql);
        if back_to_savepoint && self.transaction.is_some() && !self.is_gone() {
            self.queue.shielded(|| self.database.execute(sql)).map_err(|failure| self.failed(failure))?;
            if let Some(transaction) = &mut self.transaction {
                transaction.failed = false;
            }
        } else {
            self.check_open()?;
            self.queue.shielded(|| self.database.execute(sql)).map_err(|failure| self.failed(failure))?;
        }
        self.check_left_open()
    }

    fn commit(&mut self) -> Result<(), DatabaseError> {
        let Some(transaction) = &self.transaction else {
            return Err(rollback_only("no transaction is open"));
        };
        if transaction.failed || self.is_gone() {
            return Err(rollback_only("the transaction was rolled back, because something in it failed"));
        }
        self.queue.shielded(|| self.database.commit.execute()).map_err(|failure| self.failed(failure))?;
        self.end_transaction();
        Ok(())
    }

    /// Ends the transaction, if one is open, undoing it.
    pub(super) fn rollback(&mut self) {
        if !self.database.is_autocommit() {
            let rolled_back = self.queue.shielded(|| self.database.rollback.execute());
            if rolled_back.is_err() && !self.database.is_autocommit() {
                self.queue.mark_broken();
            }
        }
        self.end_transaction();
    }

    fn end_transaction(&mut self) {
        if self.transaction.take().is_some_and(|transaction| transaction.read_only)
            && self.database.execute("PRAGMA query_only = OFF").is_err()
        {
            self.queue.mark_broken();
        }
        self.restore();
    }

    /// Whether SQLite ended the transaction that we opened: it does when a write is interrupted, and when disk or memory
    /// run out. From then on every statement would be committed by itself.
    pub(super) fn is_gone(&self) -> bool {
        self.transaction.is_some() && self.database.is_autocommit()
    }

    pub(super) fn check_open(&self) -> Result<(), DatabaseError> {
        match &self.transaction {
            Some(transaction) if transaction.failed => {
                Err(rollback_only("something in this transaction failed; roll it back"))
            }
            Some(_) if self.is_gone() => Err(rollback_only("the transaction was rolled back by the database")),
            _ => Ok(()),
        }
    }

    /// Transactions are opened and ended by steps; one that was by a statement is not in the books.
    pub(super) fn check_left_open(&mut self) -> Result<(), DatabaseError> {
        if self.is_gone() {
            return Err(rollback_only("the transaction was ended by a statement inside it"));
        }
        if self.transaction.is_none() && !self.database.is_autocommit() {
            self.rollback();
            let message = "a statement opened a transaction of its own, which was rolled back";
            return Err(DatabaseError::new(ErrorKind::InvalidTransaction, "", message));
        }
        Ok(())
    }

    /// A failure of SQLite in our terms. A wait that was given up because the job was told to stop is a timeout.
    pub(super) fn failed(&self, failure: Failure) -> DatabaseError {
        if breaks_connection(failure.code) && self.kept.is_none() {
            self.queue.mark_broken();
        }
        if self.queue.is_interrupted() && is_given_up(failure.code) {
            return cancelled();
        }
        classify(failure)
    }

    /// Rolls back what is open and restores what a statement may have changed. Answers whether that went well.
    pub(super) fn clean(&mut self) -> bool {
        self.rollback();
        self.restore();
        self.database.install_handlers();
        let settings = "PRAGMA query_only = OFF; PRAGMA legacy_alter_table = OFF; PRAGMA foreign_keys = ON; PRAGMA \
                        trusted_schema = OFF";
        self.database.execute(settings).is_ok() && self.database.is_autocommit()
    }

    pub(super) fn ping(&mut self) -> bool {
        self.database.execute("SELECT 1").is_ok()
    }

    pub(super) fn queue(&self) -> &Arc<Queue> {
        &self.queue
    }
}

/// Whether a table has AUTOINCREMENT.
const HAS_COUNTS: &str = "SELECT count(*) FROM sqlite_master WHERE name = 'sqlite_sequence'";
const LAST_COUNT: &str = "SELECT max(seq) FROM sqlite_sequence WHERE name = ?1 COLLATE NOCASE";
const HAS_TRIGGERS: &str = "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'trigger' UNION ALL SELECT 1 FROM \
                            sqlite_temp_master WHERE type = 'trigger')";
/// A table without AUTOINCREMENT has no place among the others; one with it has none before its first row.
const BEGIN_COUNT: &str = "INSERT INTO sqlite_sequence (name, seq) SELECT name, ?2 FROM sqlite_master WHERE type = 'table' AND \
                           name = ?1 COLLATE NOCASE AND sql LIKE '%AUTOINCREMENT%' AND NOT EXISTS (SELECT 1 FROM \
                           sqlite_sequence AS s WHERE s.name = sqlite_master.name)";
const COUNT_ON: &str = "UPDATE sqlite_sequence SET seq = max(seq, ?2) WHERE name = ?1 COLLATE NOCASE";

fn text(text: &str) -> Bind {
    Bind { ty: ColumnType::scalar(ScalarType::Text), value: Value::Text(text.to_owned()) }
}

fn is_end(step: &Step) -> bool {
    matches!(step, Step::Commit | Step::Rollback)
}

fn rollback_only(message: &str) -> DatabaseError {
    DatabaseError::new(ErrorKind::RollbackOnly, "", message)
}

/// Whether a text is (or starts with) `ROLLBACK TO a savepoint`.
fn is_rollback_to(sql: &str) -> bool {
    let first = controls(sql, Dialect::Sqlite).into_iter().next();
    matches!(first, Some(Control::Savepoint(word, _)) if word == "ROLLBACK")
}
