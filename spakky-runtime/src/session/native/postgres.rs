//! The PostgreSQL connection, lent to diesel's query builder.

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use crate::backend::Connection;
use crate::backend::postgres::{PgConnection, PostgresConnection, Returned};
use crate::error::Error;
use crate::instrument::Ending;
use crate::session::Session;
use crate::session::execute::Wire;
use crate::session::state::Phase;

impl Session {
    /// Lends the connection to diesel: everything of `RunQueryDsl` and diesel's query builder works on it, inside this
    /// transaction. Pending writes are sent first; rows that the session knows are read again when they are next asked for. A
    /// `conn.transaction` on it is a savepoint.
    ///
    /// While it is lent, other calls of the session are refused. A rollback closes it.
    ///
    /// ```no_run
    /// # async fn example(session: spakky_runtime::session::Session) -> Result<(), Box<dyn std::error::Error>> {
    /// use diesel_async::RunQueryDsl;
    ///
    /// let mut conn = session.postgres().await?;
    /// diesel::sql_query("REFRESH MATERIALIZED VIEW totals").execute(&mut *conn).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`is_invalid_query`](Error::is_invalid_query) on another backend, and what sending the pending writes gives.
    ///
    /// # Cancellation
    /// Dropping one of diesel's futures before its answer came leaves the scope rollback-only, and so does giving the
    /// connection back with a transaction of one's own open on it.
    pub async fn postgres(&self) -> Result<PostgresLoan<'_>, Error> {
        let mut wire = self.wire().await?;
        let connection = self.connection(&mut wire).await?;
        let Some(native) = as_postgres(&connection) else {
            return Err(super::other_backend("PostgreSQL", "postgres"));
        };
        self.flush_before_lending(&connection).await?;
        let lent = native.lend(true);
        self.state().lent = true;
        let watch = self.watch_loan();
        Ok(PostgresLoan { session: self.clone(), connection: lent, wire, watch, borrowed: PhantomData })
    }
}

fn as_postgres(connection: &Connection) -> Option<&PostgresConnection> {
    match connection {
        Connection::Postgres(native) => Some(native),
        #[cfg(feature = "sqlite")]
        Connection::Sqlite(_) => None,
        #[cfg(feature = "testing")]
        Connection::Memory(_) => None,
    }
}

/// The session's PostgreSQL connection, lent to diesel by [`Session::postgres`]. It goes back when this is dropped.
pub struct PostgresLoan<'s> {
    session: Session,
    connection: PgConnection,
    wire: Wire,
    watch: Ending,
    borrowed: PhantomData<&'s Session>,
}

impl PostgresLoan<'_> {
    /// A failure of diesel's on this connection as the library tells it: by the SQLSTATE, which diesel's own kinds lose.
    pub fn classify(&self, error: diesel::result::Error) -> Error {
        Error::from_database(self.connection.classify(error))
    }
}

impl Deref for PostgresLoan<'_> {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl DerefMut for PostgresLoan<'_> {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}

impl Drop for PostgresLoan<'_> {
    fn drop(&mut self) {
        let ended = {
            let mut state = self.session.state();
            state.lent = false;
            state.phase == Phase::Ended
        };
        if ended {
            // The end of the scope has closed it.
            drop(self.wire.take());
            return;
        }
        let returned = self.connection.returned();
        let failure = self.connection.last_failure();
        let name = self.session.scope_name();
        let depth = self.session.depth;
        // Outside the lock: whoever listens to spans runs here.
        match returned {
            Returned::Intact => self.watch.end("returned"),
            Returned::Abandoned => self.watch.end("abandoned"),
            Returned::Unbalanced => self.watch.fail("failed", ""),
            Returned::Failed => self.watch.fail("failed", &self.connection.last_sqlstate().unwrap_or_default()),
        }
        let mut state = self.session.state();
        state.map.expire(depth, None);
        let reason = match returned {
            Returned::Intact => return,
            Returned::Abandoned => {
                state.unobserved = true;
                "a call on the lent connection was abandoned before its answer came"
            }
            Returned::Unbalanced => "the lent connection came back with the transaction ended, or one of its own open",
            Returned::Failed => "a statement on the lent connection failed",
        };
        if let Some(failure) = failure {
            state.failure = Some(failure);
        }
        state.doom(depth, format!("in `{name}`, {reason}"));
    }
}

impl std::fmt::Debug for PostgresLoan<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresLoan").field("session", &self.session).finish_non_exhaustive()
    }
}
