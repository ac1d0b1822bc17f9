//! The parts of a queue that are planned one after the other.
//!
//! Within a segment each row is written once, and which of its writes came first makes no difference. Where two writes may
//! be about the same row in different ways (a row by its own repository and as part of another, or by a unique key), the later
//! one begins a segment of its own, which is planned in view of what the earlier one has done. All of them travel in one
//! burst.

use std::any::TypeId;

use super::aggregate::{Id, key_of};
use super::identity_map::IdentityMap;
use super::pending::{Change, PendingWrite, are_related};
use crate::hash::{FastMap, FastSet};
use crate::schema::{Record, TableDescriptor, holders};
use crate::value::Value;

/// Cuts writes, in the order in which they were queued in the scope at `depth`, into segments.
pub(crate) fn segments(writes: Vec<PendingWrite>, map: &IdentityMap, depth: usize) -> Vec<Vec<PendingWrite>> {
    if is_one(&writes) {
        return vec![writes];
    }
    let mut segments: Vec<Vec<PendingWrite>> = Vec::new();
    let mut touched = Touched::default();
    for write in writes {
        let rows = rows_of(&write, map, depth);
        if segments.is_empty() || touched.clashes(&write, &rows) {
            segments.push(Vec::new());
            touched = Touched::default();
        }
        touched.note(&write, rows);
        if let Some(segment) = segments.last_mut() {
            segment.push(write);
        }
    }
    segments
}

/// Whether no two writes can be about the same row in different ways.
fn is_one(writes: &[PendingWrite]) -> bool {
    if let [_] = writes {
        return true;
    }
    let mut types: Vec<TypeId> = Vec::new();
    for write in writes {
        if write.reach.by.is_some() || write.again {
            return false;
        }
        let row_type = write.table.row_type;
        if types.last() != Some(&row_type) && !types.contains(&row_type) {
            if types.iter().any(|&other| are_related(other, row_type)) {
                return false;
            }
            types.push(row_type);
        }
    }
    true
}

/// The rows that a write is about.
#[derive(Default)]
struct Rows {
    /// The row itself and its children, those that it has and those that it had.
    written: Vec<Id>,
    /// The values of the row's columns by which it may be part of another row.
    referred: Vec<Value>,
}

fn rows_of(write: &PendingWrite, map: &IdentityMap, depth: usize) -> Rows {
    let mut rows = Rows::default();
    let table = write.table;
    if let Some(key) = &write.key {
        rows.written.push((table.row_type, key.to_vec()));
    }
    let known = write.key.as_ref().and_then(|key| map.known_at(depth, key));
    let known = known.and_then(|entry| entry.base(table).0);
    let given = match &write.change {
        Change::Insert { record, .. } | Change::Update { record, .. } | Change::Upsert { record, .. } => {
            Some(&**record)
        }
        Change::Delete { .. } => None,
    };
    for record in known.as_deref().map(|known| &**known).into_iter().chain(given) {
        note_below(table, record, &mut rows.written);
        let columns = table.foreign_keys.iter().filter_map(|key| table.position(&key.column));
        rows.referred.extend(columns.map(|at| record[at].clone()));
    }
    rows
}

fn note_below(table: &TableDescriptor, record: &Record, rows: &mut Vec<Id>) {
    for (relation, children) in table.relations.iter().zip(record.children().unwrap_or_default()) {
        let child = relation.child();
        for row in children {
            rows.push((child.row_type, key_of(child, row)));
            note_below(child, row, rows);
        }
    }
}

/// What the writes of a segment are about.
#[derive(Default)]
struct Touched {
    /// Each row with the types of the rows that it was written as part of.
    rows: FastMap<Id, FastSet<TypeId>>,
    /// The types of the writes, each with the unique key that finds its rows.
    types: FastSet<(TypeId, Option<usize>)>,
    /// The values by which rows may be part of others, with the types of those rows.
    referred: FastMap<Value, FastSet<TypeId>>,
}

impl Touched {
    fn clashes(&self, write: &PendingWrite, rows: &Rows) -> bool {
        let (row_type, by) = (write.table.row_type, write.reach.by);
        let meets = |&(other, other_by): &(TypeId, Option<usize>)| {
            let by_key = (by.is_some() || other_by.is_some()) && other == row_type && other_by != by;
            by_key || (by.is_some() || other_by.is_some()) && are_related(other, row_type)
        };
        if self.types.iter().any(meets) {
            return true;
        }
        let is_other = |types: &FastSet<TypeId>| types.iter().any(|&other| other != row_type);
        let mut written = rows.written.iter();
        // The row itself is written once, whoever writes it.
        let own = written.next().filter(|_| write.key.is_some());
        own.is_some_and(|row| self.rows.contains_key(row))
            || written.any(|row| self.rows.get(row).is_some_and(is_other))
            || !matches!(write.change, Change::Insert { .. }) && self.has_arrived(&rows.written)
    }

    /// Whether a write of the segment may have brought a row into one of these.
    fn has_arrived(&self, rows: &[Id]) -> bool {
        rows.iter().any(|(row_type, key)| {
            let arrives = |types: &FastSet<TypeId>| types.iter().any(|other| holders(*other).contains(row_type));
            key.first().and_then(|key| self.referred.get(key)).is_some_and(arrives)
        })
    }

    fn note(&mut self, write: &PendingWrite, rows: Rows) {
        let row_type = write.table.row_type;
        self.types.insert((row_type, write.reach.by));
        for row in rows.written {
            self.rows.entry(row).or_default().insert(row_type);
        }
        for value in rows.referred {
            self.referred.entry(value).or_default().insert(row_type);
        }
    }
}
