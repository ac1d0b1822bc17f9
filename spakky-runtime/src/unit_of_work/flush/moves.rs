//! Children that move: they leave one row and come to another, in the same flush or from an aggregate that the session knows.
//!
//! They keep their identity. What would be a DELETE and an INSERT is one UPDATE of the row as it was, so that its unmapped
//! columns, its version, its stamps and all that is below it stay.

use std::any::TypeId;
use std::borrow::Cow;
use std::sync::Arc;

use super::write::{Write, record_of};
use crate::error::Error;
use crate::hash::{FastMap, FastSet};
use crate::mappable::Mapping;
use crate::mutant::Mutant;
use crate::schema::{Record, TableDescriptor, holders};
use crate::scope::Scope;
use crate::unit_of_work::aggregate::{Id, is_unassigned, keep_child, key_of, leave_out, stamp_children};
use crate::unit_of_work::identity_map::{IdentityMap, version_of};
use crate::unit_of_work::pending::Change;
use crate::unit_of_work::raised;
use crate::unit_of_work::row_key::{KeySet, RowKey};
use crate::unit_of_work::siblings::Siblings;
use crate::value::Value;

/// What the scope knows whose writes are flushed.
pub(super) struct Known<'m> {
    pub(super) map: &'m IdentityMap,
    pub(super) depth: usize,
}

/// The children of a flush that move, as they were.
#[derive(Debug, Default)]
pub(super) struct Moves {
    rows: FastMap<Id, Arc<Record>>,
}

impl Moves {
    /// Finds them among the writes of a flush. `again` if a row was written again behind others. A child that several of the
    /// writes give belongs to the last of them, and is taken out of the others. `alone` if the session knows no other rows
    /// that may have children in common with these.
    pub(super) fn of(writes: &mut [Write], known: &Known<'_>, alone: bool, again: bool) -> Self {
        let mut taken = Vec::new();
        let moves = Self::find(writes, known, alone, again, &mut taken);
        for (at, (row_type, key)) in taken {
            let write = &mut writes[at];
            if let Change::Insert { record, .. } | Change::Update { record, .. } = &mut write.change {
                let is_it =
                    |child: &TableDescriptor, row: &Record| child.row_type == row_type && key_of(child, row) == key;
                leave_out(write.table, Arc::make_mut(record), &is_it);
                write.children_partial = true;
            }
        }
        moves
    }

    fn find(writes: &[Write], known: &Known<'_>, alone: bool, again: bool, taken: &mut Vec<(usize, Id)>) -> Self {
        let mut left = FastMap::default();
        let (mut is_known, mut grows) = (again, false);
        for write in writes {
            let base = write.base.as_deref().filter(|base| base.children().is_some());
            match (&write.change, base) {
                (Change::Update { record, .. }, Some(base)) => {
                    is_known = true;
                    note_left(write.table, base, record, &mut left, &mut grows);
                }
                (Change::Delete { .. }, Some(base)) => note_all(write.table, base, &mut left),
                (Change::Delete { must_exist: false }, None) if !write.table.relations.is_empty() => {
                    let entry = write.key.as_ref().and_then(|key| known.map.known_at(known.depth, key));
                    if let Some(stored) = entry.and_then(|entry| entry.stored.as_deref()) {
                        note_all(write.table, stored, &mut left);
                    }
                }
                (Change::Upsert { record, .. } | Change::Update { record, .. }, None)
                    if !write.table.relations.is_empty() =>
                {
                    let entry = write.key.as_ref().and_then(|key| known.map.known_at(known.depth, key));
                    if let Some(replaced) = entry.and_then(|entry| entry.replaced.as_deref()) {
                        note_left(write.table, replaced, record, &mut left, &mut grows);
                    }
                }
                (Change::Insert { .. }, None) => grows |= !write.table.relations.is_empty(),
                _ => {}
            }
        }
        let known = if alone { None } else { KnownElsewhere::of(writes, known) };
        let may_meet = is_known && grows && writes.len() > 1;
        if left.is_empty() && known.is_none() && !may_meet {
            return Moves::default();
        }
        let mut arrived = Vec::new();
        let mut givers: FastMap<Id, usize> = FastMap::default();
        for (at, write) in writes.iter().enumerate() {
            let Some(record) = record_of(&write.change) else { continue };
            let base = match write.change {
                Change::Update { .. } => write.base.as_deref(),
                _ => None,
            };
            let from = arrived.len();
            note_arrived(write.table, base, record, &mut arrived);
            for id in arrived[from..].iter().filter(|_| is_whole(write)) {
                if let Some(before) = givers.insert(id.clone(), at).filter(|&before| before != at) {
                    taken.push((before, id.clone()));
                }
            }
        }
        let mut rows = FastMap::default();
        let mut elsewhere = FastSet::default();
        for id in arrived {
            match left.remove(&id) {
                Some(before) => drop(rows.insert(id, Arc::new(before.clone()))),
                None if !rows.contains_key(&id) => drop(elsewhere.insert(id)),
                None => {}
            }
        }
        if let Some(known) = known.filter(|_| !elsewhere.is_empty()) {
            known.find(&elsewhere, &mut rows);
            elsewhere.retain(|id| !rows.contains_key(id));
        }
        if !elsewhere.is_empty() {
            for (at, write) in writes.iter().enumerate().filter(|(_, write)| is_whole(write)) {
                let Some(record) = record_of(&write.change).filter(|_| write.base.is_some()) else { continue };
                for_each_child(write.table, write.base.as_deref(), record, &mut |child, before, row| {
                    let Some(before) = before else { return };
                    let id = (child.row_type, key_of(child, row));
                    match elsewhere.get(&id).and_then(|id| givers.get(id)) {
                        Some(&giver) if giver > at => {
                            taken.push((at, id.clone()));
                            rows.insert(id, Arc::new(before.clone()));
                        }
                        Some(&giver) => taken.push((giver, id)),
                        None => {}
                    }
                });
            }
        }
        Moves { rows }
    }

