//! Ids that the database assigns, drawn ahead of the rows that get them.
//!
//! Until the answer tells them, such ids stand in the records of a flush as [`Value::Drawn`], in the key of a new row and in
//! the foreign keys of its children alike. That keeps a flush one burst, however deep the new aggregates are.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Write;
use super::moves::Moves;
use crate::backend::{Answer, Backend, Draw};
use crate::schema::{Record, TableDescriptor};
use crate::statement;
use crate::unit_of_work::aggregate::{draws_keys, is_unassigned, key_of};
use crate::unit_of_work::pending::Change;
use crate::unit_of_work::row_key::RowKey;
use crate::unit_of_work::siblings::Siblings;
use crate::value::{DrawnId, Value};

/// The ids that a flush needs, one draw for each column.
#[derive(Debug, Default)]
pub(super) struct Draws {
    wanted: Vec<Wanted>,
}

#[derive(Debug)]
struct Wanted {
    table: &'static TableDescriptor,
    column: usize,
    count: usize,
    sent: bool,
}

impl Draws {
    /// Has ids drawn for the rows of a write that are new.
    pub(super) fn assign(&mut self, write: &mut Write, moves: &Moves) {
        let table = write.table;
        if !draws_keys(table) {
            return;
        }
        match &mut write.change {
            Change::Insert { record, .. } => {
                let record = Arc::make_mut(record);
                if write.key.is_none() {
                    self.assign_key(table, record);
                    write.key = Some(RowKey::new(table, key_of(table, record)));
                }
                self.assign_children(table, record, moves);
            }
            Change::Update { record, .. } => {
                let before = write.base.as_deref();
                self.assign_new(table, Arc::make_mut(record), before, !write.has_others, moves)
            }
            Change::Upsert { record, .. } => self.assign_new(table, Arc::make_mut(record), None, true, moves),
            Change::Delete { .. } => {}
        }
    }

    fn assign_key(&mut self, table: &'static TableDescriptor, record: &mut Record) {
        for &at in table.key.iter().filter(|&&at| table.columns[at].generated) {
            record[at] = self.next(table, at);
        }
    }

    /// All children of a new row are new, but for those that come from another, and get its key.
    fn assign_children(&mut self, table: &'static TableDescriptor, record: &mut Record, moves: &Moves) {
        let Some(key) = table.key.first().map(|&at| record[at].clone()) else { return };
        for (relation, rows) in table.relations.iter().zip(record.children_mut()) {
            let (child, column) = (relation.child(), relation.column_position());
            for row in rows {
                row[column] = key.clone();
                self.assign_arrived(child, row, moves);
            }
        }
    }

    /// Some children of a row that is there may be new: those it did not have before or, where that is not known or not all that
    /// it had (`is_whole`), those without a key.
    fn assign_new(
        &mut self,
        table: &'static TableDescriptor,
        record: &mut Record,
        before: Option<&Record>,
        is_whole: bool,
        moves: &Moves,
    ) {
        let before = before.and_then(Record::children);
        for (at, (relation, rows)) in table.relations.iter().zip(record.children_mut()).enumerate() {
            let child = relation.child();
            let known = before.map(|before| Siblings::new(child, &before[at]));
            for (at, row) in rows.iter_mut().enumerate() {
                let before = known.as_ref().map(|known| known.get(row, at));
                match before {
                    Some(Some(before)) => self.assign_new(child, row, Some(before), is_whole, moves),
                    Some(None) if is_whole || moves.get(child, row).is_some() => self.assign_arrived(child, row, moves),
                    _ if !is_unassigned(child, row) => self.assign_new(child, row, None, true, moves),
                    Some(None) | None => self.assign_arrived(child, row, moves),
                }
            }
        }
    }

    /// A child that its row did not have before: one that comes from another row keeps its key.
    fn assign_arrived(&mut self, table: &'static TableDescriptor, row: &mut Record, moves: &Moves) {
        match moves.get(table, row).cloned() {
            Some(before) => self.assign_new(table, row, Some(&before), true, moves),
            None => {
                self.assign_key(table, row);
                self.assign_children(table, row, moves);
            }
        }
    }

