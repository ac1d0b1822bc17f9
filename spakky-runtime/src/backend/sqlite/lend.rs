//! Diesel's own connection, lent to a closure inside the open transaction.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use diesel::connection::{
    AnsiTransactionManager, TransactionDepthChange, TransactionManager, TransactionManagerStatus,
};
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use libsqlite3_sys as ffi;
use tokio::sync::oneshot;

use super::SqliteConnection;
use super::error::{closed, kind};
use super::executor::Executor;
use super::raw::Failure;
use crate::error::{DatabaseError, ErrorKind};

/// Why a closure did not end well.
#[derive(Debug)]
pub(crate) enum LendFailure {
    /// The closure's own error, classified. The transaction, if one is open, can go on: diesel's nested transactions
    /// may have undone what failed.
    Query(DatabaseError),
    /// The closure panicked; the transaction can only be rolled back.
    Panicked(Box<dyn Any + Send>),
    /// The closure ended the transaction or left one of its own open; the transaction can only be rolled back.
    Unbalanced(DatabaseError),
    /// The closure was not run, since the transaction can only be rolled back, or the job was told to stop.
    Refused(DatabaseError),
    /// The connection is gone.
    Lost(DatabaseError),
}

impl SqliteConnection {
    /// Runs a closure with diesel's connection on the thread. Inside an open transaction diesel's depth is 1, so that
    /// `conn.transaction` makes a savepoint there.
    ///
    /// # Cancellation
    /// The closure runs to its end all the same; [`SqliteConnection::cancel`] interrupts what it is running.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        closure: impl FnOnce(&mut diesel::SqliteConnection) -> diesel::QueryResult<T> + Send + 'static,
    ) -> Result<T, LendFailure> {
        let (answer, answered) = oneshot::channel();
        self.push(Box::new(move |executor| {
            let _ = answer.send(executor.lend(closure));
        }));
        answered.await.unwrap_or_else(|_| Err(LendFailure::Lost(closed())))
    }
}

impl Executor {
    fn lend<T>(
        &mut self,
        closure: impl FnOnce(&mut diesel::SqliteConnection) -> diesel::QueryResult<T>,
    ) -> Result<T, LendFailure> {
        if self.queue().is_stopped() {
            return Err(LendFailure::Refused(super::error::cancelled()));
        }
        self.check_open().map_err(LendFailure::Refused)?;
        let open = self.transaction.is_some();
        set_depth(self.database.connection(), open);
        let queue = Arc::clone(self.queue());
        let guard = Arc::clone(&self.database.guard);
        let watching = guard.watch(!open);
        // It may write at any time.
        let result = queue.writing(true, || catch_unwind(AssertUnwindSafe(|| closure(self.database.connection()))));
        drop(watching);
        let failure = self.database.last_failure();
        self.note_left();
        if !self.database.is_own_connection() {
            return Err(self.lost_connection(result));
        }
        let balanced = depth(self.database.connection()) == Some(u32::from(open)) && !guard.has_refused();
        set_depth(self.database.connection(), false);
        // A `PRAGMA busy_timeout` or `query_only` of the closure's ends with it.
        self.database.install_handlers();

        let left = self.check_left_open();
        let unbalanced = if balanced { left.err() } else { Some(left.err().unwrap_or_else(unbalanced)) };
        if let (Some(transaction), true) = (&mut self.transaction, unbalanced.is_some() || result.is_err()) {
            transaction.failed = true;
        }
        match (result, unbalanced) {
            (Err(panic), _) => Err(LendFailure::Panicked(panic)),
            (Ok(_), Some(error)) => Err(LendFailure::Unbalanced(error)),
            (Ok(Ok(value)), None) => Ok(value),
            (Ok(Err(error)), None) => Err(LendFailure::Query(self.classified(error, failure))),
        }
    }

    /// The closure put another connection in the place of diesel's: this one cannot be lent again, so it is closed, and the
    /// transaction with it.
    fn lost_connection<T>(&mut self, result: std::thread::Result<T>) -> LendFailure {
        self.queue().mark_broken();
        if let Some(transaction) = &mut self.transaction {
            transaction.failed = true;
        }
        match result {
            Err(panic) => LendFailure::Panicked(panic),
            Ok(_) => {
                let message = "the closure put another connection in the place of the one that was lent to it";
                LendFailure::Unbalanced(DatabaseError::new(ErrorKind::RollbackOnly, "", message))
            }
        }
    }

    /// A diesel error in our terms. Diesel keeps the kind of a violated constraint and the text; the code is still that
    /// of the connection, unless the closure went on after the failure or diesel did to clean up.
    fn classified(&self, error: DieselError, last: Failure) -> DatabaseError {
        let mut made = match &error {
            DieselError::DatabaseError(violated, information) => {
                let message = information.message().to_owned();
                let code = code_of(violated, &last, &message);
                self.failed(Failure { code, message })
            }
            DieselError::NotFound => DatabaseError::new(ErrorKind::NotFound, "", "the query returned no row"),
            DieselError::SerializationError(_) | DieselError::DeserializationError(_) => {
                DatabaseError::new(ErrorKind::Mapping, "", error.to_string())
            }
            _ => DatabaseError::new(ErrorKind::Database, "", error.to_string()),
        };
        made.source = Some(Box::new(error));
        made
    }
}

fn code_of(violated: &DatabaseErrorKind, last: &Failure, message: &str) -> i32 {
    let named = match violated {
        DatabaseErrorKind::UniqueViolation => Some(ffi::SQLITE_CONSTRAINT_UNIQUE),
        DatabaseErrorKind::ForeignKeyViolation => Some(ffi::SQLITE_CONSTRAINT_FOREIGNKEY),
        DatabaseErrorKind::NotNullViolation => Some(ffi::SQLITE_CONSTRAINT_NOTNULL),
        DatabaseErrorKind::CheckViolation => Some(ffi::SQLITE_CONSTRAINT_CHECK),
        _ => None,
    };
    match named {
        Some(code) if kind(code) == kind(last.code) => last.code,
        Some(code) => code,
        None if last.message == message => last.code,
        None => ffi::SQLITE_ERROR,
    }
}

fn unbalanced() -> DatabaseError {
    let message = "the closure left a transaction of its own open, or ended one that is not its own";
    DatabaseError::new(ErrorKind::RollbackOnly, "", message)
}

/// Diesel's own count of nested transactions; `None` if diesel has given the connection up.
fn depth(connection: &mut diesel::SqliteConnection) -> Option<u32> {
    let status =
        <AnsiTransactionManager as TransactionManager<diesel::SqliteConnection>>::transaction_manager_status_mut(
            connection,
        );
    status.transaction_depth().ok().map(|depth| depth.map_or(0, u32::from))
}

fn set_depth(connection: &mut diesel::SqliteConnection, open: bool) {
    let status =
        <AnsiTransactionManager as TransactionManager<diesel::SqliteConnection>>::transaction_manager_status_mut(
            connection,
        );
    *status = TransactionManagerStatus::default();
    if let (TransactionManagerStatus::Valid(valid), true) = (status, open) {
        // Deeper by one than nothing; it cannot fail.
        let _ = valid.change_transaction_depth(TransactionDepthChange::IncreaseDepth);
    }
}
