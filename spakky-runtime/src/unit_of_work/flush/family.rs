//! Rows of a table that refers to itself: each behind the rows that it refers to.
//!
//! One statement checks such references when it ends. A batch that is cut into several, as values that a backend limits force
//! it to be, has to come in their order.

use std::collections::HashMap;

use super::{Write, record_of};
use crate::schema::TableDescriptor;
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

/// The positions of the columns that refer to rows of the same table.
fn references(table: &TableDescriptor) -> Vec<usize> {
    let own = table.foreign_keys.iter().filter(|key| (key.target)().row_type == table.row_type);
    own.filter_map(|key| table.columns.iter().position(|column| column.name == key.column)).collect()
}

/// For each row the positions of those that it refers to.
fn parents(references: &[usize], writes: &[Write]) -> Vec<Vec<usize>> {
    let key = |write: &Write| write.key.as_ref().and_then(|key| key.first()).cloned();
    let positions: HashMap<Value, usize> =
        writes.iter().enumerate().filter_map(|(at, write)| Some((key(write)?, at))).collect();
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
    use super::order;

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
