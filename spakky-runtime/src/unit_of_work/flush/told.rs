//! New rows as they were stored, for callers that want to know.

use std::sync::Arc;

use super::draw::DrawnIds;
use crate::backend::Backend;
use crate::error::{Error, ErrorKind};
use crate::hash::FastMap;
use crate::schema::{Record, TableDescriptor, canonical};
use crate::unit_of_work::aggregate::key_of;
use crate::unit_of_work::pending::Told;
use crate::value::Value;

/// A row whose caller waits for it.
#[derive(Debug)]
pub(super) struct Telling {
    pub(super) told: Told,
    /// The row as it is sent.
    pub(super) record: Arc<Record>,
    /// The database fills in columns of its children.
    pub(super) children_partial: bool,
}

/// The rows that an INSERT answered with.
#[derive(Debug)]
pub(super) struct Returned {
    table: &'static TableDescriptor,
    by_key: FastMap<Vec<Value>, Record>,
    /// Why one of them cannot be read.
    failure: Option<Error>,
    /// One row was sent, which needs no key to be known by.
    only: bool,
}

impl Returned {
    pub(super) fn of(table: &'static TableDescriptor, rows: &[Vec<Value>], backend: Backend, only: bool) -> Self {
        let mut made = Returned {
            table,
            by_key: FastMap::with_capacity_and_hasher(rows.len(), Default::default()),
            failure: None,
            only,
        };
        for row in rows {
            // Behind the columns there may be the transaction's id.
            let columns = row.iter().take(table.columns.len()).cloned().collect();
            match canonical(table, columns, backend) {
                Ok(record) => drop(made.by_key.insert(key_of(table, &record), record)),
                Err(error) => made.failure = Some(error),
            }
        }
        made
    }

    /// How a row that was sent was stored.
    pub(super) fn take(&mut self, sent: &Record, ids: &DrawnIds) -> Result<Record, Error> {
        let table = self.table;
        let key = if self.only { self.by_key.keys().next().cloned() } else { ids.values(&key_of(table, sent)) };
        let stored = key.and_then(|key| self.by_key.remove(&key));
        let Some((mut stored, children)) = stored.zip(ids.children(sent)) else {
            return Err(self.failure.take().unwrap_or_else(|| untold(table)));
        };
        stored.set_children(children);
        Ok(stored)
    }
}

/// The error of a new row whose id nobody knows.
pub(crate) fn untold(table: &TableDescriptor) -> Error {
    let message = format!("insert into `{}`: the database did not tell the ids it assigned", table.name);
    Error::new(ErrorKind::Database, message).with_table(table.name)
}
