//! Which saves of an aggregate cannot be one.

use std::any::TypeId;

use super::IdentityMap;
use crate::hash::{FastMap, FastSet};
use crate::schema::{Record, Role, TableDescriptor, table_of};
use crate::unit_of_work::aggregate::{Id, key_of, note_keyed};
use crate::unit_of_work::pending::{Change, PendingWrite};
use crate::unit_of_work::row_key::RowKey;

impl IdentityMap {
    /// Whether an earlier write of an aggregate does to children what a later one does not undo, though that gives them no more:
    /// it takes them from another aggregate, or changes what is soft-deleted then, or gives them to a row that starts anew.
    pub(crate) fn is_apart(&self, earlier: &PendingWrite, later: &PendingWrite) -> bool {
        let (table, Some(record)) = (earlier.table, earlier.change.record()) else { return false };
        // One that says nothing of children leaves them as the earlier one gives them.
        if later.change.record().is_some_and(|later| later.children().is_none()) {
            return false;
        }
        let stored = earlier.key.as_ref().and_then(|key| self.entries.get(key)?.stored.as_deref());
        // A row that starts anew has children of which nobody knows: what it is given goes ahead of what is done to all of them.
        if earlier.reach.renewed && later.reach.mark.is_some() && stored.is_none() {
            return true;
        }
        let rows_of = |record: Option<&Record>| {
            let mut rows = Vec::new();
            if let Some(record) = record {
                note_keyed(table, record, &mut rows);
            }
            rows.into_iter().collect::<FastSet<Id>>()
        };
        let (had, mut has) = (rows_of(stored), rows_of(later.change.record().map(|record| &**record)));
        let mut dropped = rows_of(Some(record));
        dropped.retain(|row| !has.contains(row));
        if dropped.is_empty() {
            return false;
        }
        let is_soft = |row_type: TypeId| table_of(row_type).is_some_and(|table| table.deleted_at().is_some());
        let goes = matches!(later.change, Change::Delete { .. });
        if !goes && !matches!(earlier.change, Change::Insert { .. }) {
            let (known, new): (Vec<&Id>, Vec<&Id>) = dropped
                .iter()
                .filter(|row| is_soft(row.0))
                .partition(|row| had.contains(row) && !earlier.reach.renewed);
            // Who knows what those were that it did not have: they may be there, soft-deleted.
            let changes = |stored: &Record| !known.is_empty() && changes_any(table, stored, record, &dropped);
            if !new.is_empty() || stored.is_some_and(changes) {
                // What comes from another aggregate does so only in one flush with the write that it leaves.
                has.retain(|row| !had.contains(row));
                if !self.knows_elsewhere(earlier.key.as_ref(), &has) {
                    return true;
                }
            }
        }
        dropped.retain(|row| !had.contains(row));
        self.knows_elsewhere(earlier.key.as_ref(), &dropped)
    }

    /// Whether other aggregates than that of this key have one of these children.
    fn knows_elsewhere(&self, own: Option<&RowKey>, children: &FastSet<Id>) -> bool {
        !children.is_empty()
            && self.entries.iter().any(|(key, entry)| {
                let of_others = own != Some(key) && !entry.deleted;
                let known = [&entry.stored, &entry.current].into_iter().flatten().filter(|_| of_others);
                let Some(other) = table_of(key.row_type()).filter(|other| !other.relations.is_empty()) else {
                    return false;
                };
                known.into_iter().any(|record| {
                    let mut rows = Vec::new();
                    note_keyed(other, record, &mut rows);
                    rows.iter().any(|row| children.contains(row))
                })
            })
    }
}

/// Whether one of these children is another in `after` than it was, or at another place, as far as its own columns tell.
fn changes_any(table: &'static TableDescriptor, before: &Record, after: &Record, rows: &FastSet<Id>) -> bool {
    let mut known = FastMap::default();
    for_each_child(table, before, &mut |child, row| {
        known.insert((child.row_type, key_of(child, row)), row);
    });
    let mut changes = false;
    for_each_child(table, after, &mut |child, row| {
        let id = (child.row_type, key_of(child, row));
        let is_plain = |at: &usize| child.columns[*at].role == Role::Plain;
        changes |= rows.contains(&id)
            && known
                .get(&id)
                .is_some_and(|before| (0..child.columns.len()).filter(is_plain).any(|at| before[at] != row[at]));
    });
    changes
}

/// Calls with each child of a row, at any depth.
fn for_each_child<'r>(
    table: &'static TableDescriptor,
    record: &'r Record,
    call: &mut impl FnMut(&'static TableDescriptor, &'r Record),
) {
    for (relation, rows) in table.relations.iter().zip(record.children().unwrap_or_default()) {
        let child = relation.child();
        for row in rows {
            call(child, row);
            for_each_child(child, row, call);
        }
    }
}
