//! The order of a flush whose tables refer to each other in a circle.
//!
//! By tables alone there is none, so the rows decide: each comes behind the new rows that it refers to, and ahead of the
//! deletion of those that it referred to. Rows that refer to each other in a circle have none either. Where one of them may
//! refer to nothing for a while, it is inserted so and changed by a second UPDATE; else they are sent as they come, which keys
//! that are checked at COMMIT take, and the error of those that are not names the circle.

use std::any::TypeId;
use std::sync::Arc;

use super::draw::is_drawn;
use super::explain::show_key;
use super::write::{Group, Write, record_of};
use crate::hash::{FastMap, FastSet};
use crate::mappable::Mapping;
use crate::schema::TableDescriptor;
use crate::unit_of_work::identity_map::version_of;
use crate::unit_of_work::order::{Kind, Node, forced, is_same};
use crate::unit_of_work::pending::Change;
use crate::value::Value;

/// Whether tables force nodes into an order that there is not.
pub(super) fn is_circle(nodes: &[Node], orders: &[(Node, Node)]) -> bool {
    let is_forced = |before: Node, after: Node| {
        forced(before, after) || orders.iter().any(|&(one, other)| is_same(one, before) && is_same(other, after))
    };
    let mut rest: Vec<Node> = nodes.to_vec();
    loop {
        let is_blocked = |&node: &Node| rest.iter().any(|&other| !is_same(other, node) && is_forced(other, node));
        let left: Vec<Node> = rest.iter().copied().filter(is_blocked).collect();
        if left.is_empty() || left.len() == rest.len() {
            return !left.is_empty();
        }
        rest = left;
    }
}

/// A row of the flush.
struct Row {
    node: Node,
    /// The place of its group.
    group: usize,
    /// `None` once it was sent.
    write: Option<Write>,
    key: Vec<Value>,
    /// The places of the rows that have to be sent ahead of it.
    behind: FastSet<usize>,
}

/// The rows of a flush that are still to be sent.
pub(super) struct ByRow {
    rows: Vec<Row>,
    /// The updates that put references back, each with the place of the row whose insertion it waits for.
    owed: Vec<(usize, Write)>,
}

/// What is sent next.
pub(super) enum Next {
    /// Rows of one table and kind, by the places of their groups. Those that refer to each other in a circle say so.
    Lots { node: Node, lots: Vec<(usize, Vec<Write>)>, circle: Option<Arc<str>> },
    /// A row that left out what it refers to, with that.
    Owed(Write),
}

impl ByRow {
    /// Takes the rows out of their groups.
    pub(super) fn of(groups: &mut [Group]) -> Self {
        let mut rows: Vec<Row> = Vec::new();
        for (group, from) in groups.iter_mut().enumerate() {
            for write in std::mem::take(&mut from.writes) {
                let key = write.key.as_deref().unwrap_or_default().to_vec();
                rows.push(Row { node: from.node, group, write: Some(write), key, behind: FastSet::default() });
            }
        }
        let (new, gone) = (by_key(&rows, Kind::Insert), by_key(&rows, Kind::Delete));
        let mut ahead: Vec<(usize, usize)> = Vec::new();
        for (at, row) in rows.iter().enumerate() {
            let Some(write) = &row.write else { continue };
            for (column, target) in references(row.node.0) {
                let refers_to = record_of(&write.change).map(|record| &record[column]);
                ahead.extend(refers_to.and_then(|key| new.get(&(target, key))).map(|&first| (first, at)));
                match &write.base {
                    Some(base) => ahead.extend(gone.get(&(target, &base[column])).map(|&last| (at, last))),
                    // Of a row that is deleted by its id alone it is not known what it refers to.
                    None if row.node.1 == Kind::Delete && target != row.node.0.row_type => {
                        ahead.extend(gone.iter().filter(|((of, _), _)| *of == target).map(|(_, &last)| (at, last)));
                    }
                    None => {}
                }
            }
        }
        for (first, last) in ahead.into_iter().filter(|(first, last)| first != last) {
            rows[last].behind.insert(first);
        }
        ByRow { rows, owed: Vec::new() }
    }

