//! Spans, log lines and metrics: their names, in one place.
//!
//! A span per unit of work (`spakky.unit_of_work`), whoever ends it, and a debug event per burst (`spakky::burst`) and per
//! wait for the pool (`spakky::pool`). No values ever, and no SQL unless `echo` asks for it.

use std::future::Future;
use std::time::{Duration, Instant};

use tracing::Span;
use tracing::field::Empty;

use crate::error::Error;
use crate::pool::Lease;
use crate::session::{Session, SessionManager};
use crate::transaction::TransactionOptions;

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
            "otel.kind" = "client",
            "db.system.name" = self.system_name(),
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

    /// One burst that was answered, inside `span`.
    pub(crate) fn observe_burst(&self, span: &Span, name: &'static str, statements: usize, took: Duration) {
        metrics::counter!(ROUND_TRIPS).increment(1);
        metrics::counter!(STATEMENTS).increment(statements as u64);
        metrics::histogram!(BURST_SECONDS).record(took.as_secs_f64());
        let elapsed_us = micros(took);
        span.in_scope(|| match self.config().slow_log {
            Some(limit) if took >= limit => {
                tracing::warn!(target: "spakky::slow", name, statements, elapsed_us, "a burst was slow");
            }
            _ => tracing::debug!(target: "spakky::burst", name, statements, elapsed_us, "a burst was answered"),
        });
    }

    /// A wait for the pool.
    pub(crate) async fn observe_wait(
        &self,
        waiting: impl Future<Output = Result<Lease, Error>>,
    ) -> Result<Lease, Error> {
        let started = Instant::now();
        let result = waiting.await;
        let took = started.elapsed();
        metrics::histogram!(POOL_WAIT_SECONDS).record(took.as_secs_f64());
        tracing::debug!(target: "spakky::pool", elapsed_us = micros(took), given = result.is_ok(), "waited for a connection");
        if result.as_ref().is_err_and(Error::is_pool_timeout) {
            metrics::counter!(POOL_TIMEOUTS).increment(1);
        }
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

    /// The span that an event of this session is put into: none, which is the current one, inside the scope. Outside it
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

fn micros(took: Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(u64::MAX)
}
