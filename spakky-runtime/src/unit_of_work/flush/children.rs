//! The writes of a row's children: by difference where it is known what there was, else by replacing them.

use std::panic::Location;
use std::sync::Arc;

use super::moves::Moves;
use super::shape::changed;
use super::sweep::{Confined, Fate, Sweep, merge_sweep};
use super::{Write, is_drawn};
use crate::error::Error;
use crate::mappable::Mapping;
use crate::mutant::Mutant;
use crate::schema::{ColumnDescriptor, Lineage, Record, Relation, Role, TableDescriptor};
use crate::scope::{Mark, Reach, Scope, is_deleted, tenant_of};
use crate::statement::Kinship;
use crate::unit_of_work::aggregate::{differs, is_unassigned, key_of};
use crate::unit_of_work::pending::Change;
use crate::unit_of_work::row_key::RowKey;
use crate::unit_of_work::siblings::Siblings;
use crate::unit_of_work::version_of;
use crate::value::Value;

/// What has to be written to the tables of children.
#[derive(Debug, Default)]
pub(super) struct ChildWrites {
    pub(super) writes: Vec<Write>,
    pub(super) sweeps: Vec<Sweep>,
    /// Whose the row is that they belong to.
    tenant: Option<Value>,
    /// The row starts anew, and they with it.
    renewed: bool,
    /// When the row was soft-deleted that is restored with them.
    restored: Option<Value>,
    /// Whether the session cannot know what becomes of them.
    pub(super) is_unknown: bool,
    /// Whether they were saved in view of other children than those that there are.
    pub(super) is_outdated: bool,
}

impl ChildWrites {
    /// The children of a row that is written; `moves` are those that come from other rows.
    ///
    /// # Errors
    /// When children are soft-deleted that want an actor, and the context has none.
    pub(super) fn of(write: &Write, moves: &Moves, scope: &Scope) -> Result<Self, Error> {
        let renewed = write.reach.renewed;
        let mut made = ChildWrites { tenant: write.reach.tenant.clone(), renewed, ..ChildWrites::default() };
        let (table, origin) = (write.table, write.origin);
        if table.relations.is_empty() {
            return Ok(made);
        }
        let work = Work { moves, scope, origin };
        match &write.change {
            Change::Insert { record, columns } => {
                made.insert_below(table, *columns, record, false, &work)?;
                made.mark_below(table, write);
            }
            Change::Update { record, columns } => {
                // Where children can be soft-deleted, more of them may be there than are known.
                let is_whole = !(renewed && table.has_deletable_children());
                if is_whole {
                    made.mark_below(table, write);
                }
                match write.base.as_ref().filter(|base| is_whole && base.children().is_some()) {
                    Some(base) => {
                        let others = write.has_others.then(|| Place::root(table, record));
                        made.change_below(table, *columns, base, record, others.as_ref(), &work)?;
                    }
                    None => {
                        made.replace_below(&Place::root(table, record), table, *columns, record, &work)?;
                        made.is_unknown |= write.base.is_some();
                    }
                }
            }
            Change::Upsert { record, columns } => {
                made.replace_below(&Place::root(table, record), table, *columns, record, &work)?;
            }
            Change::Delete { must_exist } => {
                let confined = (!must_exist).then(|| Confined::of(write)).flatten();
                made.delete_below(&[], table, write.key.as_ref().and_then(|key| key.first()), confined.as_ref(), &work);
            }
        }
        Ok(made)
    }

    /// What can be soft-deleted below a row goes and comes back with it.
    fn mark_below(&mut self, table: &'static TableDescriptor, write: &Write) {
        let (Some(mark), Some(root)) = (write.reach.mark, write.key.as_ref().and_then(|key| key.first())) else {
            return;
        };
        if !table.has_deletable_children() {
            return;
        }
        self.is_unknown = true;
        match mark {
            Mark::Deleted => self.sweep_marked(Fate::Buried, table, &[], root),
            Mark::Restored => {
                let stamp = |base: &Arc<Record>| table.deleted_at().map(|at| base[at].clone());
                self.restored = write.base.as_ref().and_then(stamp).filter(|stamp| !stamp.is_null());
                self.sweep_marked(Fate::Restored, table, &[], root);
            }
        }
    }

