//! The writes of a row's children: by difference where it is known what there was, else by replacing them.

use std::any::TypeId;
use std::collections::HashSet;
use std::panic::Location;
use std::sync::Arc;

use super::shape::changed;
use super::{FlushContext, Write, is_drawn};
use crate::backend::Statement;
use crate::error::Error;
use crate::mappable::Mapping;
use crate::mutation::MutationKind;
use crate::query::{Comparison, Condition, Term};
use crate::schema::{ColumnDescriptor, Lineage, Record, Relation, Role, TableDescriptor};
use crate::scope::{Mark, Reach, Scope, is_deleted, tenant_of};
use crate::statement::{Marking, delete_all, mark_where};
use crate::unit_of_work::aggregate::{differs, is_unassigned, key_of};
use crate::unit_of_work::order::{Kind, Node};
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
    /// When the row was soft-deleted that is restored with them.
    restored: Option<Value>,
    /// Whether the session cannot know what becomes of them.
    pub(super) is_unknown: bool,
}

/// What becomes of all children of some rows but a few, in one statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// They are restored with the row above them, ahead of all that is written.
    Restored,
    /// They are soft-deleted, ahead of those that take their place.
    Replaced,
    /// They are deleted, in the order of foreign keys.
    Deleted,
    /// They are soft-deleted with the row above them, behind all that was queued for them.
    Buried,
}

/// One statement for all children of some rows but a few.
#[derive(Debug)]
pub(super) struct Sweep {
    pub(super) fate: Fate,
    /// The row above them whose soft deletion is theirs.
    above: Option<Lineage>,
    /// How the children are reached from the rows.
    path: Vec<&'static Relation>,
    /// The keys of the rows.
    roots: Vec<Value>,
    /// The keys of the children that stay.
    keep: Vec<Vec<Value>>,
    /// The children are of this tenant, if their table knows any.
    tenant: Option<Value>,
    /// Those that are soft-deleted stay, too, and of those to be deleted what is below such.
    live: bool,
}

impl Sweep {
    fn table(&self) -> &'static TableDescriptor {
        // A path has a step.
        self.path[self.path.len() - 1].child()
    }

    pub(super) fn node(&self) -> Node {
        (self.table(), if self.fate == Fate::Deleted { Kind::Delete } else { Kind::Update })
    }

    /// How far below the rows the children are.
    pub(super) fn depth(&self) -> usize {
        self.path.len()
    }

    /// The statement; with `wants_xid` it answers with the transaction's id.
    ///
    /// # Errors
    /// When it cannot be written, or the children want an actor and the context has none.
    pub(super) fn statement(&self, context: &FlushContext<'_>, wants_xid: bool) -> Result<Statement, Error> {
        let FlushContext { backend, scope, .. } = *context;
        let mark = match self.fate {
            Fate::Deleted => return delete_all(backend, self.table(), &self.condition(), wants_xid),
            Fate::Replaced | Fate::Buried => Mark::Deleted,
            Fate::Restored => Mark::Restored,
        };
        let marking = Marking { mark, above: self.above.clone(), wants_xid };
        mark_where(self.table(), marking, &self.condition(), scope, backend)
    }

    /// What it does, for those who listen.
    pub(super) fn does(&self) -> MutationKind {
        match self.fate {
            Fate::Deleted => MutationKind::Delete,
            Fate::Replaced | Fate::Buried => MutationKind::SoftDelete,
            Fate::Restored => MutationKind::Restore,
        }
    }

    /// The children that it is about.
    pub(super) fn condition(&self) -> Condition {
        let mut steps = self.path.iter();
        let first = steps.next().map(|relation| Condition::In {
            column: relation.column.clone(),
            values: self.roots.clone(),
            negated: false,
        });
        let mut table = self.path.first().map(|relation| relation.child());
        let mut condition = first.unwrap_or(Condition::Constant(false));
        for relation in steps {
            if let Some(table) = table.replace(relation.child()) {
                if let (Some(at), Fate::Deleted, true) = (table.deleted_at(), self.fate, self.live) {
                    let column = table.columns[at].name.clone();
                    condition = condition.and(Condition::Null { column, negated: false });
                }
                condition =
                    Condition::InSelect { column: relation.column.clone(), table, condition: Box::new(condition) };
            }
        }
        let child = self.table();
        let named = |at: usize| child.columns[at].name.clone();
        if let (Some(at), Some(tenant)) = (child.tenant(), &self.tenant) {
            condition = condition.and(Condition::Compare {
                column: named(at),
                comparison: Comparison::Eq,
                term: Term::Value(tenant.clone()),
            });
        }
        if let (Some(at), true) = (child.deleted_at(), self.live) {
            condition = condition.and(Condition::Null { column: named(at), negated: false });
        }
        if let (Fate::Restored, Some(above)) = (self.fate, &self.above) {
            condition = condition.and(Condition::DeletedWith(above.clone()));
        }
        match self.keep.is_empty() {
            true => condition,
            false => condition.and(Condition::Not(Box::new(Condition::Keys(self.keep.clone())))),
        }
    }

    fn is_like(&self, other: &Sweep) -> bool {
        self.fate == other.fate
            && self.tenant == other.tenant
            && self.live == other.live
            && self.path.len() == other.path.len()
            && self.path.iter().zip(&other.path).all(|(a, b)| std::ptr::eq(*a, *b))
    }
}