    /// What is sent next; `None` when all is.
    pub(super) fn next(&mut self) -> Option<Next> {
        if let Some(at) = self.owed.iter().position(|(ahead, _)| self.rows[*ahead].write.is_none()) {
            return Some(Next::Owed(self.owed.remove(at).1));
        }
        let left: Vec<usize> = (0..self.rows.len()).filter(|&at| self.rows[at].write.is_some()).collect();
        let free: Vec<usize> = left.iter().copied().filter(|&at| self.blockers(at).next().is_none()).collect();
        let (chosen, circle) = if free.is_empty() && !left.is_empty() {
            match self.open(&left) {
                Some(opened) => (vec![opened], None),
                None => (left, self.circle()),
            }
        } else {
            (free, None)
        };
        // Deletions first, so that unique values are free for what follows.
        let node = chosen.iter().map(|&at| self.rows[at].node).min_by_key(|(_, kind)| *kind)?;
        let mut lots: Vec<(usize, Vec<Write>)> = Vec::new();
        for at in chosen {
            let row = &mut self.rows[at];
            let Some(write) = row.write.take_if(|_| is_same(row.node, node)) else { continue };
            match lots.iter_mut().find(|(of, _)| *of == row.group) {
                Some((_, writes)) => writes.push(write),
                None => lots.push((row.group, vec![write])),
            }
        }
        Some(Next::Lots { node, lots, circle })
    }

    /// The rows that are still to be sent ahead of one.
    fn blockers(&self, at: usize) -> impl Iterator<Item = usize> + '_ {
        self.rows[at].behind.iter().copied().filter(|&ahead| self.rows[ahead].write.is_some())
    }

    /// Opens a circle: has a new row leave out a reference that may be NULL, and owes it.
    fn open(&mut self, left: &[usize]) -> Option<usize> {
        for &at in left {
            let blockers: Vec<usize> = self.blockers(at).collect();
            let [ahead] = blockers[..] else { continue };
            let (target, key) = (self.rows[ahead].node.0.row_type, self.rows[ahead].key.clone());
            let table = self.rows[at].node.0;
            let Some(write) = &mut self.rows[at].write else { continue };
            let Change::Insert { record, .. } = &mut write.change else { continue };
            let refers = |&(column, of): &(usize, TypeId)| of == target && key.first() == Some(&record[column]);
            let Some((column, _)) = references(table).find(refers) else { continue };
            // Of ids that the database is yet to give only an INSERT makes use.
            if !table.columns[column].ty.nullable || is_drawn(record) || is_drawn(&key) {
                continue;
            }
            let whole = Arc::clone(record);
            Arc::make_mut(record)[column] = Value::Null;
            let change = Change::Update { record: whole, columns: Mapping::WHOLE };
            let update = Write::of_child(table, write.key.clone(), change, write.origin);
            let (base, expected) = (Some(Arc::clone(record)), version_of(table, record));
            let (reach, is_child) = (write.reach.clone(), write.is_child);
            let update = Write { base, expected, reach, is_child, bumps: false, children_partial: true, ..update };
            self.owed.push((ahead, update));
            return Some(at);
        }
        None
    }

    /// The rows that refer to each other in a circle, for messages.
    fn circle(&self) -> Option<Arc<str>> {
        let mut path: Vec<usize> = vec![(0..self.rows.len()).find(|&at| self.rows[at].write.is_some())?];
        loop {
            let next = self.blockers(*path.last()?).next()?;
            if let Some(first) = path.iter().position(|&at| at == next) {
                let name = |&at: &usize| {
                    let row = &self.rows[at];
                    format!("`{}` {}", row.node.0.name, show_key(&row.key))
                };
                let mut names: Vec<String> = path[first..].iter().map(name).collect();
                names.extend(names.first().cloned());
                return Some(names.join(" -> ").into());
            }
            path.push(next);
        }
    }
}

/// The places of the rows of one kind, by their keys.
fn by_key(rows: &[Row], kind: Kind) -> FastMap<(TypeId, &Value), usize> {
    let mut found = FastMap::default();
    for (at, row) in rows.iter().enumerate().filter(|(_, row)| row.node.1 == kind) {
        if let Some(key) = row.key.first() {
            found.insert((row.node.0.row_type, key), at);
        }
    }
    found
}

/// The columns that refer to rows of other tables, or of the same one, each with the type of those.
fn references(table: &TableDescriptor) -> impl Iterator<Item = (usize, TypeId)> + '_ {
    table.foreign_keys.iter().filter_map(|key| Some((table.position(&key.column)?, (key.target)().row_type)))
}
