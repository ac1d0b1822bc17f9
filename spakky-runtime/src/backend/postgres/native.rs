//! The connection for diesel's own DSL, by diesel-async's traits.

mod bind;
mod error;
mod row;

use std::sync::{Arc, Mutex, PoisonError};

use diesel::connection::{
    CacheSize, DynInstrumentation, Instrumentation, InstrumentationEvent, StrQueryHelper, TransactionDepthChange,
    TransactionManagerStatus,
};
use diesel::pg::Pg;
use diesel::query_builder::{AsQuery, QueryFragment, QueryId};
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use diesel::{ConnectionError, ConnectionResult, QueryResult};
use diesel_async::{
    AnsiTransactionManager, AsyncConnection, AsyncConnectionCore, SimpleAsyncConnection, TransactionManager,
};
use futures_util::TryStreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};

use self::bind::Request;
use self::row::{ColumnTypes, PgRow};
use super::core::{Core, Observation};
use super::options::PostgresOptions;
use super::send::{Open, Running, Wait};
use super::tap::TransactionState;
use crate::error::DatabaseError;
use crate::sql::control::{Control, controls};
use crate::transaction::retry::Failure;

/// A connection to PostgreSQL that speaks diesel: `RunQueryDsl` and all of diesel's query builder work on it.
///
/// A session lends one that is inside the session's own transaction: a `transaction` begun on it makes a savepoint.
/// Queries share the connection's prepared statements.
///
/// Write helpers over `AsyncConnection<Backend = Pg>`; a function that takes `&mut AsyncPgConnection` does not take this.
pub struct PgConnection {
    core: Arc<Core>,
    transaction: AnsiTransactionManager,
    instrumentation: DynInstrumentation,
    sqlstate: SharedState,
    /// Set while something is awaited: still set afterwards, if the future was dropped.
    waiting: bool,
    depth: u32,
    /// A statement was refused that would have ended our transaction, or a part of it.
    refused: bool,
}

/// The code of the last error, which rows that are still read may set too.
type SharedState = Arc<Mutex<Option<String>>>;

/// In which state a lent connection came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Returned {
    /// As it was lent.
    Intact,
    /// A future was dropped before its answer came, so that half of something may have been done.
    Abandoned,
    /// A transaction or savepoint was begun and not ended, or ours was ended.
    Unbalanced,
    /// The transaction has failed and can only be rolled back.
    Failed,
}

impl PgConnection {
    pub(super) fn on(core: Arc<Core>, in_transaction: bool) -> Self {
        let mut connection = PgConnection {
            core,
            transaction: AnsiTransactionManager::default(),
            instrumentation: DynInstrumentation::default_instrumentation(),
            sqlstate: SharedState::default(),
            waiting: false,
            depth: u32::from(in_transaction),
            refused: false,
        };
        let status = AnsiTransactionManager::transaction_manager_status_mut(&mut connection);
        if let (true, TransactionManagerStatus::Valid(status)) = (in_transaction, status) {
            // From nothing to one cannot fail.
            let _ = status.change_transaction_depth(TransactionDepthChange::IncreaseDepth);
        }
        connection
    }

