//! The SQL that a test's sessions send, as `echo` logs it.

use std::fmt;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

/// What was logged, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct SqlLog {
    lines: Arc<Mutex<Vec<String>>>,
    /// How often the catalog was asked ahead of the first write to a table: what comes once is no part of what a test
    /// expects of its statements.
    asked: Arc<Mutex<usize>>,
}

impl SqlLog {
    /// Takes what was logged since it was last taken.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.lines.lock().unwrap())
    }

    /// How often the catalog was asked since this was last taken.
    pub(crate) fn take_asked(&self) -> usize {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

impl<S: Subscriber> Layer<S> for SqlLog {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        if event.metadata().target() == "spakky::sql" {
            event.record(&mut Message(self));
        }
    }
}

struct Message<'a>(&'a SqlLog);

impl Visit for Message<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            let line = format!("{value:?}");
            if line.contains("spakky_wanted") {
                *self.0.asked.lock().unwrap() += 1;
            } else {
                self.0.lines.lock().unwrap().push(line);
            }
        }
    }
}
