//! Tables in the order that foreign keys force: the referenced before the referring.
//!
//! Tables that refer to each other in a ring have no such order. Their keys to each other are *cyclic*: the DDL makes
//! them checked at commit, so that rows may be written in any order.

use std::any::TypeId;
use std::collections::HashMap;

use super::{ForeignKey, TableDescriptor};

/// Tables in order, and which of them form a ring.
#[derive(Debug, Clone)]
pub(crate) struct TableOrder {
    tables: Vec<&'static TableDescriptor>,
    /// For each row type, its ring's number; a table alone is a ring of one.
    rings: HashMap<TypeId, usize>,
}

impl TableOrder {
    /// Sorts the tables. Foreign keys to tables outside `tables` have no say.
    pub(crate) fn new(tables: &[&'static TableDescriptor]) -> Self {
        let positions: HashMap<TypeId, usize> =
            tables.iter().enumerate().map(|(position, table)| (table.row_type, position)).collect();
        let targets: Vec<Vec<usize>> = tables
            .iter()
            .map(|table| {
                table.foreign_keys.iter().filter_map(|key| positions.get(&(key.target)().row_type)).copied().collect()
            })
            .collect();
        let rings = sort(&targets);
        let numbers =
            rings.iter().enumerate().flat_map(|(number, ring)| ring.iter().map(move |&table| (table, number)));
        TableOrder {
            rings: numbers.map(|(table, number)| (tables[table].row_type, number)).collect(),
            tables: rings.iter().flatten().map(|&table| tables[table]).collect(),
        }
    }

    /// The tables, each after those it refers to, unless they are in one ring.
    pub(crate) fn tables(&self) -> &[&'static TableDescriptor] {
        &self.tables
    }

    /// Whether a foreign key of `table` leads to another table of its own ring.
    pub(crate) fn is_cyclic(&self, table: &TableDescriptor, key: &ForeignKey) -> bool {
        let target = (key.target)().row_type;
        let ring = |row_type| self.rings.get(row_type);
        target != table.row_type && ring(&target).is_some() && ring(&target) == ring(&table.row_type)
    }
}

/// Sorts a graph given as the targets of each node: rings of nodes, each ring after those it leads to. Nodes that
/// nothing forces apart keep their order. (Tarjan's algorithm, with a stack of its own.)
fn sort(targets: &[Vec<usize>]) -> Vec<Vec<usize>> {
    struct Visit {
        node: usize,
        next: usize,
    }
    const UNSEEN: usize = usize::MAX;
    let mut seen = vec![UNSEEN; targets.len()];
    let mut lowest = vec![UNSEEN; targets.len()];
    let mut open = vec![false; targets.len()];
    let mut stack = Vec::new();
    let mut rings = Vec::new();
    let mut count = 0;

    for start in 0..targets.len() {
        if seen[start] != UNSEEN {
            continue;
        }
        let mut visits = vec![Visit { node: start, next: 0 }];
        while let Some(Visit { node, next }) = visits.last_mut() {
            let node = *node;
            if *next == 0 {
                (seen[node], lowest[node], open[node]) = (count, count, true);
                count += 1;
                stack.push(node);
            }
            if let Some(&target) = targets[node].get(*next) {
                *next += 1;
                if seen[target] == UNSEEN {
                    visits.push(Visit { node: target, next: 0 });
                } else if open[target] {
                    lowest[node] = lowest[node].min(seen[target]);
                }
                continue;
            }
            visits.pop();
            if let Some(Visit { node: parent, .. }) = visits.last() {
                lowest[*parent] = lowest[*parent].min(lowest[node]);
            }
            if lowest[node] == seen[node] {
                let first = stack.iter().rposition(|&other| other == node).unwrap_or_default();
                let mut ring = stack.split_off(first);
                for &member in &ring {
                    open[member] = false;
                }
                ring.sort_unstable();
                rings.push(ring);
            }
        }
    }
    rings
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_nothing_forces_apart_keeps_its_order() {
        assert_eq!(sort(&[vec![], vec![], vec![]]), [[0], [1], [2]]);
        assert_eq!(sort(&[vec![2], vec![], vec![]]), [[2], [0], [1]]);
    }

    #[test]
    fn a_ring_stays_together_behind_what_it_leads_to() {
        assert_eq!(sort(&[vec![1], vec![2], vec![0, 3], vec![3]]), [vec![3], vec![0, 1, 2]]);
    }

    fn reaches(targets: &[Vec<usize>], from: usize, to: usize) -> bool {
        let mut seen = vec![false; targets.len()];
        let mut next = targets[from].clone();
        while let Some(node) = next.pop() {
            if node == to {
                return true;
            }
            if !std::mem::replace(&mut seen[node], true) {
                next.extend(&targets[node]);
            }
        }
        false
    }

    proptest! {
        #[test]
        fn every_table_comes_once_after_what_it_refers_to(edges in prop::collection::vec((0..12_usize, 0..12_usize), 0..30)) {
            let mut targets = vec![Vec::new(); 12];
            for (from, to) in edges {
                targets[from].push(to);
            }
            let rings = sort(&targets);

            let mut ring_of = [usize::MAX; 12];
            for (number, ring) in rings.iter().enumerate() {
                for &node in ring {
                    prop_assert_eq!(ring_of[node], usize::MAX);
                    ring_of[node] = number;
                }
            }
            for from in 0..12 {
                for &to in &targets[from] {
                    prop_assert!(ring_of[to] <= ring_of[from]);
                }
                for to in (0..12).filter(|&to| to != from) {
                    let same = ring_of[from] == ring_of[to];
                    prop_assert_eq!(same, reaches(&targets, from, to) && reaches(&targets, to, from));
                }
            }
        }
    }
}
