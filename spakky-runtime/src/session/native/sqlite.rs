//! Diesel's own SQLite connection, lent to a closure.

use crate::backend::Connection;
use crate::backend::sqlite::{LendFailure, SqliteConnection};
use crate::error::Error;
use crate::session::Session;
use crate::session::execute::InFlight;

impl Session {
    /// Runs a closure with diesel's own SQLite connection, inside this transaction, on the connection's thread. Pending
    /// writes are sent first; rows that the session knows are read again when they are next asked for. A
    /// `conn.transaction` in the closure is a savepoint.
    ///
    /// ```no_run
    /// # async fn example(session: spakky_runtime::session::Session) -> Result<(), spakky_runtime::Error> {
    /// use diesel::prelude::*;
    ///
    /// let written = session.sqlite(|conn| diesel::sql_query("UPDATE orders SET note = NULL").execute(conn)).await?;
    /// # let _ = written;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// The closure's, classified; [`is_invalid_query`](Error::is_invalid_query) on another backend;
    /// [`is_rollback_only`](Error::is_rollback_only) if the closure ended the transaction or left one of its own open.
    ///
    /// # Panics
    /// If the closure does; the transaction can only be rolled back then.
    ///
    /// # Cancellation
    /// The closure runs to its end all the same, and the scope is rollback-only.
    pub async fn sqlite<T: Send + 'static>(
        &self,
        closure: impl FnOnce(&mut diesel::SqliteConnection) -> diesel::QueryResult<T> + Send + 'static,
    ) -> Result<T, Error> {
        let mut wire = self.wire().await?;
        let connection = self.connection(&mut wire).await?;
        let Some(native) = as_sqlite(&connection) else {
            return Err(super::other_backend("SQLite", "sqlite"));
        };
        self.flush_before_lending(&connection).await?;
        let mut in_flight = InFlight::sent(self);
        let mut watch = self.watch_loan();
        let result = native.run(closure).await;
        in_flight.answered();
        self.state().map.expire(self.depth, None);
        let (error, dooms) = match result {
            Ok(value) => {
                watch.end("returned");
                return Ok(value);
            }
            Err(LendFailure::Panicked(panic)) => {
                watch.fail("failed", "");
                self.state().doom(self.depth, format!("a closure given to `sqlite` in `{}` panicked", self.inner.name));
                drop(wire);
                std::panic::resume_unwind(panic)
            }
            // What failed may have been undone by a savepoint of the closure's own.
            Err(LendFailure::Query(error)) => (error, false),
            Err(LendFailure::Unbalanced(error) | LendFailure::Refused(error) | LendFailure::Lost(error)) => {
                (error, true)
            }
        };
        watch.fail("failed", error.code());
        let error = Error::from_database(error);
        let mut state = self.state();
        state.note_failure(&error);
        if dooms {
            state.doom(self.depth, format!("a closure given to `sqlite` in `{}` failed: {error}", self.inner.name));
        }
        Err(error)
    }
}

fn as_sqlite(connection: &Connection) -> Option<&SqliteConnection> {
    match connection {
        Connection::Sqlite(native) => Some(native),
        #[cfg(feature = "postgres")]
        Connection::Postgres(_) => None,
        #[cfg(feature = "testing")]
        Connection::Memory(_) => None,
    }
}
