//! Sending a burst: every message is handed to the socket's task, in order, before the call returns.
//!
//! The driver sends when a future is polled for the first time, if it has nothing to prepare. So each step's future is
//! polled once, in order. A statement that recurs goes by its prepared form; one that is not prepared yet goes with its
//! text and the types of its values, and is prepared *behind* the burst with nobody waiting, so that a cold burst takes as
//! many round trips as a warm one and keeps its order.

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures_util::TryStreamExt;
use tokio_postgres::types::Type;
use tokio_postgres::{RowStream, SimpleQueryMessage, Statement as Prepared};

use super::answer::{self, Rows};
use super::control::{self, Settings};
use super::core::{Core, Observation, Outbox};
use super::error::mapping_error;
use super::statement_cache::Lookup;
use super::tap::ROLLED_BACK;
use super::wire::{Param, bind_type};
use crate::backend::{Burst, Draw, Pending, Statement, Step};
use crate::error::DatabaseError;

pub(super) type Running<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type StepResult = Result<Rows, StepError>;

/// Why a step failed.
#[derive(Debug)]
pub(super) enum StepError {
    Driver(tokio_postgres::Error),
    /// The server answered COMMIT with ROLLBACK.
    RolledBack,
    /// The step was not sent, nor what followed it.
    Unsent(DatabaseError),
}

/// A step that was sent.
pub(super) enum Wait<T> {
    Done(T),
    Running(Running<T>),
}

impl<T> Wait<T> {
    /// Sends, by the first poll. Who waits for the answer polls again.
    pub(super) fn start(mut future: Running<T>) -> Self {
        match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => Wait::Done(result),
            Poll::Pending => Wait::Running(future),
        }
    }

    pub(super) async fn finish(self) -> T {
        match self {
            Wait::Done(result) => result,
            Wait::Running(future) => future.await,
        }
    }
}

/// A burst under way.
pub(super) struct Sent {
    pub(super) waits: Vec<Wait<StepResult>>,
    /// Which steps went by a prepared statement.
    pub(super) prepared: Vec<bool>,
    pub(super) observation: Observation,
    /// What was sent behind a user's own text that ran outside of any transaction.
    pub(super) restoring: Option<Wait<Result<(), tokio_postgres::Error>>>,
    /// Whether the user's own text ran in a transaction that is to be open behind the burst.
    pub(super) stays_open: bool,
    /// Running all of it a second time harms nothing that was there before it.
    pub(super) repeatable: bool,
}

impl Core {
    pub(super) fn send(self: &Arc<Self>, burst: Burst) -> Pending {
        let steps: Arc<[Step]> = burst.into();
        let sent = self.send_steps(&mut self.outbox(), &steps);
        Box::pin(answer::read(self.clone(), steps, sent))
    }

    /// Sends the steps under the outbox's lock.
    pub(super) fn send_steps(self: &Arc<Self>, outbox: &mut Outbox, steps: &Arc<[Step]>) -> Sent {
        let repeatable = is_self_contained(steps, outbox.transaction);
        let observation = Observation::begin(self, outbox);
        let _held = self.wire.hold_writes();
        let mut waits = Vec::with_capacity(steps.len());
        let mut prepared = vec![false; steps.len()];
        let mut cold = Vec::new();
        let mut by_user = false;
        for (position, step) in steps.iter().enumerate() {
            if step.statement().is_some_and(|statement| statement.by_user) {
                by_user = true;
                self.touch();
            }
            let wait = match step {
                Step::Begin(mode) => match Settings::of(mode) {
                    Ok(settings) => {
                        self.wire.expect_begin();
                        self.start_begin(control::begin(mode), settings)
                    }
                    Err(error) => Wait::Done(Err(StepError::Unsent(error))),
                },
                Step::Statement(statement) | Step::Draw(Draw { statement, .. }) => {
                    let types = statement.binds.iter().map(|bind| bind_type(&bind.ty).oid());
                    let found = outbox.lookup(&statement.sql, statement.cached, types);
                    if matches!(found, Lookup::Absent) {
                        cold.push(position);
                    }
                    let found = if let Lookup::Prepared(found) = found { Some(found) } else { None };
                    prepared[position] = found.is_some();
                    self.start_statement(steps, position, found)
                }
                Step::Control(sql) => self.start_simple(sql.clone().into_owned()),
                Step::Commit => self.start_commit(),
                Step::Rollback => self.start_simple("ROLLBACK".to_owned()),
            };
            if let Some(wait) = unsent(wait, &mut waits) {
                waits.push(wait);
                // As if the server had refused the step: what was to end the transaction undoes it.
                if steps[position..].iter().any(|step| matches!(step, Step::Commit | Step::Rollback)) {
                    waits.push(self.start_simple("ROLLBACK".to_owned()));
                    outbox.transaction = false;
                }
                break;
            }
            match step {
                Step::Begin(_) => outbox.transaction = true,
                Step::Commit | Step::Rollback => outbox.transaction = false,
                Step::Statement(_) | Step::Draw(_) | Step::Control(_) => {}
            }
        }
        let ends = matches!(steps.last(), Some(Step::Commit));
        let restoring = (by_user && !outbox.transaction && !ends).then(|| self.start_restore());
        self.prepare_behind(outbox, prepared_behind(steps, &cold));
        outbox.cache.bury();
        Sent { waits, prepared, observation, restoring, stays_open: by_user && outbox.transaction, repeatable }
    }