    fn sweep_marked(&mut self, fate: Fate, root: &'static TableDescriptor, path: &[&'static Relation], key: &Value) {
        let table = path.last().map_or(root, |relation| relation.child());
        for relation in &table.relations {
            let path = down(path, relation);
            if relation.child().deleted_at().is_some() {
                let above = match fate {
                    Fate::Restored => Some(Lineage::whole(&path, root)),
                    _ => Lineage::of(&path, Some(root)),
                };
                let live = fate == Fate::Buried;
                self.sweep(Sweep { fate, above, path: path.clone(), live, ..self.all_of(key) });
            }
            self.sweep_marked(fate, root, &path, key);
        }
    }

    /// Whether a child was deleted with the row that is restored, and so is restored ahead of what else is written.
    fn is_restored(&self, child: &TableDescriptor, row: &Record) -> bool {
        child.deleted_at().is_some_and(|at| {
            let stamp = self.restored.clone().map(|stamp| stamp.at_same_instant(child.columns[at].ty.scalar));
            stamp.as_ref() == Some(&row[at])
        })
    }

    /// The version that a child has in the database when its own write comes.
    fn expected(&self, child: &TableDescriptor, row: &Record) -> Option<i64> {
        version_of(child, row).map(|version| version.saturating_add(i64::from(self.is_restored(child, row))))
    }

    /// The rows below a row that is new. `there` if the row may be there, soft-deleted.
    fn insert_below(
        &mut self,
        table: &'static TableDescriptor,
        mapping: Mapping,
        record: &Record,
        there: bool,
        work: &Work<'_>,
    ) -> Result<(), Error> {
        for (at, (relation, rows)) in table.relations.iter().zip(record.children().unwrap_or_default()).enumerate() {
            // What the domain type says nothing of is new as the row makes it.
            let mapping = mapping.child(at).unwrap_or(Mapping::WHOLE);
            for row in rows {
                self.insert(relation, mapping, row, there, work)?;
            }
        }
        Ok(())
    }

    /// A new child, or one that comes from another row. If it may have been one before that was soft-deleted, that becomes
    /// this one, with the children that are given.
    fn insert(
        &mut self,
        relation: &'static Relation,
        columns: Mapping,
        row: &Record,
        there: bool,
        work: &Work<'_>,
    ) -> Result<(), Error> {
        let table = relation.child();
        if let Some(before) = work.moves.get(table, row) {
            return self.change(relation, columns, before, row, None, work);
        }
        let (key, origin) = (key_of(table, row), work.origin);
        let there = there && !is_drawn(&key);
        // One of a row that is soft-deleted by then goes with all others.
        let row = &alive(table, row);
        let write = if there && table.deleted_at().is_some() {
            let change = Change::Upsert { record: Arc::new(row.without_children()), columns };
            let write = Write::of_child(table, Some(RowKey::new(table, key)), change, origin);
            let reach = Reach { live: false, mark: Some(Mark::Restored), ..write.reach.clone() };
            self.is_unknown |= !is_told(table, columns);
            self.writes.push(Write { owner: Some(relation.column_position()), deleted: true, reach, ..write });
            return self.replace_below(&Place::root(table, row), table, columns, row, work);
        } else {
            Write::of_child(
                table,
                Some(RowKey::new(table, key)),
                Change::Insert { record: Arc::new(row.clone()), columns },
                origin,
            )
        };
        self.writes.push(write);
        self.insert_below(table, columns, row, there, work)
    }

    /// The children of a row that are known. `others` is the place of the row if it has more of them, which go unless they are
    /// given.
    fn change_below(
        &mut self,
        table: &'static TableDescriptor,
        mapping: Mapping,
        before: &Record,
        after: &Record,
        others: Option<&Place>,
        work: &Work<'_>,
    ) -> Result<(), Error> {
        let (Some(before), Some(after)) = (before.children(), after.children()) else { return Ok(()) };
        for (at, relation) in table.relations.iter().enumerate() {
            let Some(mapping) = mapping.child(at) else { continue };
            let child = relation.child();
            let others = others.map(|place| place.down(relation));
            if let Some(place) = &others {
                self.sweep_others(place, child, &before[at], &after[at], work);
            }
            let siblings = Siblings::new(child, &before[at]);
            let mut left = vec![true; before[at].len()];
            for (likely, row) in after[at].iter().enumerate() {
                match (siblings.position(row, likely).filter(|&known| std::mem::take(&mut left[known])), &others) {
                    (Some(known), others) => {
                        let others = others.as_ref().map(|place| place.clone().at(child, row));
                        self.change(relation, mapping, &before[at][known], row, others.as_ref(), work)?;
                    }
                    (None, Some(place)) if !is_unassigned(child, row) && work.moves.get(child, row).is_none() => {
                        self.is_unknown = true;
                        self.replace(relation, mapping, row, place, work)?;
                    }
                    (None, _) => {
                        self.is_outdated |= work.moves.get(child, row).is_none() && !work.scope.is_new(child, row)?;
                        self.insert(relation, mapping, row, true, work)?;
                    }
                }
            }
            for (row, _) in before[at].iter().zip(left).filter(|(_, left)| *left) {
                self.leave(relation, row, work)?;
            }
        }
        Ok(())
    }

    /// A child that is no longer there: soft-deleted where its table knows that. One that came to another row is written there.
    fn leave(&mut self, relation: &'static Relation, row: &Record, work: &Work<'_>) -> Result<(), Error> {
        if Mutant::LeftChildStays.is_on() {
            return Ok(());
        }
        let child = relation.child();
        if work.moves.get(child, row).is_some() {
            return Ok(());
        }
        let (key, owner) = (key_of(child, row), Some(relation.column_position()));
        let expected = self.expected(child, row);
        let tenant = tenant_of(child, row);
        let base = Some(Arc::new(row.without_children()));
        if child.deleted_at().is_none() {
            self.delete_below(&[], child, key.first(), None, work);
            let delete =
                Write::of_child(child, Some(RowKey::new(child, key)), Change::Delete { must_exist: true }, work.origin);
            let reach = Reach { tenant, ..delete.reach };
            self.writes.push(Write { expected, reach, owner, base, ..delete });
            return Ok(());
        }
        if is_deleted(child, row) && !self.is_restored(child, row) {
            return Ok(());
        }
        if let Some(key) = key.first() {
            self.sweep_marked(Fate::Buried, child, &[], key);
        }
        let mut record = row.without_children();
        work.scope.mark(child, &mut record, Mark::Deleted)?;
        let change = Change::Update { record: Arc::new(record), columns: Mapping::WHOLE };
        let write = Write::of_child(child, Some(RowKey::new(child, key)), change, work.origin);
        let reach = Reach { tenant, live: true, mark: Some(Mark::Deleted), by: None, renewed: false };
        self.writes.push(Write { base, expected, reach, owner, ..write });
        Ok(())
    }

    /// A child that was there, with the same parent or with another.
    fn change(
        &mut self,
        relation: &'static Relation,
        columns: Mapping,
        before: &Record,
        after: &Record,
        others: Option<&Place>,
        work: &Work<'_>,
    ) -> Result<(), Error> {
        let (table, owner) = (relation.child(), relation.column_position());
        let moves = before[owner] != after[owner];
        let own = moves || changed(table, columns, before, after).next().is_some();
        let bumps = table.version.is_some() && (moves || differs(table, columns, before, after, true));
        if own || bumps {
            let version = version_of(table, before).map(|version| version.saturating_add(i64::from(bumps)));
            self.is_outdated |= version != version_of(table, after);
            let change = Change::Update { record: Arc::new(after.without_children()), columns };
            let write = Write::of_child(table, Some(RowKey::new(table, key_of(table, after))), change, work.origin);
            let live = write.reach.live && (!is_deleted(table, before) || self.is_restored(table, before));
            let reach = Reach { live, ..write.reach.clone() };
            let base = Some(Arc::new(before.without_children()));
            let expected = self.expected(table, before);
            self.writes.push(Write { base, expected, bumps, reach, owner: Some(owner), ..write });
        }
        self.change_below(table, columns, before, after, others, work)
    }

    /// What there is goes, but for the rows of the same keys, which become those given. `place` is that of `record`.
    fn replace_below(
        &mut self,
        place: &Place,
        table: &'static TableDescriptor,
        mapping: Mapping,
        record: &Record,
        work: &Work<'_>,
    ) -> Result<(), Error> {
        for (at, (relation, rows)) in table.relations.iter().zip(record.children().unwrap_or_default()).enumerate() {
            let Some(mapping) = mapping.child(at) else { continue };
            let (child, place) = (relation.child(), place.down(relation));
            self.sweep_others(&place, child, &[], rows, work);
            for row in rows {
                match is_unassigned(child, row) || work.moves.get(child, row).is_some() {
                    true => self.insert(relation, mapping, row, false, work)?,
                    false => self.replace(relation, mapping, row, &place, work)?,
                }
            }
        }
        Ok(())
    }

    /// A child with a key, which may be there already, at any place of its aggregate. `place` is that of its siblings.
    fn replace(
        &mut self,
        relation: &'static Relation,
        columns: Mapping,
        row: &Record,
        place: &Place,
        work: &Work<'_>,
    ) -> Result<(), Error> {
        let child = relation.child();
        // One of a row that is soft-deleted by then goes with all others.
        let mut given = alive(child, row).without_children();
        work.scope.touch(child, &mut given)?;
        let change = Change::Upsert { record: Arc::new(given), columns };
        let write = Write::of_child(child, Some(RowKey::new(child, key_of(child, row))), change, work.origin);
        let mark = child.deleted_at().map(|_| Mark::Restored);
        let reach = Reach { live: false, mark, renewed: self.renewed, ..write.reach.clone() };
        let kinship = Kinship::new(place.path.iter().copied());
        self.writes.push(Write { owner: Some(relation.column_position()), kinship, reach, ..write });
        self.replace_below(&place.clone().at(child, row), child, columns, row, work)
    }

    /// The children at a place that are neither known nor given.
    fn sweep_others(
        &mut self,
        place: &Place,
        table: &'static TableDescriptor,
        known: &[Record],
        given: &[Record],
        work: &Work<'_>,
    ) {
        let keyed = known.iter().chain(given).filter(|row| !is_unassigned(table, row)).map(|row| key_of(table, row));
        let keep = keyed.chain(work.moves.keys(table.row_type).cloned()).collect();
        self.sweep_left_out(place, keep);
        // Those that stay see to what is below them.
        let stays = |row: &Record| !is_unassigned(table, row) && work.moves.get(table, row).is_none();
        if !given.iter().any(stays) {
            self.sweep_deeper(place, table, work);
        }
    }

    /// The rows below children that all go, but for those that move.
    fn sweep_deeper(&mut self, place: &Place, table: &'static TableDescriptor, work: &Work<'_>) {
        for relation in &table.relations {
            let (child, place) = (relation.child(), place.down(relation));
            self.sweep_deeper(&place, child, work);
            self.sweep_left_out(&place, work.moves.keys(child.row_type).cloned().collect());
        }
    }

    /// The children at a place that are not given. They are soft-deleted where their table knows that, but below a row that
    /// is deleted for good, or was before it was added again, nothing can stay, be it soft-deleted already.
    fn sweep_left_out(&mut self, place: &Place, keep: Vec<Vec<Value>>) {
        let is_deletable = |relation: &&Relation| relation.child().deleted_at().is_some();
        let all = Sweep { path: place.path.clone(), keep, live: !self.renewed, ..self.all_of(&place.root) };
        if self.renewed {
            return self.sweep(all);
        }
        let Some((last, above)) = place.path.split_last() else { return };
        let step = above.iter().rposition(|relation| !is_deletable(relation));
        let from = step.map_or(0, |step| step + 1);
        let root = step.map_or(Some(&place.root), |step| place.given[step].as_ref());
        if !is_deletable(last) {
            self.sweep(all.clone());
        } else if let Some(root) = root {
            let path = place.path[from..].to_vec();
            let (above, roots) = (Lineage::of(&path, None), vec![root.clone()]);
            self.sweep(Sweep { fate: Fate::Replaced, above, path, roots, ..all.clone() });
        }
        if let Some(step) = step.filter(|_| place.path[from..].iter().any(is_deletable)) {
            let spared = root.into_iter().map(|key| vec![key.clone()]).collect();
            self.sweep(Sweep { spared: Some((step, spared)), ..all });
        }
    }

    /// The children of a row that goes, unless the database deletes them with it. Where it is not certain that the row goes,
    /// `confined` says what it must be like.
    fn delete_below(
        &mut self,
        path: &[&'static Relation],
        table: &'static TableDescriptor,
        root: Option<&Value>,
        confined: Option<&Confined>,
        work: &Work<'_>,
    ) {
        let Some(root) = root else { return };
        for relation in &table.relations {
            let path = down(path, relation);
            self.delete_below(&path, relation.child(), Some(root), confined, work);
            if !relation.cascades() {
                let keep = work.moves.keys(relation.child().row_type).cloned().collect();
                self.sweep(Sweep { path, keep, confined: confined.cloned(), ..self.all_of(root) });
            }
        }
    }

    fn all_of(&self, root: &Value) -> Sweep {
        Sweep {
            fate: Fate::Deleted,
            above: None,
            confined: None,
            path: Vec::new(),
            roots: vec![root.clone()],
            keep: Vec::new(),
            spared: None,
            moving: Vec::new(),
            tenant: self.tenant.clone(),
            live: false,
        }
    }

    fn sweep(&mut self, sweep: Sweep) {
        merge_sweep(&mut self.sweeps, sweep);
    }
}

