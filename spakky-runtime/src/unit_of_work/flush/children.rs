//! The writes of a row's children: by difference where it is known what there was, else by replacing them.

use std::collections::HashMap;
use std::panic::Location;
use std::sync::Arc;

use super::Write;
use super::shape::changed;
use crate::mappable::Mapping;
use crate::query::{Comparison, Condition, Term};
use crate::schema::{Record, Relation, TableDescriptor};
use crate::scope::{Reach, tenant_of};
use crate::unit_of_work::aggregate::{differs, is_unassigned, key_of};
use crate::unit_of_work::order::{Kind, Node};
use crate::unit_of_work::pending::Change;
use crate::unit_of_work::version_of;
use crate::value::Value;

/// What has to be written to the tables of children.
#[derive(Debug, Default)]
pub(super) struct ChildWrites {
    pub(super) writes: Vec<Write>,
    pub(super) sweeps: Vec<Sweep>,
    /// Whose the row is that they belong to.
    tenant: Option<Value>,
}

/// A DELETE of all children of some rows but a few.
#[derive(Debug)]
pub(super) struct Sweep {
    /// How the children are reached from the rows.
    path: Vec<&'static Relation>,
    /// The keys of the rows.
    roots: Vec<Value>,
    /// The keys of the children that stay.
    keep: Vec<Vec<Value>>,
    /// The children are of this tenant, if their table knows any.
    tenant: Option<Value>,
    /// Those that are soft-deleted stay, too.
    live: bool,
}

impl Sweep {
    fn table(&self) -> &'static TableDescriptor {
        // A path has a step.
        self.path[self.path.len() - 1].child()
    }

    pub(super) fn node(&self) -> Node {
        (self.table(), Kind::Delete)
    }

    /// The children to delete.
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
        match self.keep.is_empty() {
            true => condition,
            false => condition.and(Condition::Not(Box::new(Condition::Keys(self.keep.clone())))),
        }
    }

    fn is_like(&self, other: &Sweep) -> bool {
        self.tenant == other.tenant
            && self.live == other.live
            && self.path.len() == other.path.len()
            && self.path.iter().zip(&other.path).all(|(a, b)| std::ptr::eq(*a, *b))
    }
}

impl ChildWrites {
    /// The children of a row that is written.
    pub(super) fn of(write: &Write) -> Self {
        let mut made = ChildWrites { tenant: write.reach.tenant.clone(), ..ChildWrites::default() };
        let (table, origin) = (write.table, write.origin);
        if table.relations.is_empty() {
            return made;
        }
        match &write.change {
            Change::Insert { record, columns } => made.insert_below(table, *columns, record, origin),
            Change::Update { record, columns } => match write.base.as_ref().filter(|base| base.children().is_some()) {
                Some(base) => made.change_below(table, *columns, base, record, origin),
                None => made.replace_below(&[], table, *columns, record, None, origin),
            },
            Change::Upsert { record, columns } => made.replace_below(&[], table, *columns, record, None, origin),
            Change::Delete { .. } => made.delete_below(&[], table, write.key.as_ref().and_then(|key| key.first())),
        }
        made
    }

    fn insert_below(&mut self, table: &'static TableDescriptor, mapping: Mapping, record: &Record, origin: Origin) {
        for (at, (relation, rows)) in table.relations.iter().zip(record.children().unwrap_or_default()).enumerate() {
            // What the domain type says nothing of is new as the row makes it.
            let mapping = mapping.child(at).unwrap_or(Mapping::WHOLE);
            for row in rows {
                self.insert(relation.child(), mapping, row, origin);
            }
        }
    }

    fn insert(&mut self, table: &'static TableDescriptor, columns: Mapping, row: &Record, origin: Origin) {
        let key = Some(key_of(table, row));
        self.writes.push(Write::of_child(table, key, Change::Insert { record: row.clone(), columns }, origin));
        self.insert_below(table, columns, row, origin);
    }

    fn change_below(
        &mut self,
        table: &'static TableDescriptor,
        mapping: Mapping,
        before: &Record,
        after: &Record,
        origin: Origin,
    ) {
        let (Some(before), Some(after)) = (before.children(), after.children()) else { return };
        for (at, relation) in table.relations.iter().enumerate() {
            let Some(mapping) = mapping.child(at) else { continue };
            let child = relation.child();
            let mut left: HashMap<Vec<Value>, &Record> =
                before[at].iter().map(|row| (key_of(child, row), row)).collect();
            for row in &after[at] {
                let known = if is_unassigned(child, row) { None } else { left.remove(&key_of(child, row)) };
                match known {
                    Some(known) => self.change(child, mapping, known, row, origin),
                    None => self.insert(child, mapping, row, origin),
                }
            }
            for row in &before[at] {
                let key = key_of(child, row);
                if left.remove(&key).is_some() {
                    self.delete_below(&[], child, key.first());
                    let expected = version_of(child, row);
                    let delete = Write::of_child(child, Some(key), Change::Delete { must_exist: true }, origin);
                    let reach = Reach { tenant: tenant_of(child, row), ..delete.reach };
                    self.writes.push(Write { expected, reach, ..delete });
                }
            }
        }
    }

    fn change(
        &mut self,
        table: &'static TableDescriptor,
        columns: Mapping,
        before: &Record,
        after: &Record,
        origin: Origin,
    ) {
        let own = changed(table, columns, before, after).next().is_some();
        let bumps = table.version.is_some() && differs(table, columns, before, after, true);
        if own || bumps {
            let change = Change::Update { record: after.without_children(), columns };
            self.writes.push(Write {
                base: Some(Arc::new(before.without_children())),
                expected: version_of(table, before),
                bumps,
                ..Write::of_child(table, Some(key_of(table, after)), change, origin)
            });
        }
        self.change_below(table, columns, before, after, origin);
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
            let path: Vec<&'static Relation> = path.iter().copied().chain([relation]).collect();
            let keep = rows.iter().filter(|row| !is_unassigned(child, row)).map(|row| key_of(child, row)).collect();
            self.sweep(Sweep { path: path.clone(), keep, live: true, ..self.all_of(root) });
            for row in rows {
                if is_unassigned(child, row) {
                    self.insert(child, mapping, row, origin);
                    continue;
                }
                let change = Change::Upsert { record: row.without_children(), columns: mapping };
                let owner = Some(relation.column_position());
                self.writes.push(Write { owner, ..Write::of_child(child, Some(key_of(child, row)), change, origin) });
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
            let path: Vec<&'static Relation> = path.iter().copied().chain([relation]).collect();
            self.sweep_deeper(&path, relation.child(), root);
            self.sweep(Sweep { path, live: true, ..self.all_of(root) });
        }
    }

    /// The children of a row that goes, unless the database deletes them with it.
    fn delete_below(&mut self, path: &[&'static Relation], table: &'static TableDescriptor, root: Option<&Value>) {
        let Some(root) = root else { return };
        for relation in &table.relations {
            let path: Vec<&'static Relation> = path.iter().copied().chain([relation]).collect();
            self.delete_below(&path, relation.child(), Some(root));
            if !relation.cascades() {
                self.sweep(Sweep { path, ..self.all_of(root) });
            }
        }
    }

    fn all_of(&self, root: &Value) -> Sweep {
        let tenant = self.tenant.clone();
        Sweep { path: Vec::new(), roots: vec![root.clone()], keep: Vec::new(), tenant, live: false }
    }

    fn sweep(&mut self, sweep: Sweep) {
        merge_sweep(&mut self.sweeps, sweep);
    }
}

type Origin = &'static Location<'static>;

/// One DELETE for all rows whose children are reached in the same way.
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
