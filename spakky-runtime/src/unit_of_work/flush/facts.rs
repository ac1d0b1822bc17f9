//! What a flush tells of rows that the session knows in other places, too: as parts of aggregates that were not written, or by
//! themselves.

use std::any::TypeId;
use std::sync::Arc;

use super::step::FlushStep;
use super::write::Write;
use crate::hash::{FastMap, FastSet};
use crate::schema::{Record, TableDescriptor, holders, table_of};
use crate::scope::is_deleted;
use crate::unit_of_work::aggregate::key_of;
use crate::unit_of_work::identity_map::{Entry, IdentityMap, version_of};
use crate::unit_of_work::row_key::{KeySet, RowKey};
use crate::value::Value;

/// What became of a row.
#[derive(Debug, Clone)]
pub(super) enum Fact {
    /// It is this one now, without its children unless it is new.
    Row(Arc<Record>),
    Gone,
    /// It was written, but how it is now is the database's business.
    Unknown,
}

/// What became of the rows of a flush that may be known in several places.
pub(super) struct Facts<'p> {
    rows: FastMap<(TypeId, &'p [Value]), (&'p Fact, bool)>,
    /// The rows that are part of another by now: by their type and that one's key.
    parts: FastMap<(TypeId, &'p Value), Vec<&'p Record>>,
    /// The aggregates that were written by themselves.
    own: KeySet<'p>,
}

impl<'p> Facts<'p> {
    /// `None` if nothing of the flush may be known in several places. `alone` if the session knows no rows that may have rows in
    /// common with those that were written: these learn of their own by themselves.
    pub(super) fn of(steps: &'p [FlushStep], unwritten: impl Iterator<Item = &'p RowKey>, alone: bool) -> Option<Self> {
        if alone && are_all_of_aggregates(steps) {
            return None;
        }
        let written = steps.iter().flat_map(|step| &step.rows).filter(|row| !row.is_child);
        let own: KeySet<'p> = written.filter_map(|row| row.key.as_ref()).chain(unwritten).collect();
        let mut rows = FastMap::default();
        let mut parts: FastMap<_, Vec<&Record>> = FastMap::default();
        for step in steps {
            let table = step.table;
            for row in &step.rows {
                let Some(key) = &row.key else { continue };
                let Some(fact) = row.fact.as_ref().filter(|_| row.known_key().is_some()) else { continue };
                rows.insert((table.row_type, &**key), (fact, row.is_child));
                if let Fact::Row(record) = fact {
                    for key in &table.foreign_keys {
                        if let Some(at) = table.position(&key.column) {
                            parts.entry((table.row_type, &record[at])).or_default().push(record);
                        }
                    }
                }
            }
        }
        (!rows.is_empty()).then_some(Facts { rows, parts, own })
    }

    /// Brings what the scope at `depth` knows in line with them.
    pub(super) fn teach(&self, map: &mut IdentityMap, depth: usize) {
        let mut types: FastSet<TypeId> = FastSet::default();
        for (row_type, _) in self.rows.keys() {
            if types.insert(*row_type) {
                types.extend(holders(*row_type));
            }
        }
        let is_all_of_aggregates = self.rows.values().all(|(_, is_child)| *is_child);
        let concerns = |key: &RowKey, _: &Entry| {
            types.contains(&key.row_type()) && !(is_all_of_aggregates && self.own.contains(key))
        };
        map.update_all(depth, concerns, |key, entry| self.teach_entry(key, entry));
    }

    fn teach_entry(&self, key: &RowKey, entry: &mut Entry) {
        let Some(table) = table_of(key.row_type()) else { return };
        let is_own = self.own.contains(key);
        if let (Some((fact, _)), false) = (self.rows.get(&(key.row_type(), &**key)), is_own) {
            learn_row(table, entry, fact);
        }
        if let Some(mut sent) = entry.drawn.sent.take() {
            let mut learned = Record::clone(&sent.record);
            entry.drawn.sent = match self.learn_children(table, &mut learned, is_own, entry.with_deleted) {
                Learned::Nothing => Some(sent),
                Learned::All => {
                    sent.record = Arc::new(learned);
                    Some(sent)
                }
                Learned::TooLittle => None,
            };
        }
        let Some(stored) = entry.stored.as_ref().filter(|stored| stored.children().is_some()) else { return };
        let mut learned = Record::clone(stored);
        match self.learn_children(table, &mut learned, is_own, entry.with_deleted) {
            Learned::Nothing => {}
            Learned::All => {
                entry.stored = Some(Arc::new(learned));
                entry.partial = true;
            }
            Learned::TooLittle => {
                entry.stored = Some(Arc::new(stored.without_children()));
                entry.partial = true;
            }
        }
    }

