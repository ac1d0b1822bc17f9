//! The span of a burst: what travels, from where in the code it was queued, and how it ended.

use std::panic::Location;
use std::time::Instant;

use tracing::Span;
use tracing::field::Empty;

use super::{Ending, micros};
use crate::backend::{Backend, Burst, BurstResult, Statement, Step};
use crate::session::SessionManager;
use crate::statement::{is_catalog_guard, summary};

/// A burst on its way, from before it is sent until its answer came or is given up.
pub(crate) struct BurstWatch {
    manager: SessionManager,
    name: &'static str,
    statements: usize,
    started: Instant,
    ending: Ending,
}

impl SessionManager {
    /// Watches a burst that is about to be sent for the scope called `name`, in a span inside `around`. Somebody `asked` for
    /// some of its steps, the library adds the others; `origins` are the calls that queued its writes.
    pub(crate) fn watch_burst(
        &self,
        around: &Span,
        name: &'static str,
        burst: &Burst,
        asked: impl Fn(usize) -> bool,
        origins: impl IntoIterator<Item = &'static Location<'static>>,
    ) -> BurstWatch {
        let span = around.in_scope(|| {
            if !tracing::span_enabled!(target: "spakky::burst", tracing::Level::INFO) {
                return Span::none();
            }
            let statements = burst.iter().enumerate().filter_map(|(position, step)| match step {
                Step::Statement(statement) if asked(position) => Some(statement),
                _ => None,
            });
            self.burst_span(&Described::of(statements, burst, self.backend()), origins)
        });
        BurstWatch {
            manager: self.clone(),
            name,
            statements: burst.iter().filter(|step| is_counted(step)).count(),
            started: Instant::now(),
            ending: Ending::of(span),
        }
    }

    /// The span of a query whose rows are read one by one, until the last was read or the rest is given up.
    pub(crate) fn watch_stream(&self, around: &Span, statement: &Statement) -> Ending {
        Ending::of(around.in_scope(|| {
            if !tracing::span_enabled!(target: "spakky::burst", tracing::Level::INFO) {
                return Span::none();
            }
            self.burst_span(&Described::of([statement], &Vec::new(), self.backend()), [])
        }))
    }

    fn burst_span(&self, described: &Described, origins: impl IntoIterator<Item = &'static Location<'static>>) -> Span {
        let Described { operation, summary, batch_size } = described;
        let span = tracing::info_span!(
            target: "spakky::burst",
            "spakky.burst",
            "otel.name" = summary,
            "otel.kind" = "client",
            "otel.status_code" = Empty,
            "db.system.name" = self.system_name(),
            "db.operation.name" = operation,
            "db.query.summary" = summary,
            "db.operation.batch.size" = *batch_size,
            "db.response.status_code" = Empty,
            "code.file.path" = Empty,
            "code.line.number" = Empty,
            outcome = Empty,
        );
        // One span can name one place only.
        let mut origins = origins.into_iter();
        if let Some(origin) = origins.next().filter(|first| origins.all(|other| other == *first)) {
            span.record("code.file.path", origin.file());
            span.record("code.line.number", origin.line());
        }
        span
    }
}

/// Whether a step is one of the unit of work's, and no question that the manager asks once.
fn is_counted(step: &Step) -> bool {
    !matches!(step, Step::Statement(statement) if !statement.cached && is_catalog_guard(&statement.sql))
}

/// What a burst does, in OpenTelemetry's words: what the library sends around the statements (BEGIN, savepoints, COMMIT)
/// is named only where there is nothing else.
struct Described {
    operation: String,
    summary: String,
    /// How many statements there are, if several.
    batch_size: Option<u64>,
}

impl Described {
    fn of<'a>(statements: impl IntoIterator<Item = &'a Statement>, burst: &Burst, backend: Backend) -> Self {
        let summaries: Vec<String> = statements.into_iter().map(|statement| summary(&statement.sql, backend)).collect();
        let operation = |summary: &str| summary.split(' ').next().unwrap_or_default().to_owned();
        match summaries.as_slice() {
            [] => {
                let control = control(burst, backend);
                Described { operation: control.clone(), summary: control, batch_size: None }
            }
            [one] => Described { operation: operation(one), summary: one.clone(), batch_size: None },
            [first, others @ ..] => {
                let same = others.iter().all(|other| other == first);
                let same_operation = others.iter().all(|other| operation(other) == operation(first));
                Described {
                    operation: if same_operation { format!("BATCH {}", operation(first)) } else { "BATCH".to_owned() },
                    summary: if same { format!("BATCH {first}") } else { "BATCH".to_owned() },
                    batch_size: Some(summaries.len() as u64),
                }
            }
        }
    }
}

/// The last step, of a burst that only controls the transaction.
fn control(burst: &Burst, backend: Backend) -> String {
    match burst.last() {
        Some(Step::Control(sql)) => summary(sql, backend),
        Some(Step::Begin(_)) => "BEGIN".to_owned(),
        Some(Step::Rollback) => "ROLLBACK".to_owned(),
        Some(Step::Commit | Step::Statement(_) | Step::Draw(_)) | None => "COMMIT".to_owned(),
    }
}

impl BurstWatch {
    /// The answer came, or it is known that it never will.
    pub(crate) fn answered(mut self, result: &BurstResult) {
        let took = self.started.elapsed();
        let (manager, name, statements) = (&self.manager, self.name, self.statements);
        metrics::counter!(super::ROUND_TRIPS).increment(1);
        metrics::counter!(super::STATEMENTS).increment(statements as u64);
        metrics::histogram!(super::BURST_SECONDS).record(took.as_secs_f64());
        let elapsed_us = micros(took);
        self.ending.span().in_scope(|| match manager.config().slow_log {
            Some(limit) if took >= limit => {
                tracing::warn!(target: "spakky::slow", name, statements, elapsed_us, "a burst was slow");
            }
            _ => tracing::debug!(target: "spakky::burst", name, statements, elapsed_us, "a burst was answered"),
        });
        match result {
            Ok(_) => self.ending.end("answered"),
            Err(failure) => self.ending.fail(if failure.lost { "lost" } else { "failed" }, failure.error.code()),
        }
    }
}