    /// Sends a ROLLBACK whose answer nobody waits for.
    pub(super) fn send_rollback(self: &Arc<Self>) {
        drop(self.start_simple("ROLLBACK".to_owned()));
    }

    fn start_simple(self: &Arc<Self>, sql: String) -> Wait<StepResult> {
        let core = self.clone();
        Wait::start(Box::pin(async move {
            core.client.batch_execute(&sql).await.map(|()| Rows::default()).map_err(StepError::Driver)
        }))
    }

    /// Sends BEGIN, and the settings of the transaction behind it. One that the server refuses fails the transaction.
    fn start_begin(self: &Arc<Self>, sql: String, settings: Option<Settings>) -> Wait<StepResult> {
        let Some(settings) = settings else { return self.start_simple(sql) };
        let core = self.clone();
        Wait::start(Box::pin(async move {
            let set = async {
                let rows = core.client.query_typed_raw(&settings.sql, settings.values).await?;
                rows.try_for_each(|_| std::future::ready(Ok(()))).await
            };
            // Both are sent by the first poll, in this order.
            let (begun, set) = futures_util::future::join(core.client.batch_execute(&sql), set).await;
            begun.and(set).map(|()| Rows::default()).map_err(StepError::Driver)
        }))
    }

    fn start_commit(self: &Arc<Self>) -> Wait<StepResult> {
        let core = self.clone();
        Wait::start(Box::pin(async move {
            match core.commit().await {
                Ok(false) => Ok(Rows::default()),
                Ok(true) => Err(StepError::RolledBack),
                Err(error) => Err(StepError::Driver(error)),
            }
        }))
    }

    /// Sends COMMIT; answers whether the server rolled back instead. What a user's own text left on the connection is undone
    /// behind it in the same message: before it, settings of the transaction would go with those of the connection, which
    /// triggers that wait for COMMIT still read, and behind a failure nothing would run; in a message of its own, a pooler
    /// might send it elsewhere.
    pub(super) async fn commit(&self) -> Result<bool, tokio_postgres::Error> {
        let touched = self.is_touched();
        let sql = if touched { Cow::Owned(format!("COMMIT; {}", self.restore)) } else { Cow::Borrowed("COMMIT") };
        let mut messages = std::pin::pin!(self.client.simple_query_raw(&sql).await?);
        let mut rolled_back = None;
        loop {
            match messages.try_next().await {
                Ok(Some(SimpleQueryMessage::CommandComplete(count))) => {
                    rolled_back.get_or_insert(count == ROLLED_BACK);
                }
                Ok(Some(_)) => {}
                Ok(None) => break,
                // The transaction has ended, whatever came behind, which is done again before anybody else uses the connection.
                Err(error) if let Some(rolled_back) = rolled_back => {
                    self.wire.settled().await;
                    self.failure(error);
                    return Ok(rolled_back);
                }
                Err(error) => return Err(error),
            }
        }
        if touched {
            self.restored();
        }
        Ok(rolled_back.unwrap_or_default())
    }

    fn start_restore(self: &Arc<Self>) -> Wait<Result<(), tokio_postgres::Error>> {
        let core = self.clone();
        Wait::start(Box::pin(async move { core.client.batch_execute(&core.restore).await }))
    }

    fn start_statement(
        self: &Arc<Self>,
        steps: &Arc<[Step]>,
        position: usize,
        prepared: Option<Prepared>,
    ) -> Wait<StepResult> {
        let (core, steps) = (self.clone(), steps.clone());
        Wait::start(Box::pin(async move {
            let Some(statement) = steps.get(position).and_then(Step::statement) else { return Ok(Rows::default()) };
            let rows = core.query(statement, prepared.as_ref()).await.map_err(StepError::Driver)?;
            Rows::collect(rows, &core.types).await.map_err(StepError::Driver)
        }))
    }

    /// Sends a statement at its first poll.
    pub(super) async fn query(
        &self,
        statement: &Statement,
        prepared: Option<&Prepared>,
    ) -> Result<RowStream, tokio_postgres::Error> {
        let params = statement.binds.iter().map(|bind| Param::new(bind, &self.types));
        match prepared {
            Some(prepared) => self.client.query_raw(prepared, params).await,
            None => {
                let typed = params.map(|param| {
                    let ty = if statement.cached { param.ty() } else { param.ty_without_cast() };
                    (param, ty)
                });
                self.client.query_typed_raw(&statement.sql, typed).await
            }
        }
    }

