//! One statement of a flush, and what its answer tells.

use std::panic::Location;
use std::sync::Arc;

use super::draw::DrawnIds;
use super::row::{DrawnChildren, Effect, FlushedRow};
use super::told::{Returned, Telling};
use crate::backend::{Answer, Backend, Draw, Statement};
use crate::mutation::MutationKind;
use crate::schema::{Record, TableDescriptor, UniqueKey, table_of};
use crate::statement::Within;
use crate::unit_of_work::aggregate::key_of;
use crate::unit_of_work::identity_map::{Entry, IdentityMap};
use crate::unit_of_work::order::Kind;
use crate::unit_of_work::pending::are_related;
use crate::unit_of_work::row_key::RowKey;
use crate::value::Value;

/// One statement of a flush and the rows it writes.
#[derive(Debug)]
pub(crate) struct FlushStep {
    pub(super) statement: Option<Statement>,
    /// What has to be drawn ahead of it.
    pub(super) draws: Vec<Draw>,
    pub(super) table: &'static TableDescriptor,
    pub(super) kind: Kind,
    pub(super) rows: Vec<FlushedRow>,
    /// Rows without a statement of their own that learn something when this one, the last, is answered.
    pub(super) unwritten: Vec<FlushedRow>,
    /// It answers with the rows it wrote.
    pub(super) returns_rows: bool,
    /// What rows that are there already must be like.
    pub(super) within: Within,
    /// The values by which an upsert finds its rows, if not by their keys.
    pub(super) found_by: Vec<Vec<Value>>,
    /// The rows that refer to each other in a circle, if that is why it may fail.
    pub(super) circle: Option<Arc<str>>,
    /// What it does to its rows, for those who listen.
    pub(super) does: (MutationKind, Vec<usize>),
}

impl FlushStep {
    /// What the session knew of rows that an upsert found by a unique key is known no longer.
    pub(super) fn forget_found(&self, map: &mut IdentityMap, depth: usize, unique: &UniqueKey) {
        let is_found = |key: &RowKey, entry: &Entry| {
            let is_one = |row: &Arc<Record>| self.found_by.contains(&unique.values(self.table, row));
            key.row_type() == self.table.row_type && entry.stored.as_ref().is_some_and(is_one)
        };
        map.update_all(depth, is_found, |_, entry| {
            entry.stored = None;
            entry.version = None;
            entry.partial = true;
        });
    }

    /// What is drawn ahead of it, which is sent once.
    pub(crate) fn take_draws(&mut self) -> Vec<Draw> {
        std::mem::take(&mut self.draws)
    }

    /// The statement, which is sent once.
    pub(crate) fn take_statement(&mut self) -> Option<Statement> {
        self.statement.take()
    }

    /// The table that it writes.
    pub(crate) fn table(&self) -> &'static TableDescriptor {
        self.table
    }

    /// Whether it may be about rows of `table`: its own, or parts of them, or rows that these are parts of.
    pub(crate) fn is_about(&self, table: &TableDescriptor) -> bool {
        self.table.row_type == table.row_type || are_related(self.table.row_type, table.row_type)
    }

    /// How many rows it writes.
    pub(crate) fn row_count(&self) -> usize {
        self.rows.len()
    }

    /// The calls that queued its rows.
    pub(crate) fn origins(&self) -> impl Iterator<Item = &'static Location<'static>> {
        self.rows.iter().map(|row| row.origin)
    }

    /// The transaction's id, if the statement answered with it.
    pub(crate) fn xid(&self, answer: &Answer) -> Option<String> {
        let row = answer.rows.first()?;
        // It stands alone, or behind the columns of a row.
        let place = if self.returns_rows { self.table.columns.len() } else { 0 };
        match row.get(place)? {
            Value::Text(xid) if row.len() == place + 1 && (self.returns_rows || answer.rows.len() == 1) => {
                Some(xid.clone())
            }
            _ => None,
        }
    }

    /// Takes note of what the answer tells: of new rows their keys, and how they were stored, and of others the keys of their
    /// new children.
    pub(crate) fn settle(&mut self, answer: &Answer, ids: &DrawnIds, backend: Backend) -> Settled {
        let table = self.table;
        let returned = if self.returns_rows { answer.rows.as_slice() } else { &[] };
        let mut returned = Returned::of(table, returned, backend, self.rows.len() == 1);
        let mut settled = Settled::default();
        for row in &mut self.rows {
            let is_known = row.known_key().is_some();
            let mut stored = None;
            if let (Some(Telling { told, record, children_partial }), true) = (&row.telling, self.returns_rows) {
                let taken = returned.take(record, ids);
                stored = taken.as_ref().ok().map(|stored| (stored.clone(), *children_partial));
                told.tell(taken);
            } else {
                row.tell(table, ids);
            }
            settled.learned.extend(row.learn(table, ids));
            let Some(Effect::Stored { record, partial, .. }) = row.effect.take_if(|_| !is_known) else { continue };
            if let Some((stored, partial)) = stored.or_else(|| Some((ids.record(&record)?, partial))) {
                let key = RowKey::new(table, key_of(table, &stored));
                settled.new.push((key, Entry { partial, ..Entry::loaded(table, Arc::new(stored)) }));
            }
        }
        for row in &mut self.unwritten {
            let Some(table) = row.key.as_ref().and_then(|key| table_of(key.row_type())) else { continue };
            row.tell(table, ids);
            settled.learned.extend(row.learn(table, ids));
        }
        settled
    }
}

/// What the answer to a step tells of the rows that it wrote.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    /// New rows, by the keys that the database gave them.
    pub(crate) new: Vec<(RowKey, Entry)>,
    /// Rows to whose children it gave keys.
    pub(crate) learned: Vec<(RowKey, DrawnChildren)>,
}
