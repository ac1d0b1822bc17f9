//! What travels to a database in one go, and what comes back.

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::Stream;

use crate::error::DatabaseError;
use crate::schema::TableDescriptor;
use crate::statement::operation::Operation;
use crate::transaction::TransactionMode;
use crate::value::{ColumnType, Value};

/// One statement with its bound values. The text is in the backend's own spelling (`$1` or `?1`).
#[derive(Debug, Clone)]
pub(crate) struct Statement {
    pub(crate) sql: Arc<str>,
    pub(crate) binds: Vec<Bind>,
    /// Whether the text recurs, so that it is worth a named prepared statement.
    pub(crate) cached: bool,
    /// How many rows the statement must return (or write, if it returns none). PostgreSQL checks this inside the
    /// statement's own text, since later steps have been sent already; SQLite checks it here, and a miss fails the step
    /// with [`ErrorKind::Conflict`](crate::error::ErrorKind) and its answer as the last of the failure's answers.
    pub(crate) guard: Option<u64>,
    /// What the statement does, for a database that reads no SQL; text that a user wrote has none.
    #[cfg_attr(not(feature = "testing"), expect(dead_code, reason = "only the in-memory database reads it"))]
    pub(crate) meaning: Option<Arc<Operation>>,
    /// The user wrote the text: it may leave settings, locks and the like on the connection, which are undone when the
    /// transaction or the burst ends.
    pub(crate) by_user: bool,
}

/// Asks for the id of the transaction.
const TRANSACTION_ID: &str = "SELECT pg_current_xact_id_if_assigned()::text";

impl Statement {
    /// The id of the transaction, if it has one (PostgreSQL). Fails in a transaction that has failed before.
    pub(crate) fn transaction_id() -> Self {
        Statement::plain(TRANSACTION_ID, Vec::new())
    }

    /// A statement whose text recurs, with nothing to guard.
    pub(crate) fn plain(sql: &'static str, binds: Vec<Bind>) -> Self {
        Statement { sql: sql.into(), binds, cached: true, guard: None, meaning: None, by_user: false }
    }
}

/// Ids of one column that are drawn ahead of the rows that get them.
///
/// On PostgreSQL the statement leaves them in a setting of the transaction, where the statements behind it find them, and
/// answers with them as the text of an array. The other databases run in this process: their connections put the ids in
/// the place of [`Value::Drawn`], and answer with one row for each.
#[derive(Debug, Clone)]
pub(crate) struct Draw {
    /// The number by which the ids are referred to.
    pub(crate) number: usize,
    pub(crate) table: &'static TableDescriptor,
    /// The position of the column.
    pub(crate) column: usize,
    pub(crate) count: usize,
    /// On SQLite it answers with the greatest id of the table.
    pub(crate) statement: Statement,
}

/// One bound value. The type decides the wire type, so that a NULL has one too.
#[derive(Debug, Clone)]
pub(crate) struct Bind {
    pub(crate) ty: ColumnType,
    pub(crate) value: Value,
}

/// One step of a burst.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Opens a transaction. On SQLite a writing one begins IMMEDIATE, waiting for the lock up to the busy timeout.
    Begin(TransactionMode),
    /// A statement with its answer.
    Statement(Statement),
    /// Draws ids that later statements of the burst hold as [`Value::Drawn`].
    Draw(Draw),
    /// A statement without values and without an answer: `SAVEPOINT a`, `SET LOCAL …`, DDL. May hold several, `;` between.
    Control(Cow<'static, str>),
    /// Ends the transaction. After a failed step it is a ROLLBACK, on both backends.
    Commit,
    /// Ends the transaction, undoing it.
    #[cfg_attr(
        not(any(test, feature = "migrations")),
        expect(
            dead_code,
            reason = "a session undoes a transaction by resetting its connection; tests of connections say so"
        )
    )]
    Rollback,
}

impl Step {
    /// The statement of a step that has an answer.
    pub(crate) fn statement(&self) -> Option<&Statement> {
        match self {
            Step::Statement(statement) | Step::Draw(Draw { statement, .. }) => Some(statement),
            Step::Begin(_) | Step::Control(_) | Step::Commit | Step::Rollback => None,
        }
    }
}

/// Steps that travel together and run in this order.
pub(crate) type Burst = Vec<Step>;

/// What one step answered; empty for anything but a [`Step::Statement`] and a [`Step::Draw`].
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) rows: Vec<Vec<Value>>,
    /// Rows written, for a statement without rows.
    pub(crate) affected: u64,
}

/// The first step that failed; no later step took effect inside a transaction.
#[derive(Debug)]
pub(crate) struct BurstFailure {
    /// Which step; the length of the burst's answers before it.
    pub(crate) step: usize,
    pub(crate) error: DatabaseError,
    /// The answers of the steps before it (and of the step itself, for a missed guard on SQLite, and as far as it came before
    /// the line to PostgreSQL broke).
    pub(crate) answers: Vec<Answer>,
    /// The connection is gone, and whether a COMMIT that was in the burst took effect cannot be known from it.
    pub(crate) lost: bool,
    /// Nothing of it was handed over.
    pub(crate) unsent: bool,
}

/// All answers, one per step, or the first failure.
pub(crate) type BurstResult = Result<Vec<Answer>, Box<BurstFailure>>;

/// The answer to a burst that has been sent. Dropping it changes nothing on the connection: the steps run all the
/// same, and later bursts wait their turn.
pub(crate) type Pending = Pin<Box<dyn Future<Output = BurstResult> + Send + 'static>>;

/// Rows as they arrive.
pub(crate) type RowSource = Pin<Box<dyn Stream<Item = Result<Vec<Value>, DatabaseError>> + Send + 'static>>;
