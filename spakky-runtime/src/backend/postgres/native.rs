//! The connection for diesel's own DSL, by diesel-async's traits.

mod bind;
mod copy;
mod error;
mod row;

use std::future::poll_fn;
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
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};

pub(super) use self::bind::Request;
use self::row::PgRow;
use super::core::Core;
use super::encode::Job;
use super::exchange::{Failure, Finished, TransactionState};
use super::flight::Flight;
use super::options::PostgresOptions;
use super::rows::RawRow;
use crate::backend::Step;
use crate::error::DatabaseError;
use crate::sql::control::{Control, controls};
use crate::transaction::retry;

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
    pub(crate) fn last_failure(&self) -> Option<retry::Failure> {
        let (kind, retryable) = super::error::classify(&self.last_sqlstate()?);
        Some(retry::Failure { kind, retryable })
    }

    /// In which state it comes back.
    pub(crate) fn returned(&mut self) -> Returned {
        let depth = AnsiTransactionManager::transaction_manager_status_mut(self).transaction_depth();
        let depth = depth.map(|depth| depth.map_or(0, std::num::NonZeroU32::get));
        let (quiet, is_awaited, transaction) = {
            let mut exchange = self.core.exchange();
            let seen = (exchange.is_quiet(), exchange.is_awaited(), exchange.transaction());
            // A stream may be kept for longer than the connection was lent.
            exchange.abandon_all();
            seen
        };
        if self.waiting || is_awaited {
            return Returned::Abandoned;
        }
        if self.refused || depth.is_ok_and(|depth| depth != self.depth) {
            return Returned::Unbalanced;
        }
        match transaction {
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
        let Some(control) = controls(sql, self.core.exchange().dialect()).into_iter().find(is_ours) else {
            return Ok(());
        };
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

    /// Waits for what was sent, telling whoever looks on.
    async fn observe<T>(
        &mut self,
        sql: &str,
        answer: impl Future<Output = Result<T, (Failure, bool)>>,
    ) -> QueryResult<T> {
        self.instrumentation.on_connection_event(InstrumentationEvent::start_query(&StrQueryHelper::new(sql)));
        self.waiting = true;
        let result = answer.await.map_err(|failure| failed(&self.core, &self.sqlstate, sql, failure));
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
    async fn run(&mut self, request: QueryResult<Request>) -> QueryResult<Reading> {
        let request = request?;
        self.check_control(&request.sql)?;
        let request = if request.is_complete() {
            request
        } else {
            self.waiting = true;
            // What fails here shows as a type that stays unknown.
            let _ = self.core.types.load(&self.core).await;
            self.waiting = false;
            request.complete(&self.core.types)?
        };
        let sql = request.sql.clone();
        let flight = self.core.launch(Job::Diesel(request));
        self.observe(&sql, Reading::begin(flight)).await
    }
}

/// Rows that are being read.
struct Reading {
    /// The row that came first.
    first: Option<RawRow>,
    /// `None` once all have been read.
    flight: Option<Flight>,
    affected: u64,
}

impl Reading {
    /// Waits for the first row, or for what takes its place.
    async fn begin(flight: Flight) -> Result<Self, (Failure, bool)> {
        let mut reading = Reading { first: None, flight: Some(flight), affected: 0 };
        reading.first = reading.next().await?;
        Ok(reading)
    }

    /// The next row. A failure says whether it was that of a prepared statement.
    async fn next(&mut self) -> Result<Option<RawRow>, (Failure, bool)> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        let Some(flight) = &mut self.flight else { return Ok(None) };
        if let Some(row) = poll_fn(|cx| flight.poll_row(cx)).await {
            return Ok(Some(row));
        }
        let Finished { answers, failure, failed_old, .. } = flight.take();
        self.flight = None;
        self.affected = answers.last().map_or(0, |rows| rows.affected);
        match failure {
            None => Ok(None),
            Some((_, failure)) => Err((failure, failed_old)),
        }
    }
}

/// Notes the code of a failure, drops a prepared statement that has become useless, and makes the failure diesel's.
fn failed(core: &Core, sqlstate: &SharedState, sql: &str, (failure, is_old): (Failure, bool)) -> DieselError {
    let code = match &failure {
        Failure::Server(error) => Some(error.code.clone()),
        _ => None,
    };
    if let Some(code) = code.as_deref().filter(|_| is_old) {
        core.forget_if_stale(sql, code);
    }
    let mut last = sqlstate.lock().unwrap_or_else(PoisonError::into_inner);
    // The first error is the one that counts, not that later ones were refused for it.
    if code.as_deref() != Some("25P02") || last.is_none() {
        *last = code;
    }
    drop(last);
    error::to_diesel(failure)
}

impl SimpleAsyncConnection for PgConnection {
    async fn batch_execute(&mut self, query: &str) -> QueryResult<()> {
        self.check_control(query)?;
        // What a user's own text left is undone behind a COMMIT.
        let job = match query {
            "COMMIT" => Job::Burst([Step::Commit].into()),
            _ => Job::Text(query.to_owned()),
        };
        let flight = self.core.launch(job);
        let core = self.core.clone();
        let answer = async move {
            let (finished, sent) = flight.finished().await;
            match finished.failure {
                Some((_, failure)) => Err((failure, finished.failed_old)),
                None => {
                    if sent.restores && !finished.failed_behind {
                        core.restored();
                    }
                    Ok(())
                }
            }
        };
        self.observe(query, answer).await
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
            let reading = self.run(request).await?;
            let (core, sqlstate) = (self.core.clone(), self.sqlstate.clone());
            let rows: BoxStream<'static, _> = Box::pin(stream::try_unfold(Some(reading), move |reading| {
                let (core, sqlstate, sql) = (core.clone(), sqlstate.clone(), sql.clone());
                async move {
                    let Some(mut reading) = reading else { return Ok(None) };
                    match reading.next().await {
                        Ok(Some(row)) => Ok(Some((PgRow::new(row), Some(reading)))),
                        Ok(None) => Ok(None),
                        Err(failure) => Err(failed(&core, &sqlstate, &sql, failure)),
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
            let mut reading = self.run(request).await?;
            self.waiting = true;
            let ended = loop {
                match reading.next().await {
                    Ok(Some(_)) => {}
                    ended => break ended,
                }
            };
            self.waiting = false;
            ended.map_err(|failure| failed(&self.core, &self.sqlstate, &sql, failure))?;
            let affected = reading.affected;
            usize::try_from(affected).map_err(|error| DieselError::DeserializationError(Box::new(error)))
        })
    }
}

impl AsyncConnection for PgConnection {
    type TransactionManager = AnsiTransactionManager;

    async fn establish(database_url: &str) -> ConnectionResult<Self> {
        let core = async { super::connect::open(&PostgresOptions::from_url(database_url, None)?).await }.await;
        match core {
            Ok(opened) => Ok(PgConnection::on(opened.core, false)),
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