type Origin = &'static Location<'static>;

/// What the writes of children depend on, besides the children.
struct Work<'a> {
    moves: &'a Moves,
    scope: &'a Scope,
    origin: Origin,
}

/// A place among the children of a row that are replaced.
#[derive(Clone)]
struct Place {
    /// The key of the row.
    root: Value,
    path: Vec<&'static Relation>,
    /// For each step of the path the key of the row there that is given, if one is.
    given: Vec<Option<Value>>,
}

impl Place {
    fn root(table: &TableDescriptor, record: &Record) -> Self {
        Place { root: first_key(table, record), path: Vec::new(), given: Vec::new() }
    }

    /// One step further down.
    fn down(&self, relation: &'static Relation) -> Self {
        let given = self.given.iter().cloned().chain([None]).collect();
        Place { root: self.root.clone(), path: down(&self.path, relation), given }
    }

    /// At a row that is given.
    fn at(mut self, table: &TableDescriptor, row: &Record) -> Self {
        if let Some(last) = self.given.last_mut() {
            *last = Some(first_key(table, row));
        }
        self
    }
}

/// What children refer to.
fn first_key(table: &TableDescriptor, row: &Record) -> Value {
    table.key.first().map_or(Value::Null, |&at| row[at].clone())
}

/// One step further down.
fn down(path: &[&'static Relation], relation: &'static Relation) -> Vec<&'static Relation> {
    path.iter().copied().chain([relation]).collect()
}

/// The row as one that is not soft-deleted.
fn alive(table: &TableDescriptor, row: &Record) -> Record {
    let mut row = row.clone();
    for (at, column) in table.columns.iter().enumerate() {
        if matches!(column.role, Role::DeletedAt | Role::DeletedBy) {
            row[at] = Value::Null;
        }
    }
    row
}

/// Whether the domain type tells all that there is in a row: one that was there keeps what it does not tell.
fn is_told(table: &TableDescriptor, columns: Mapping) -> bool {
    let tells = |(at, column): (usize, &ColumnDescriptor)| column.role != Role::Plain || columns.holds(at);
    table.version.is_none() && table.columns.iter().enumerate().all(tells)
}