    fn learn_children(
        &self,
        table: &'static TableDescriptor,
        record: &mut Record,
        is_own: bool,
        with_deleted: bool,
    ) -> Learned {
        let Some(own_key) = table.key.first().map(|&at| record[at].clone()) else { return Learned::Nothing };
        // What another flush gave to a row of its own that has no key yet is not part of this one.
        let is_drawn = matches!(own_key, Value::Drawn(_));
        let mut all = Learned::Nothing;
        for (at, relation) in table.relations.iter().enumerate() {
            let (child, column) = (relation.child(), relation.column_position());
            let Some(rows) = record.children_mut().get_mut(at) else { continue };
            // Behind the facts about rows that are there come those about rows that arrived.
            let mut kept = Vec::with_capacity(rows.len());
            for mut row in std::mem::take(rows) {
                let key = key_of(child, &row);
                let fact =
                    self.rows.get(&(child.row_type, key.as_slice())).filter(|(_, is_child)| !(is_own && *is_child));
                match fact.map(|(fact, _)| *fact) {
                    None => {}
                    Some(Fact::Unknown) => return Learned::TooLittle,
                    Some(Fact::Gone) => {
                        all = Learned::All;
                        continue;
                    }
                    Some(Fact::Row(now)) => {
                        all = Learned::All;
                        if is_drawn || now[column] != own_key || is_deleted(child, now) && !with_deleted {
                            continue;
                        }
                        row.clone_from_slice(now);
                    }
                }
                match self.learn_children(child, &mut row, is_own, with_deleted) {
                    Learned::Nothing => {}
                    Learned::All => all = Learned::All,
                    Learned::TooLittle => return Learned::TooLittle,
                }
                kept.push(row);
            }
            for now in self.parts.get(&(child.row_type, &own_key)).into_iter().flatten() {
                let key = key_of(child, now);
                let written_here = |(_, is_child): &(&Fact, bool)| is_own && *is_child;
                if is_drawn
                    || now[column] != own_key
                    || self.rows.get(&(child.row_type, key.as_slice())).is_some_and(written_here)
                    || is_deleted(child, now) && !with_deleted
                    || kept.iter().any(|row| key_of(child, row) == key)
                {
                    continue;
                }
                if now.children().is_none() && !child.relations.is_empty() {
                    return Learned::TooLittle;
                }
                all = Learned::All;
                kept.push(Record::clone(now));
            }
            *rows = kept;
        }
        all
    }
}

/// Whether the session knows no rows but these of their tables, of those of their children, and of those that such rows may be
/// part of. It is most often so, and to look costs less than to gather what became of each row.
pub(super) fn are_alone(writes: &[Write], map: &IdentityMap, depth: usize) -> bool {
    let mut types: Vec<TypeId> = Vec::new();
    for write in writes {
        if !types.contains(&write.table.row_type) {
            note_family(write.table, &mut types);
        }
    }
    let mut written = KeySet::with_capacity_and_hasher(writes.len(), Default::default());
    written.extend(writes.iter().filter_map(|write| write.key.as_ref()));
    map.keys(depth).all(|key| !types.contains(&key.row_type()) || written.contains(key))
}

fn note_family(table: &TableDescriptor, types: &mut Vec<TypeId>) {
    types.push(table.row_type);
    types.extend(holders(table.row_type));
    for relation in &table.relations {
        note_family(relation.child(), types);
    }
}

/// Whether no row that may be part of another was written by itself.
fn are_all_of_aggregates(steps: &[FlushStep]) -> bool {
    steps.iter().flat_map(|step| &step.rows).all(|row| row.is_child || row.fact.is_none())
}

/// What the children of a row are known to be, behind a flush.
enum Learned {
    /// As before.
    Nothing,
    /// What the record says.
    All,
    /// Nobody knows.
    TooLittle,
}

/// What a row is known to be that was written as part of another.
fn learn_row(table: &TableDescriptor, entry: &mut Entry, fact: &Fact) {
    entry.partial = true;
    match fact {
        Fact::Gone if !entry.queued.is_any() => entry.deleted = true,
        Fact::Row(now) => {
            entry.version = version_of(table, now);
            let children = entry.stored.as_ref().and_then(|stored| stored.children()).map(<[_]>::to_vec);
            let mut row = now.without_children();
            if let Some(children) = children {
                row.set_children(children);
            }
            let row = Arc::new(row);
            if !entry.queued.is_any() {
                entry.current = Some(Arc::clone(&row));
            }
            entry.stored = Some(row);
        }
        Fact::Gone | Fact::Unknown => {
            entry.stored = None;
            entry.version = None;
        }
    }
}