    /// Sends one query on its own.
    pub(super) fn open(
        self: &Arc<Self>,
        wanted: Wanted,
        query: impl FnOnce(Option<Prepared>) -> Running<Result<RowStream, tokio_postgres::Error>>,
    ) -> Open {
        let mut outbox = self.outbox();
        let observation = Observation::begin(self, &mut outbox);
        let found = wanted.find(&mut outbox);
        let cold = matches!(found, Lookup::Absent);
        let prepared = if let Lookup::Prepared(prepared) = found { Some(prepared) } else { None };
        let rows = Wait::start(query(prepared));
        if cold {
            self.prepare_behind(&mut outbox, vec![wanted]);
        }
        outbox.cache.bury();
        Open { observation, rows }
    }

    /// Has the server prepare what was not, once what was sent has run.
    fn prepare_behind(self: &Arc<Self>, outbox: &mut Outbox, wanted: Vec<Wanted>) {
        let mut started = Vec::new();
        for wanted in wanted {
            if started.len() == outbox.cache.capacity() || !matches!(wanted.find(outbox), Lookup::Absent) {
                continue;
            }
            let Wanted { sql, types, .. } = wanted;
            let oids: Vec<u32> = types.iter().map(Type::oid).collect();
            outbox.cache.reserve(sql.clone(), oids.clone());
            let preparing: Running<_> = Box::pin({
                let (core, sql) = (self.clone(), sql.clone());
                async move { core.client.prepare_typed(&sql, &types).await.ok() }
            });
            started.push((sql, oids, Wait::start(preparing)));
        }
        if !started.is_empty() {
            let core = self.clone();
            self.runtime.spawn(async move {
                for (sql, oids, preparing) in started {
                    let statement = preparing.finish().await;
                    core.outbox().cache.fulfil(&sql, &oids, statement);
                }
            });
        }
    }
}

/// A statement as the cache knows it.
pub(super) struct Wanted {
    pub(super) sql: Arc<str>,
    pub(super) types: Vec<Type>,
    /// Whether it recurs.
    pub(super) cached: bool,
}

impl Wanted {
    pub(super) fn of(statement: &Statement) -> Self {
        let types = statement.binds.iter().map(|bind| bind_type(&bind.ty)).collect();
        Wanted { sql: statement.sql.clone(), types, cached: statement.cached }
    }

    fn find(&self, outbox: &mut Outbox) -> Lookup {
        outbox.lookup(&self.sql, self.cached, self.types.iter().map(Type::oid))
    }
}

/// A query that was sent on its own.
pub(super) struct Open {
    pub(super) observation: Observation,
    pub(super) rows: Wait<Result<RowStream, tokio_postgres::Error>>,
}

/// What may be prepared behind a burst. A statement that cannot be prepared would abort the transaction, so nothing may
/// that stands before a step which may change the tables under it.
fn prepared_behind(steps: &[Step], cold: &[usize]) -> Vec<Wanted> {
    let risky = steps.iter().rposition(|step| match step {
        Step::Statement(statement) | Step::Draw(Draw { statement, .. }) => !statement.cached,
        Step::Control(sql) => !control::keeps_schema(sql),
        Step::Rollback => true,
        Step::Begin(_) | Step::Commit => false,
    });
    let safe = risky.map_or(0, |risky| risky + 1);
    let statements = cold.iter().filter(|position| **position >= safe).filter_map(|position| steps.get(*position));
    statements.filter_map(|step| step.statement().map(Wanted::of)).collect()
}

impl Outbox {
    /// The prepared form of a statement that is to have one.
    fn lookup(&mut self, sql: &str, cached: bool, types: impl Iterator<Item = u32> + Clone) -> Lookup {
        if !cached || self.cache.capacity() == 0 {
            return Lookup::Preparing;
        }
        self.cache.get(sql, types)
    }
}

/// Sorts out a step that failed before it was sent, since its values cannot be encoded; others go to `waits`.
fn unsent(wait: Wait<StepResult>, waits: &mut Vec<Wait<StepResult>>) -> Option<Wait<StepResult>> {
    match wait {
        Wait::Done(Err(StepError::Unsent(error))) => Some(Wait::Done(Err(StepError::Unsent(error)))),
        Wait::Done(Err(StepError::Driver(error))) if error.as_db_error().is_none() && !error.is_closed() => {
            let message = match std::error::Error::source(&error) {
                Some(cause) => cause.to_string(),
                None => error.to_string(),
            };
            Some(Wait::Done(Err(StepError::Unsent(mapping_error(message)))))
        }
        wait => {
            waits.push(wait);
            None
        }
    }
}

/// Whether the burst is one statement of its own, or a transaction from its beginning.
fn is_self_contained(steps: &[Step], in_transaction: bool) -> bool {
    match steps {
        _ if in_transaction => false,
        [Step::Statement(_)] => true,
        [Step::Begin(_), inner @ .., last] => {
            inner.iter().all(|step| matches!(step, Step::Statement(_) | Step::Draw(_) | Step::Control(_)))
                && !matches!(last, Step::Begin(_))
        }
        _ => false,
    }
}
