//! Rows as they arrive.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::{TryStreamExt, stream};
use tokio_postgres::RowStream;

use super::core::{Core, Observation};
use super::error::mapping_error;
use super::send::{Open, Wait, Wanted};
use super::wire::RowReader;
use crate::backend::{RowSource, Statement};
use crate::error::DatabaseError;
use crate::value::Value;

/// A query whose rows are read one by one.
struct Reading {
    core: Arc<Core>,
    sql: Arc<str>,
    observation: Observation,
    opening: Option<Wait<Result<RowStream, tokio_postgres::Error>>>,
    rows: Option<Pin<Box<RowStream>>>,
    reader: Option<RowReader>,
}

impl Core {
    pub(super) fn stream(self: &Arc<Self>, statement: Statement) -> RowSource {
        let (sql, wanted) = (statement.sql.clone(), Wanted::of(&statement));
        let Open { observation, rows } = self.open(wanted, |prepared| {
            let core = self.clone();
            Box::pin(async move { core.query(&statement, prepared.as_ref()).await })
        });
        let reading = Reading { core: self.clone(), sql, observation, opening: Some(rows), rows: None, reader: None };
        Box::pin(stream::try_unfold(Some(reading), |reading| async move {
            match reading {
                Some(reading) => reading.next().await,
                None => Ok(None),
            }
        }))
    }
}

impl Reading {
    async fn next(mut self) -> Result<Option<(Vec<Value>, Option<Self>)>, DatabaseError> {
        if let Some(opening) = self.opening.take() {
            match opening.finish().await {
                Ok(rows) => self.rows = Some(Box::pin(rows)),
                Err(error) => return Err(self.failed(error).await),
            }
        }
        let Some(rows) = &mut self.rows else { return Ok(None) };
        let row = match rows.try_next().await {
            Ok(Some(row)) => row,
            Ok(None) => {
                self.observation.complete();
                return Ok(None);
            }
            Err(error) => return Err(self.failed(error).await),
        };
        let reader = match self.reader.take() {
            Some(reader) => reader,
            // The line is taken by the rows, so that unknown types cannot be asked for.
            None => RowReader::of_known(&row, &self.core.types),
        };
        let record = reader.read(&row);
        self.reader = Some(reader);
        Ok(Some((record, Some(self))))
    }

    /// The answer is complete with its error, unless the connection broke, when it does not matter.
    async fn failed(self, error: tokio_postgres::Error) -> DatabaseError {
        let stale = matches!(error.code().map(|code| code.code()), Some("0A000" | "26000"));
        if stale {
            self.core.outbox().cache.forget(&self.sql);
        }
        let unsent = error.as_db_error().is_none() && !error.is_closed() && self.rows.is_none();
        let made = match std::error::Error::source(&error) {
            Some(cause) if unsent => mapping_error(cause.to_string()),
            _ => self.core.failure(error),
        };
        self.core.wire.settled().await;
        self.observation.complete();
        made
    }
}