    /// Whether nothing moves.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The row as it was, if it moves.
    pub(super) fn get(&self, table: &TableDescriptor, row: &Record) -> Option<&Arc<Record>> {
        if self.rows.is_empty() || Mutant::MovedIsNew.is_on() {
            return None;
        }
        self.rows.get(&(table.row_type, key_of(table, row)))
    }

    /// The keys of the rows of this type that move.
    pub(super) fn keys(&self, row_type: TypeId) -> impl Iterator<Item = &Vec<Value>> {
        self.rows.keys().filter(move |(of, _)| *of == row_type).map(|(_, key)| key)
    }

    /// Brings the children that came to a row in line with what they were.
    ///
    /// # Errors
    /// As those of [`stamp_children`].
    pub(super) fn keep_in(&self, write: &mut Write, scope: &Scope) -> Result<(), Error> {
        if self.is_empty() {
            return Ok(());
        }
        let (table, base) = (write.table, write.base.clone());
        let (Change::Insert { record, columns }
        | Change::Update { record, columns }
        | Change::Upsert { record, columns }) = &mut write.change
        else {
            return Ok(());
        };
        let base = base.as_deref().filter(|base| base.children().is_some());
        if self.comes_to(table, base, record) {
            self.keep_below(table, *columns, base, Arc::make_mut(record), scope)?;
            write.children_partial = true;
        }
        Ok(())
    }

    fn comes_to(&self, table: &TableDescriptor, base: Option<&Record>, record: &Record) -> bool {
        let mut found = false;
        for_each_child(table, base, record, &mut |child, before, row| {
            found |= before.is_none() && self.get(child, row).is_some();
        });
        found
    }

    fn keep_below(
        &self,
        table: &'static TableDescriptor,
        mapping: Mapping,
        base: Option<&Record>,
        record: &mut Record,
        scope: &Scope,
    ) -> Result<(), Error> {
        let base = base.and_then(Record::children);
        for (at, relation) in table.relations.iter().enumerate() {
            let Some(mapping) = mapping.child(at) else { continue };
            let child = relation.child();
            let siblings = base.map(|base| Siblings::new(child, &base[at]));
            let Some(rows) = record.children_mut().get_mut(at) else { continue };
            for (likely, row) in rows.iter_mut().enumerate() {
                let before = siblings.as_ref().and_then(|siblings| siblings.get(row, likely));
                if let (None, Some(moved)) = (before, self.get(child, row)) {
                    keep_child(relation, mapping, row, moved);
                    if let (Some(at), Some(version)) = (child.version, version_of(child, moved)) {
                        row[at] = Value::I64(raised(child, version, true)?);
                    }
                    scope.touch(child, row)?;
                    stamp_children(scope, child, mapping, Some(moved), row)?;
                    self.keep_below(child, mapping, Some(moved), row, scope)?;
                } else {
                    self.keep_below(child, mapping, before, row, scope)?;
                }
            }
        }
        Ok(())
    }
}

/// Calls with each child of a row, at any depth, and with what it was at the same place.
fn for_each_child<'r>(
    table: &TableDescriptor,
    base: Option<&'r Record>,
    record: &'r Record,
    call: &mut impl FnMut(&'static TableDescriptor, Option<&'r Record>, &'r Record),
) {
    let base = base.and_then(Record::children);
    for (at, (relation, rows)) in table.relations.iter().zip(record.children().unwrap_or_default()).enumerate() {
        let child = relation.child();
        let siblings = base.map(|base| Siblings::new(child, &base[at]));
        for (likely, row) in rows.iter().enumerate() {
            let before = siblings.as_ref().and_then(|siblings| siblings.get(row, likely));
            call(child, before, row);
            for_each_child(child, before, row, call);
        }
    }
}

