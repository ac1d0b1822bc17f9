//! Rows of a table that refers to itself: each behind the rows that it refers to.
//!
//! One statement checks such references when it ends. A batch that is cut into several has to come in their order: as values
//! that a backend limits force it to be, and rows that cannot share a statement.
//!
//! Of a row that goes it is not known here what it refers to. So rows that are deleted in several statements, some by their
//! id alone and some with their version, go in the order in which the first of each kind was queued.

use std::collections::BTreeMap;

use super::{Group, Write, record_of};
use crate::hash::{FastMap, FastSet};
use crate::schema::{Record, TableDescriptor};
use crate::unit_of_work::order::{Kind, Node, is_same};
use crate::value::Value;

/// Puts each of the new rows behind those of them that it refers to, and else keeps their order. Rows that refer to each
/// other in a circle have none.
pub(super) fn parents_first(table: &TableDescriptor, writes: Vec<Write>) -> Vec<Write> {
    let references = references(table);
    if references.is_empty() {
        return writes;
    }
    let order = order(&parents(&references, &writes));
    let mut writes: Vec<Option<Write>> = writes.into_iter().map(Some).collect();
    order.into_iter().filter_map(|at| writes[at].take()).collect()
}

/// What the statements of a node write, each with the position of the group that it is of: one for each group, unless new
/// rows of several refer to each other.
pub(super) fn lots(node: Node, groups: &mut [Group]) -> Vec<(usize, Vec<Write>)> {
    let of_node = groups.iter_mut().enumerate().filter(|(_, group)| is_same(group.node, node));
    let whole: Vec<(usize, Vec<Write>)> = of_node.map(|(at, group)| (at, std::mem::take(&mut group.writes))).collect();
    let references = references(node.0);
    if references.is_empty() || node.1 != Kind::Insert || whole.len() < 2 {
        return whole;
    }
    let (groups, writes): (Vec<usize>, Vec<Write>) =
        whole.into_iter().flat_map(|(group, writes)| writes.into_iter().map(move |write| (group, write))).unzip();
    let mut lots: BTreeMap<(usize, usize), Vec<Write>> = BTreeMap::new();
    let rounds = rounds(&parents(&references, &writes), &groups);
    for ((write, round), group) in writes.into_iter().zip(rounds).zip(groups) {
        lots.entry((round, group)).or_default().push(write);
    }
    lots.into_iter().map(|((_, group), writes)| (group, writes)).collect()
}

/// The round in which each row is written: that of its parents, or a later one if a parent is of another group.
fn rounds(parents: &[Vec<usize>], groups: &[usize]) -> Vec<usize> {
    let mut rounds = vec![0; parents.len()];
    for at in order(parents) {
        let behind = |&parent: &usize| rounds[parent] + usize::from(groups[parent] != groups[at]);
        rounds[at] = parents[at].iter().map(behind).max().unwrap_or_default();
    }
    rounds
}

/// The nodes of tables that refer to themselves of which one has to be ahead of the other: a row is changed to refer to a new
/// one, or no longer refers to one that goes.
pub(super) fn orders_within(nodes: &[Node], groups: &[Group]) -> Vec<(Node, Node)> {
    let mut orders = Vec::new();
    for &(table, kind) in nodes.iter().filter(|(_, kind)| *kind == Kind::Update) {
        let references = references(table);
        if references.is_empty() {
            continue;
        }
        let writes = |kind: Kind| {
            let of_kind = groups.iter().filter(move |group| is_same(group.node, (table, kind)));
            of_kind.flat_map(|group| &group.writes)
        };
        let is_met = |kind: Kind, row: fn(&Write) -> Option<&Record>| {
            let keys: FastSet<&Value> = writes(kind).filter_map(first_key).collect();
            let refers = |write| row(write).is_some_and(|row| references.iter().any(|&at| keys.contains(&row[at])));
            !keys.is_empty() && writes(Kind::Update).any(refers)
        };
        if is_met(Kind::Insert, |write| record_of(&write.change).map(|row| &**row)) {
            orders.push(((table, Kind::Insert), (table, kind)));
        }
        if is_met(Kind::Delete, |write| write.base.as_deref()) {
            orders.push(((table, kind), (table, Kind::Delete)));
        }
    }
    orders
}

fn first_key(write: &Write) -> Option<&Value> {
    write.key.as_ref().and_then(|key| key.first())
}

/// The positions of the columns that refer to rows of the same table.
fn references(table: &TableDescriptor) -> Vec<usize> {
    let own = table.foreign_keys.iter().filter(|key| (key.target)().row_type == table.row_type);
    own.filter_map(|key| table.columns.iter().position(|column| column.name == key.column)).collect()
}

/// For each row the positions of those that it refers to.
fn parents(references: &[usize], writes: &[Write]) -> Vec<Vec<usize>> {
    let positions: FastMap<&Value, usize> =
        writes.iter().enumerate().filter_map(|(at, write)| Some((first_key(write)?, at))).collect();
    let of_row = |write: &Write| {
        let Some(record) = record_of(&write.change) else { return Vec::new() };
        references.iter().filter_map(|&column| positions.get(&record[column]).copied()).collect()
    };
    writes.iter().map(of_row).collect()
}

/// An order in which each comes behind its parents, where there is one.
fn order(parents: &[Vec<usize>]) -> Vec<usize> {
    let mut order = Vec::with_capacity(parents.len());
    let mut seen = vec![false; parents.len()];
    for start in 0..parents.len() {
        if std::mem::replace(&mut seen[start], true) {
            continue;
        }
        // Not by recursion: a chain may be as long as the batch.
        let mut path = vec![(start, 0)];
        while let Some((at, next)) = path.last_mut() {
            match parents[*at].get(*next) {
                Some(&parent) => {
                    *next += 1;
                    if !std::mem::replace(&mut seen[parent], true) {
                        path.push((parent, 0));
                    }
                }
                None => {
                    order.push(*at);
                    path.pop();
                }
            }
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::{order, rounds};

    #[test]
    fn a_row_waits_for_a_parent_of_another_group() {
        assert_eq!(rounds(&[vec![1], vec![], vec![0], vec![2]], &[0, 0, 1, 1]), [0, 0, 1, 1]);
        assert_eq!(rounds(&[vec![1], vec![2], vec![], vec![2]], &[0, 1, 0, 0]), [2, 1, 0, 0]);
        // Those of a circle cannot all.
        assert_eq!(rounds(&[vec![1], vec![0]], &[0, 1]), [2, 1]);
    }

    #[test]
    fn each_comes_behind_its_parents_and_else_in_the_order_given() {
        assert_eq!(order(&[vec![], vec![], vec![]]), [0, 1, 2]);
        assert_eq!(order(&[vec![2], vec![], vec![1]]), [1, 2, 0]);
        assert_eq!(order(&[vec![1, 2], vec![2], vec![], vec![0]]), [2, 1, 0, 3]);
        // Itself, and a circle.
        assert_eq!(order(&[vec![0], vec![2], vec![1]]), [0, 2, 1]);
        let chain: Vec<Vec<usize>> =
            (1..=100_000).map(|next| if next < 100_000 { vec![next] } else { vec![] }).collect();
        assert!(order(&chain).into_iter().eq((0..100_000).rev()));
    }
}