impl ChildWrites {
    /// The children of a row that is written; `arriving` are those that come from other rows.
    ///
    /// # Errors
    /// When children are soft-deleted that want an actor, and the context has none.
    pub(super) fn of(write: &Write, arriving: &Arriving, scope: &Scope) -> Result<Self, Error> {
        let mut made = ChildWrites { tenant: write.reach.tenant.clone(), ..ChildWrites::default() };
        let (table, origin) = (write.table, write.origin);
        if table.relations.is_empty() {
            return Ok(made);
        }
        match &write.change {
            Change::Insert { record, columns } => {
                made.insert_below(table, *columns, record, false, origin);
                made.mark_below(table, write);
            }
            Change::Update { record, columns } => {
                made.mark_below(table, write);
                let work = Work { arriving, scope, origin };
                match write.base.as_ref().filter(|base| base.children().is_some()) {
                    Some(base) => made.change_below(table, *columns, base, record, &work)?,
                    None => made.replace_below(&[], table, *columns, record, None, origin),
                }
            }
            Change::Upsert { record, columns } => made.replace_below(&[], table, *columns, record, None, origin),
            Change::Delete { .. } => made.delete_below(&[], table, write.key.as_ref().and_then(|key| key.first())),
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
        version_of(child, row).map(|version| version + i64::from(self.is_restored(child, row)))
    }

    /// The rows below a row that is new. `there` if the row may be there, soft-deleted.
    fn insert_below(
        &mut self,
        table: &'static TableDescriptor,
        mapping: Mapping,
        record: &Record,
        there: bool,
        origin: Origin,
    ) {
        for (at, (relation, rows)) in table.relations.iter().zip(record.children().unwrap_or_default()).enumerate() {
            // What the domain type says nothing of is new as the row makes it.
            let mapping = mapping.child(at).unwrap_or(Mapping::WHOLE);
            for row in rows {
                self.insert(relation, mapping, row, there, origin);
            }
        }
    }

    /// A new child. If it may have been one before that was soft-deleted, that becomes this one.
    fn insert(&mut self, relation: &'static Relation, columns: Mapping, row: &Record, there: bool, origin: Origin) {
        let table = relation.child();
        let key = key_of(table, row);
        let there = there && !is_drawn(&key);
        // One of a row that is soft-deleted by then goes with all others.
        let row = &alive(table, row);
        let write = if there && table.deleted_at().is_some() {
            let change = Change::Upsert { record: Arc::new(row.without_children()), columns };
            let write = Write::of_child(table, Some(RowKey::new(table, key)), change, origin);
            let reach = Reach { live: false, mark: Some(Mark::Restored), ..write.reach.clone() };
            Write { owner: Some(relation.column_position()), deleted: true, reach, ..write }
        } else {
            Write::of_child(
                table,
                Some(RowKey::new(table, key)),
                Change::Insert { record: Arc::new(row.clone()), columns },
                origin,
            )
        };
        self.is_unknown |= write.deleted && !is_told(table, columns);
        self.writes.push(write);
        self.insert_below(table, columns, row, there, origin);
    }

    fn change_below(
        &mut self,
        table: &'static TableDescriptor,
        mapping: Mapping,
        before: &Record,
        after: &Record,
        work: &Work<'_>,
    ) -> Result<(), Error> {
        let (Some(before), Some(after)) = (before.children(), after.children()) else { return Ok(()) };
        for (at, relation) in table.relations.iter().enumerate() {
            let Some(mapping) = mapping.child(at) else { continue };
            let child = relation.child();
            let siblings = Siblings::new(child, &before[at]);
            let mut left = vec![true; before[at].len()];
            for (likely, row) in after[at].iter().enumerate() {
                match siblings.position(row, likely).filter(|&known| std::mem::take(&mut left[known])) {
                    Some(known) => self.change(child, mapping, &before[at][known], row, work)?,
                    None => self.insert(relation, mapping, row, true, work.origin),
                }
            }
            for (row, _) in before[at].iter().zip(left).filter(|(_, left)| *left) {
                self.leave(child, row, work)?;
            }
        }
        Ok(())
    }

    /// A child that is no longer there: soft-deleted where its table knows that, unless it is another row's now.
    fn leave(&mut self, child: &'static TableDescriptor, row: &Record, work: &Work<'_>) -> Result<(), Error> {
        let key = key_of(child, row);
        let expected = self.expected(child, row);
        let tenant = tenant_of(child, row);
        if child.deleted_at().is_none() || work.arriving.contains(&(child.row_type, key.clone())) {
            self.delete_below(&[], child, key.first());
            let delete =
                Write::of_child(child, Some(RowKey::new(child, key)), Change::Delete { must_exist: true }, work.origin);
            let reach = Reach { tenant, ..delete.reach };
            self.writes.push(Write { expected, reach, ..delete });
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
        let base = Some(Arc::new(row.without_children()));
        let change = Change::Update { record: Arc::new(record), columns: Mapping::WHOLE };
        let write = Write::of_child(child, Some(RowKey::new(child, key)), change, work.origin);
        let reach = Reach { tenant, live: true, mark: Some(Mark::Deleted), by: None };
        self.writes.push(Write { base, expected, reach, ..write });
        Ok(())
    }

    fn change(
        &mut self,
        table: &'static TableDescriptor,
        columns: Mapping,
        before: &Record,
        after: &Record,
        work: &Work<'_>,
    ) -> Result<(), Error> {
        let own = changed(table, columns, before, after).next().is_some();
        let bumps = table.version.is_some() && differs(table, columns, before, after, true);
        if own || bumps {
            let change = Change::Update { record: Arc::new(after.without_children()), columns };
            let write = Write::of_child(table, Some(RowKey::new(table, key_of(table, after))), change, work.origin);
            let live = write.reach.live && (!is_deleted(table, before) || self.is_restored(table, before));
            let reach = Reach { live, ..write.reach.clone() };
            let base = Some(Arc::new(before.without_children()));
            self.writes.push(Write { base, expected: self.expected(table, before), bumps, reach, ..write });
        }
        self.change_below(table, columns, before, after, work)
    }

    /// What there is goes, but for the rows of the same keys, which become those given. `path` leads from `root`, the key of
    /// the row that is written, to `record`.
    fn replace_below(
        &mut self,
        path: &[&'static Relation],
        table: &'static TableDescriptor,
        mapping: Mapping,
        record: &Record,
        root: Option<&Value>,
        origin: Origin,
    ) {
        let Some(&key) = table.key.first() else { return };
        let root = root.unwrap_or(&record[key]);
        for (at, (relation, rows)) in table.relations.iter().zip(record.children().unwrap_or_default()).enumerate() {
            let Some(mapping) = mapping.child(at) else { continue };
            let child = relation.child();
            let path = down(path, relation);
            let keep = rows.iter().filter(|row| !is_unassigned(child, row)).map(|row| key_of(child, row)).collect();
            self.sweep(Sweep { keep, ..self.replaced(&path, root) });
            for row in rows {
                if is_unassigned(child, row) {
                    self.insert(relation, mapping, row, false, origin);
                    continue;
                }
                let change = Change::Upsert { record: Arc::new(row.without_children()), columns: mapping };
                let write = Write::of_child(child, Some(RowKey::new(child, key_of(child, row))), change, origin);
                let mark = child.deleted_at().map(|_| Mark::Restored);
                let reach = Reach { live: false, mark, ..write.reach.clone() };
                self.writes.push(Write { owner: Some(relation.column_position()), reach, ..write });
                self.replace_below(&path, child, mapping, row, Some(root), origin);
            }
            if rows.iter().all(|row| is_unassigned(child, row)) {
                self.sweep_deeper(&path, child, root);
            }
        }
    }

    /// The rows below children that all go.
    fn sweep_deeper(&mut self, path: &[&'static Relation], table: &'static TableDescriptor, root: &Value) {
        for relation in &table.relations {
            let path = down(path, relation);
            self.sweep_deeper(&path, relation.child(), root);
            self.sweep(self.replaced(&path, root));
        }
    }

    /// The children at the end of the path. What is below rows that are deleted for good cannot stay.
    fn replaced(&self, path: &[&'static Relation], root: &Value) -> Sweep {
        let all = Sweep { path: path.to_vec(), live: true, ..self.all_of(root) };
        if path.iter().any(|relation| relation.child().deleted_at().is_none()) {
            return all;
        }
        Sweep { fate: Fate::Replaced, above: Lineage::of(path, None), ..all }
    }

    /// The children of a row that goes, unless the database deletes them with it.
    fn delete_below(&mut self, path: &[&'static Relation], table: &'static TableDescriptor, root: Option<&Value>) {
        let Some(root) = root else { return };
        for relation in &table.relations {
            let path = down(path, relation);
            self.delete_below(&path, relation.child(), Some(root));
            if !relation.cascades() {
                self.sweep(Sweep { path, ..self.all_of(root) });
            }
        }
    }

    fn all_of(&self, root: &Value) -> Sweep {
        Sweep {
            fate: Fate::Deleted,
            above: None,
            path: Vec::new(),
            roots: vec![root.clone()],
            keep: Vec::new(),
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
    arriving: &'a Arriving,
    scope: &'a Scope,
    origin: Origin,
}

/// The children that rows have in addition to those that they had.
pub(super) type Arriving = HashSet<(TypeId, Vec<Value>)>;

/// Adds those of one row. They matter where a child that left another row would be soft-deleted.
pub(super) fn note_arriving(table: &TableDescriptor, before: Option<&Record>, after: &Record, arriving: &mut Arriving) {
    let before = before.and_then(Record::children);
    for (at, (relation, rows)) in table.relations.iter().zip(after.children().unwrap_or_default()).enumerate() {
        let child = relation.child();
        for row in rows {
            let key = key_of(child, row);
            let known = before.and_then(|before| before[at].iter().find(|known| key_of(child, known) == key));
            note_arriving(child, known, row, arriving);
            if known.is_none() {
                arriving.insert((child.row_type, key));
            }
        }
    }
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

/// One statement for all rows whose children are reached in the same way.
pub(super) fn merge_sweep(sweeps: &mut Vec<Sweep>, sweep: Sweep) {
    match sweeps.iter_mut().find(|known| known.is_like(&sweep)) {
        Some(known) => {
            for root in sweep.roots {
                if !known.roots.contains(&root) {
                    known.roots.push(root);
                }
            }
            known.keep.extend(sweep.keep);
        }
        None => sweeps.push(sweep),
    }
}