/// Whether it is known what the children of a written row were, so that they may come from others and go to them.
fn is_whole(write: &Write) -> bool {
    match &write.change {
        Change::Insert { .. } => true,
        Change::Update { .. } => write.base.as_ref().is_some_and(|base| base.children().is_some()),
        Change::Upsert { .. } | Change::Delete { .. } => false,
    }
}

/// Takes note of the children that a row no longer has, and of all below them. `grows` if it has others.
fn note_left<'r>(
    table: &'static TableDescriptor,
    before: &'r Record,
    after: &Record,
    left: &mut FastMap<Id, &'r Record>,
    grows: &mut bool,
) {
    let (Some(before), Some(after)) = (before.children(), after.children()) else { return };
    for (at, relation) in table.relations.iter().enumerate() {
        let child = relation.child();
        let siblings = Siblings::new(child, &after[at]);
        let mut kept = 0;
        for (likely, row) in before[at].iter().enumerate() {
            match siblings.get(row, likely) {
                Some(after) => {
                    kept += 1;
                    note_left(child, row, after, left, grows);
                }
                None => {
                    left.insert((child.row_type, key_of(child, row)), row);
                    note_all(child, row, left);
                }
            }
        }
        *grows |= kept < after[at].len();
    }
}

/// Takes note of all children of a row.
fn note_all<'r>(table: &'static TableDescriptor, row: &'r Record, left: &mut FastMap<Id, &'r Record>) {
    for_each_child(table, None, row, &mut |child, _, row| {
        left.insert((child.row_type, key_of(child, row)), row);
    });
}

/// Takes note of the children that a row did not have before. Those whose keys the database is yet to give are new, and so are
/// those that have the key of such a row for their own.
fn note_arrived(table: &TableDescriptor, before: Option<&Record>, after: &Record, arrived: &mut Vec<Id>) {
    let before = before.and_then(Record::children);
    let is_new = is_unassigned(table, after);
    for (at, (relation, rows)) in table.relations.iter().zip(after.children().unwrap_or_default()).enumerate() {
        let child = relation.child();
        let is_keyed_by_parent = child.key.contains(&relation.column_position());
        let siblings = before.map(|before| Siblings::new(child, &before[at]));
        for (likely, row) in rows.iter().enumerate() {
            let before = siblings.as_ref().and_then(|siblings| siblings.get(row, likely));
            let has_none = is_unassigned(child, row) || is_new && is_keyed_by_parent;
            if before.is_none() && !has_none {
                arrived.push((child.row_type, key_of(child, row)));
            }
            note_arrived(child, before, row, arrived);
        }
    }
}

/// The aggregates that the session knows and that the flush does not write.
struct KnownElsewhere<'m> {
    rows: Vec<(&'static TableDescriptor, Cow<'m, Arc<Record>>)>,
}

impl<'m> KnownElsewhere<'m> {
    /// Those that may have children in common with what is written.
    fn of(writes: &[Write], known: &Known<'m>) -> Option<Self> {
        let mut tables: Vec<&'static TableDescriptor> = Vec::new();
        for write in writes.iter().filter(|write| !write.table.relations.is_empty()) {
            if !tables.iter().any(|table| table.row_type == write.table.row_type) {
                tables.push(write.table);
            }
        }
        if tables.is_empty() {
            return None;
        }
        let written: KeySet<'_> = writes.iter().filter_map(|write| write.key.as_ref()).collect();
        // Aggregates of other types may have the same children; those are rare, and are found by the database.
        let is_other = |key: &RowKey| {
            let table = tables.iter().find(|table| table.row_type == key.row_type())?;
            (!written.contains(key)).then_some(*table)
        };
        let rows: Vec<_> = known.map.aggregates(known.depth, is_other).collect();
        (!rows.is_empty()).then_some(KnownElsewhere { rows })
    }

    /// Finds rows among their children.
    fn find(&self, wanted: &FastSet<Id>, found: &mut FastMap<Id, Arc<Record>>) {
        let is_wanted = |row_type: TypeId| wanted.iter().any(|(of, _)| *of == row_type);
        for (table, record) in &self.rows {
            for_each_child(table, None, record, &mut |child, _, row| {
                if is_wanted(child.row_type) && holders(child.row_type).contains(&table.row_type) {
                    let id = (child.row_type, key_of(child, row));
                    if wanted.contains(&id) {
                        found.insert(id, Arc::new(row.clone()));
                    }
                }
            });
        }
    }
}