    /// The SQLSTATE of the last error, which diesel's error kinds do not tell (a deadlock is `40P01`).
    pub fn last_sqlstate(&self) -> Option<String> {
        self.sqlstate.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The last failure as a retry sees it.
    pub(crate) fn last_failure(&self) -> Option<Failure> {
        let (kind, retryable) = super::error::classify(&self.last_sqlstate()?);
        Some(Failure { kind, retryable })
    }

    /// In which state it comes back.
    pub(crate) fn returned(&mut self) -> Returned {
        let depth = AnsiTransactionManager::transaction_manager_status_mut(self).transaction_depth();
        let depth = depth.map(|depth| depth.map_or(0, std::num::NonZeroU32::get));
        let quiet = self.core.outbox().is_quiet();
        if self.waiting {
            return Returned::Abandoned;
        }
        if self.refused || depth.is_ok_and(|depth| depth != self.depth) {
            return Returned::Unbalanced;
        }
        match self.core.wire.transaction() {
            TransactionState::Failed => Returned::Failed,
            // Plain SQL may have ended our transaction, or begun one.
            TransactionState::Idle if quiet && self.depth > 0 => Returned::Unbalanced,
            TransactionState::Open if quiet && self.depth == 0 => Returned::Unbalanced,
            _ => Returned::Intact,
        }
    }

    /// Refuses what would end the transaction that is not diesel's, or go back in it to a savepoint of ours.
    fn check_control(&mut self, sql: &str) -> QueryResult<()> {
        let is_ours = |control: &Control| match control {
            Control::Transaction(_) => true,
            Control::Savepoint(word, name) => {
                word != "RELEASE" && name.get(..7).is_some_and(|prefix| prefix.eq_ignore_ascii_case("spakky_"))
            }
        };
        if self.depth == 0 {
            return Ok(());
        }
        let Some(control) = controls(sql, self.core.wire.dialect()).into_iter().find(is_ours) else { return Ok(()) };
        self.refused = true;
        let message = format!(
            "run `{}` on a lent connection: the session begins and ends its transaction itself; use `conn.transaction` for a \
             part of it",
            control.word()
        );
        Err(DieselError::QueryBuilderError(message.into()))
    }

    /// A failure on this connection as the library tells it, by its SQLSTATE.
    pub(crate) fn classify(&self, error: DieselError) -> DatabaseError {
        error::classify(error, self.last_sqlstate())
    }

    /// Runs what `start` sends and waits for it, telling whoever looks on.
    async fn observe<T>(
        &mut self,
        sql: &str,
        start: impl FnOnce(&Arc<Core>) -> (Observation, Wait<Result<T, tokio_postgres::Error>>),
    ) -> QueryResult<(T, Observation)> {
        self.instrumentation.on_connection_event(InstrumentationEvent::start_query(&StrQueryHelper::new(sql)));
        self.waiting = true;
        let (observation, answer) = start(&self.core);
        let result = answer.finish().await;
        let result = match result {
            Ok(answer) => Ok((answer, observation)),
            Err(error) => {
                self.core.wire.settled().await;
                observation.complete();
                Err(failed(&self.core, &self.sqlstate, sql, error))
            }
        };
        self.waiting = false;
        if let Err(DieselError::DatabaseError(DatabaseErrorKind::SerializationFailure, _)) = &result {
            let status = AnsiTransactionManager::transaction_manager_status_mut(self);
            status.set_requires_rollback_maybe_up_to_top_level(true);
        }
        let failure = result.as_ref().err();
        self.instrumentation
            .on_connection_event(InstrumentationEvent::finish_query(&StrQueryHelper::new(sql), failure));
        result
    }

    /// Sends a query of diesel's and waits until its rows begin to come.
    async fn run(&mut self, request: QueryResult<Request>) -> QueryResult<(tokio_postgres::RowStream, Observation)> {
        let request = request?;
        self.check_control(&request.sql)?;
        let request = if request.is_complete() {
            request
        } else {
            self.waiting = true;
            // What fails here shows as a type that stays unknown.
            let _ = self.core.types.load(&self.core.client).await;
            self.waiting = false;
            request.complete(&self.core.types)?
        };
        let sql = request.sql.clone();
        self.observe(&sql, |core| {
            let Open { observation, rows } = core.open(request.wanted(), |prepared| {
                let core = core.clone();
                Box::pin(async move { request.send(&core.client, prepared.as_ref()).await })
            });
            (observation, rows)
        })
        .await
    }
}

/// Notes the code of an error, drops a prepared statement that has become useless, and makes the error diesel's.
fn failed(core: &Core, sqlstate: &SharedState, sql: &str, error: tokio_postgres::Error) -> DieselError {
    let code = error.code().map(|code| code.code().to_owned());
    match code.as_deref() {
        // The first error is the one that counts, not that later ones were refused for it.
        Some("25P02") => {}
        Some("0A000" | "26000") => core.outbox().cache.forget(sql),
        _ => {}
    }
    let mut last = sqlstate.lock().unwrap_or_else(PoisonError::into_inner);
    if code.as_deref() != Some("25P02") || last.is_none() {
        *last = code;
    }
    drop(last);
    error::to_diesel(core, error)
}

impl SimpleAsyncConnection for PgConnection {
    async fn batch_execute(&mut self, query: &str) -> QueryResult<()> {
        self.check_control(query)?;
        let sql = query.to_owned();
        let (rolled_back, observation) = self
            .observe(query, |core| {
                let mut outbox = core.outbox();
                let observation = Observation::begin(core, &mut outbox);
                let running: Running<_> = Box::pin({
                    let core = core.clone();
                    async move {
                        if sql == "COMMIT" {
                            return core.commit().await;
                        }
                        core.client.batch_execute(&sql).await.map(|()| false)
                    }
                });
                (observation, Wait::start(running))
            })
            .await?;
        observation.complete();
        if rolled_back {
            let message = "the server answered COMMIT with ROLLBACK, since a statement before it had failed";
            return Err(DieselError::DatabaseError(DatabaseErrorKind::Unknown, Box::new(message.to_owned())));
        }
        Ok(())
    }
}

impl AsyncConnectionCore for PgConnection {
    type ExecuteFuture<'conn, 'query> = BoxFuture<'conn, QueryResult<usize>>;
    type LoadFuture<'conn, 'query> = BoxFuture<'conn, QueryResult<Self::Stream<'conn, 'query>>>;
    type Stream<'conn, 'query> = BoxStream<'static, QueryResult<PgRow>>;
    type Row<'conn, 'query> = PgRow;
    type Backend = Pg;

