//! Rows as they arrive.

use std::future::poll_fn;
use std::sync::Arc;

use futures_util::stream;

use super::core::Core;
use super::encode::Job;
use super::flight::Flight;
use super::wire::{RowReader, UnknownTypes};
use crate::backend::{RowSource, Statement};
use crate::error::DatabaseError;
use crate::value::Value;

/// A query whose rows are read one by one.
struct Reading {
    core: Arc<Core>,
    sql: Arc<str>,
    flight: Flight,
    reader: Option<RowReader>,
}

impl Core {
    pub(super) fn stream(self: &Arc<Self>, statement: Statement, is_behind: bool) -> RowSource {
        if statement.by_user {
            self.touch();
        }
        let sql = statement.sql.clone();
        let job = Job::Rows(statement);
        let flight = if is_behind { Flight::launch_behind(self, job) } else { self.launch(job) };
        let reading = Reading { core: self.clone(), sql, flight, reader: None };
        Box::pin(stream::try_unfold(Some(reading), |reading| async move {
            match reading {
                Some(reading) => reading.next().await,
                None => Ok(None),
            }
        }))
    }

    /// Drops the prepared form of a statement that has become useless.
    pub(super) fn forget_if_stale(&self, sql: &str, code: &str) {
        if matches!(code, "0A000" | "26000") {
            self.exchange().cache.forget(sql);
        }
    }
}

impl Reading {
    async fn next(mut self) -> Result<Option<(Vec<Value>, Option<Self>)>, DatabaseError> {
        let Some(row) = poll_fn(|cx| self.flight.poll_row(cx)).await else {
            return match self.flight.take().failure {
                None => Ok(None),
                Some((_, failure)) => {
                    let error = failure.into_error();
                    self.core.forget_if_stale(&self.sql, &error.code);
                    Err(error)
                }
            };
        };
        // The line is taken by the rows, so that unknown types cannot be asked for.
        let types = &self.core.types;
        let reader = self.reader.get_or_insert_with(|| {
            RowReader::of(&row.columns, types).unwrap_or_else(|UnknownTypes(oids)| {
                types.note_missed(oids);
                RowReader::of_known(&row.columns, types)
            })
        });
        let record = reader.read(&row.body);
        Ok(Some((record, Some(self))))
    }
}