    fn next(&mut self, table: &'static TableDescriptor, column: usize) -> Value {
        let same = |wanted: &Wanted| wanted.table.row_type == table.row_type && wanted.column == column;
        let draw = self.wanted.iter().position(same).unwrap_or_else(|| {
            self.wanted.push(Wanted { table, column, count: 0, sent: false });
            self.wanted.len() - 1
        });
        let position = self.wanted[draw].count;
        self.wanted[draw].count += 1;
        Value::Drawn(DrawnId { draw, position })
    }

    /// The draws that a statement needs and that no earlier one needed.
    pub(super) fn take(&mut self, backend: Backend, drawn: &[(usize, usize)]) -> Vec<Draw> {
        let mut taken = Vec::new();
        for &(_, number) in drawn {
            let Some(wanted) = self.wanted.get_mut(number).filter(|wanted| !wanted.sent) else { continue };
            wanted.sent = true;
            taken.push(statement::draw(backend, wanted.table, wanted.column, number, wanted.count));
        }
        taken
    }
}

/// The columns of a new row whose values are drawn, each with its draw.
pub(super) fn drawn_columns(record: &Record) -> Vec<(usize, usize)> {
    let drawn = record.iter().enumerate().filter_map(|(at, value)| match value {
        Value::Drawn(id) => Some((at, id.draw)),
        _ => None,
    });
    drawn.collect()
}

/// Whether ids in these values are yet to be drawn.
pub(crate) fn is_drawn(values: &[Value]) -> bool {
    values.iter().any(|value| matches!(value, Value::Drawn(_)))
}

/// The ids that a flush has drawn, once the answers told them. Shared by those who wait for them.
#[derive(Debug, Clone, Default)]
pub(crate) struct DrawnIds(Arc<Mutex<Vec<Vec<Value>>>>);

impl DrawnIds {
    fn ids(&self) -> MutexGuard<'_, Vec<Vec<Value>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether both are those of one plan.
    pub(crate) fn is_same(&self, other: &DrawnIds) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Takes note of the answer to a draw.
    pub(crate) fn note(&self, drawing: &Drawing, answer: &Answer) {
        let read: Vec<Value> = match answer.rows.as_slice() {
            [row] if matches!(row.first(), Some(Value::Text(_))) => match row.first() {
                Some(Value::Text(array)) => array.trim_matches(['{', '}']).split(',').map(read_id).collect(),
                _ => Vec::new(),
            },
            rows => rows.iter().filter_map(|row| row.first().cloned()).collect(),
        };
        let ty = drawing.table.columns[drawing.column].ty;
        // What does not fit the column fails the statement that writes it.
        let read = read.into_iter().map(|id| ty.canonical(id, Backend::Sqlite).unwrap_or(Value::Null)).collect();
        let mut ids = self.ids();
        if ids.len() <= drawing.number {
            ids.resize(drawing.number + 1, Vec::new());
        }
        ids[drawing.number] = read;
    }

    /// The values with the ids that were drawn; `None` if one of them is not known.
    pub(crate) fn values(&self, values: &[Value]) -> Option<Vec<Value>> {
        let ids = self.ids();
        let known = |value: &Value| match value {
            Value::Drawn(id) => ids.get(id.draw)?.get(id.position).filter(|id| !id.is_null()).cloned(),
            value => Some(value.clone()),
        };
        values.iter().map(known).collect()
    }

    /// The same of a row and its children.
    pub(super) fn record(&self, record: &Record) -> Option<Record> {
        let mut made = Record::from(self.values(record)?);
        made.set_children(self.children(record)?);
        Some(made)
    }

    /// The same of its children alone.
    pub(super) fn children(&self, record: &Record) -> Option<Vec<Vec<Record>>> {
        let rows = |rows: &Vec<Record>| rows.iter().map(|row| self.record(row)).collect();
        record.children().unwrap_or_default().iter().map(rows).collect()
    }
}

fn read_id(text: &str) -> Value {
    text.parse().map_or(Value::Null, Value::I64)
}

/// A draw that was sent.
#[derive(Debug)]
pub(crate) struct Drawing {
    number: usize,
    table: &'static TableDescriptor,
    column: usize,
    ids: DrawnIds,
}

impl Drawing {
    pub(crate) fn of(draw: &Draw, ids: &DrawnIds) -> Self {
        Drawing { number: draw.number, table: draw.table, column: draw.column, ids: ids.clone() }
    }

    /// Takes note of the ids.
    pub(crate) fn note(&self, answer: &Answer) {
        self.ids.note(self, answer);
    }
}