    fn load<'conn, 'query, T>(&'conn mut self, source: T) -> Self::LoadFuture<'conn, 'query>
    where
        T: AsQuery + 'query,
        T::Query: QueryFragment<Pg> + QueryId + 'query,
    {
        let request = Request::of(&source.as_query(), &self.core.types);
        Box::pin(async move {
            let sql = request.as_ref().map(|request| request.sql.clone()).unwrap_or_default();
            let (rows, observation) = self.run(request).await?;
            let (core, sqlstate) = (self.core.clone(), self.sqlstate.clone());
            let reading = (Box::pin(rows), ColumnTypes::default(), observation);
            let rows: BoxStream<'static, _> = Box::pin(stream::try_unfold(Some(reading), move |reading| {
                let (core, sqlstate, sql) = (core.clone(), sqlstate.clone(), sql.clone());
                async move {
                    let Some((mut rows, mut types, observation)) = reading else { return Ok(None) };
                    match rows.try_next().await {
                        Ok(Some(row)) => Ok(Some((PgRow::new(row, &mut types), Some((rows, types, observation))))),
                        Ok(None) => {
                            observation.complete();
                            Ok(None)
                        }
                        Err(error) => {
                            observation.complete();
                            Err(failed(&core, &sqlstate, &sql, error))
                        }
                    }
                }
            }));
            Ok(rows)
        })
    }

    fn execute_returning_count<'conn, 'query, T>(&'conn mut self, source: T) -> Self::ExecuteFuture<'conn, 'query>
    where
        T: QueryFragment<Pg> + QueryId + 'query,
    {
        let request = Request::of(&source, &self.core.types);
        Box::pin(async move {
            let sql = request.as_ref().map(|request| request.sql.clone()).unwrap_or_default();
            let (rows, observation) = self.run(request).await?;
            self.waiting = true;
            let mut rows = std::pin::pin!(rows);
            let ended = loop {
                match rows.try_next().await {
                    Ok(Some(_)) => {}
                    Ok(None) => break Ok(rows.rows_affected().unwrap_or(0)),
                    Err(error) => break Err(error),
                }
            };
            if ended.is_err() {
                self.core.wire.settled().await;
            }
            self.waiting = false;
            observation.complete();
            let affected = ended.map_err(|error| failed(&self.core, &self.sqlstate, &sql, error))?;
            usize::try_from(affected).map_err(|error| DieselError::DeserializationError(Box::new(error)))
        })
    }
}

impl AsyncConnection for PgConnection {
    type TransactionManager = AnsiTransactionManager;

    async fn establish(database_url: &str) -> ConnectionResult<Self> {
        let core = async { super::connect::open(&PostgresOptions::from_url(database_url, None)?).await }.await;
        match core {
            Ok(core) => Ok(PgConnection::on(core, false)),
            Err(error) => Err(ConnectionError::BadConnection(error.to_string())),
        }
    }

    fn transaction_state(&mut self) -> &mut AnsiTransactionManager {
        &mut self.transaction
    }

    fn instrumentation(&mut self) -> &mut dyn Instrumentation {
        &mut *self.instrumentation
    }

    fn set_instrumentation(&mut self, instrumentation: impl Instrumentation) {
        self.instrumentation = DynInstrumentation::from(instrumentation);
    }

    /// Has no effect: the statement cache belongs to the connection below, whose size is set by its configuration.
    fn set_prepared_statement_cache_size(&mut self, _size: CacheSize) {}
}

impl std::fmt::Debug for PgConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PgConnection").field("usable", &self.core.is_usable()).finish_non_exhaustive()
    }
}
