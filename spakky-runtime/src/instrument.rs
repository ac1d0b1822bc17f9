//! Spans, log lines and metrics: their names, in one place.
//!
//! A span per unit of work (`spakky.unit_of_work`), whoever ends it, and in it one per burst (`spakky.burst`), per wait for
//! the pool (`spakky.pool_wait`), with a debug event at the end of each, and per loan of the connection (`spakky.loan`). Those
//! of migrations are by themselves: `spakky.migration`, and `spakky.migration_wait` for the lock. Names of fields are
//! OpenTelemetry's where it has one. No values ever, and no SQL unless `echo` asks for it. What nobody listens to is not put
//! together.

mod burst;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod loan;
#[cfg(feature = "migrations")]
mod migration;

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use tracing::field::Empty;
use tracing::{Instrument, Span};

use crate::error::Error;
use crate::pool::Lease;
use crate::session::{Session, SessionManager};
use crate::transaction::TransactionOptions;

pub(crate) use burst::BurstWatch;

/// Units of work that ended, by `outcome` and `name`.
pub(crate) const UNITS_OF_WORK: &str = "spakky_units_of_work_total";
/// Bursts sent and waited for.
pub(crate) const ROUND_TRIPS: &str = "spakky_round_trips_total";
/// Statements sent, transaction control included.
pub(crate) const STATEMENTS: &str = "spakky_statements_total";
/// How long a burst took, in seconds.
pub(crate) const BURST_SECONDS: &str = "spakky_burst_duration_seconds";
/// How long a caller waited for a connection, in seconds.
pub(crate) const POOL_WAIT_SECONDS: &str = "spakky_pool_wait_duration_seconds";
/// Callers that got no connection in time.
pub(crate) const POOL_TIMEOUTS: &str = "spakky_pool_timeouts_total";

impl SessionManager {
    /// The span of one unit of work.
    pub(crate) fn unit_of_work_span(&self, options: &TransactionOptions, attempt: u32) -> Span {
        tracing::info_span!(
            "spakky.unit_of_work",
            "otel.name" = options.display_name(),
            "otel.kind" = "internal",
            "db.system.name" = self.system_name(),
            "code.function.name" = options.place.map(|place| place.function),
            "code.file.path" = options.place.map(|place| place.file),
            "code.line.number" = options.place.map(|place| place.line),
            name = options.display_name(),
            propagation = options.propagation.name(),
            attempt,
            outcome = Empty,
            statements = Empty,
            round_trips = Empty,
            rows_read = Empty,
            rows_written = Empty,
        )
    }

    /// A wait for the pool, in a span inside `around`.
    pub(crate) async fn observe_wait(
        &self,
        around: &Span,
        waiting: Pin<&mut impl Future<Output = Result<Lease, Error>>>,
    ) -> Result<Lease, Error> {
        let started = Instant::now();
        let span = around.in_scope(|| {
            tracing::info_span!(
                target: "spakky::pool",
                "spakky.pool_wait",
                "otel.kind" = "internal",
                "db.system.name" = self.system_name(),
                outcome = Empty,
            )
        });
        let mut ending = Ending::of(span.clone());
        let result = waiting.instrument(span.clone()).await;
        let took = started.elapsed();
        metrics::histogram!(POOL_WAIT_SECONDS).record(took.as_secs_f64());
        span.in_scope(|| {
            tracing::debug!(target: "spakky::pool", elapsed_us = micros(took), given = result.is_ok(), "waited for a connection");
        });
        if result.as_ref().is_err_and(Error::is_pool_timeout) {
            metrics::counter!(POOL_TIMEOUTS).increment(1);
        }
        ending.end(if result.is_ok() { "given" } else { "failed" });
        result
    }

    /// The name that OpenTelemetry gives the backend.
    fn system_name(&self) -> &'static str {
        match self.backend() {
            crate::Backend::Postgres => "postgresql",
            crate::Backend::Sqlite => "sqlite",
        }
    }
}

impl Session {
    /// The span of the unit of work, until it has ended.
    pub(crate) fn span(&self) -> Span {
        self.state().span.clone()
    }

    /// The span that what this session does is put into: none, which is the current one, inside the scope. Outside it
    /// the session is used by its handle, in whatever span the caller is.
    pub(crate) fn span_from_outside(&self) -> Span {
        if self.is_around() { Span::none() } else { self.span() }
    }

    /// The end of the unit of work. Only the first counts.
    pub(crate) fn observe_end(&self, outcome: &'static str) {
        let (span, statistics) = {
            let mut state = self.state();
            if std::mem::replace(&mut state.observed, true) {
                return;
            }
            (std::mem::replace(&mut state.span, Span::none()), state.statistics)
        };
        span.record("outcome", outcome);
        span.record("statements", statistics.statements);
        span.record("round_trips", statistics.round_trips);
        span.record("rows_read", statistics.rows_read);
        span.record("rows_written", statistics.rows_written);
        metrics::counter!(UNITS_OF_WORK, "outcome" => outcome, "name" => self.name()).increment(1);
    }
}

/// A span that tells how it ended, also if whoever waits for its end goes away.
pub(crate) struct Ending {
    span: Span,
    ended: bool,
}

impl Ending {
    fn of(span: Span) -> Self {
        Ending { span, ended: false }
    }

    fn span(&self) -> &Span {
        &self.span
    }

    /// It failed, with the database's code if there is one. Only the first end counts.
    pub(crate) fn fail(&mut self, outcome: &'static str, code: &str) {
        if self.ended {
            return;
        }
        self.span.record("otel.status_code", "ERROR");
        if !code.is_empty() {
            self.span.record("db.response.status_code", code);
        }
        self.end(outcome);
    }

    /// Only the first counts.
    pub(crate) fn end(&mut self, outcome: &'static str) {
        if !std::mem::replace(&mut self.ended, true) {
            self.span.record("outcome", outcome);
        }
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.end("abandoned");
    }
}

fn micros(took: Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(u64::MAX)
}
