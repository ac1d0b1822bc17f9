//! The order in which the groups of a flush run.
//!
//! Foreign keys force some of it: a parent is inserted before its children are inserted or updated, and deleted after
//! its children were deleted or updated. Within a table deletes come first, then updates, then inserts, so that a row can
//! be replaced under a unique key; that order gives way where a foreign key forces the opposite.

use super::pending::Change;
use crate::schema::TableDescriptor;

/// What a group of writes does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    Delete,
    Update,
    Insert,
}

impl Kind {
    pub(crate) fn of(change: &Change) -> Self {
        match change {
            Change::Delete { .. } => Kind::Delete,
            Change::Update { .. } => Kind::Update,
            Change::Insert { .. } | Change::Upsert { .. } => Kind::Insert,
        }
    }
}

/// One table and what is done to it.
pub(crate) type Node = (&'static TableDescriptor, Kind);

/// Sorts the nodes; `within` are those pairs of one table that its rows force into an order, by foreign keys on the table
/// itself. Foreign keys that form a circle cannot all be respected; the remaining order is then that of the nodes given, and
/// such keys have to be deferrable.
pub(crate) fn sorted(nodes: &[Node], within: &[(Node, Node)]) -> Vec<Node> {
    let mut rest: Vec<Node> = nodes.to_vec();
    let mut done = Vec::with_capacity(rest.len());
    while !rest.is_empty() {
        let is_within =
            |before, after| within.iter().any(|&(one, other)| is_same(one, before) && is_same(other, after));
        let forced = |before, after| forced(before, after) || is_within(before, after);
        let preferred = |before, after| preferred(before, after) && !is_within(after, before);
        let free = |rest: &[Node], blocked: &dyn Fn(Node, Node) -> bool| {
            rest.iter().enumerate().position(|(at, &node)| {
                !rest.iter().enumerate().any(|(other_at, &other)| other_at != at && blocked(other, node))
            })
        };
        let next = free(&rest, &|before, after| forced(before, after) || preferred(before, after))
            .or_else(|| free(&rest, &forced))
            .unwrap_or(0);
        done.push(rest.remove(next));
    }
    done
}

pub(crate) fn is_same(one: Node, other: Node) -> bool {
    one.0.row_type == other.0.row_type && one.1 == other.1
}

/// Whether a foreign key forces `before` to run first.
pub(crate) fn forced(before: Node, after: Node) -> bool {
    let ((before_table, before_kind), (after_table, after_kind)) = (before, after);
    match (before_kind, after_kind) {
        (Kind::Insert, Kind::Insert | Kind::Update) => refers(after_table, before_table),
        (Kind::Delete | Kind::Update, Kind::Delete) => refers(before_table, after_table),
        _ => false,
    }
}

/// Whether `before` had better run first, on the same table.
fn preferred(before: Node, after: Node) -> bool {
    before.0.row_type == after.0.row_type && before.1 < after.1
}

/// Whether `child` has a foreign key on another table, `parent`, or its rows are parts of the parent's.
fn refers(child: &TableDescriptor, parent: &TableDescriptor) -> bool {
    let refers_by_key = || {
        child.foreign_keys.iter().any(|key| {
            let target = (key.target)();
            target.name == parent.name && target.schema == parent.schema
        })
    };
    let is_part = || parent.relations.iter().any(|relation| relation.child().row_type == child.row_type);
    child.row_type != parent.row_type && (refers_by_key() || is_part())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::schema::ForeignKeyAction;

    const TABLES: usize = 5;

    struct Row<const TABLE: usize>;

    /// A table that others refer to, by which only its name counts.
    fn target<const TABLE: usize>() -> &'static TableDescriptor {
        Box::leak(Box::new(table::<TABLE>(&[])))
    }

    const TARGETS: [fn() -> &'static TableDescriptor; TABLES] =
        [target::<0>, target::<1>, target::<2>, target::<3>, target::<4>];

    fn table<const TABLE: usize>(parents: &[usize]) -> TableDescriptor {
        let name = ["t0", "t1", "t2", "t3", "t4"][TABLE];
        parents.iter().fold(TableDescriptor::fixture::<Row<TABLE>>(name), |table, &parent| {
            table.references(&format!("c{parent}"), TARGETS[parent], ForeignKeyAction::Restrict)
        })
    }

    fn tables(edges: &[(usize, usize)]) -> [&'static TableDescriptor; TABLES] {
        let parents =
            |child: usize| -> Vec<usize> { edges.iter().filter(|edge| edge.0 == child).map(|edge| edge.1).collect() };
        [
            table::<0>(&parents(0)),
            table::<1>(&parents(1)),
            table::<2>(&parents(2)),
            table::<3>(&parents(3)),
            table::<4>(&parents(4)),
        ]
        .map(|table| &*Box::leak(Box::new(table)))
    }

    /// Whether the nodes can be put into an order that respects the relation.
    fn is_acyclic(nodes: &[Node], before: impl Fn(Node, Node) -> bool) -> bool {
        let mut rest: Vec<Node> = nodes.to_vec();
        while !rest.is_empty() {
            let count = rest.len();
            let blocked = |node: Node| rest.iter().any(|&other| !is_same(other, node) && before(other, node));
            let left: Vec<Node> = rest.iter().copied().filter(|&node| blocked(node)).collect();
            rest = left;
            if rest.len() == count {
                return false;
            }
        }
        true
    }

    fn holds(order: &[Node], before: impl Fn(Node, Node) -> bool) -> bool {
        order.iter().enumerate().all(|(at, &late)| order[at + 1..].iter().all(|&later| !before(later, late)))
    }

    proptest! {
        #[test]
        fn what_foreign_keys_force_holds_wherever_it_can(
            edges in proptest::collection::vec((0..TABLES, 0..TABLES), 0..8),
            nodes in proptest::sample::subsequence((0..TABLES * 3).collect::<Vec<_>>(), 0..=TABLES * 3).prop_shuffle(),
        ) {
            let tables = tables(&edges);
            let kinds = [Kind::Delete, Kind::Update, Kind::Insert];
            let nodes: Vec<Node> = nodes.into_iter().map(|node| (tables[node / 3], kinds[node % 3])).collect();
            let order = sorted(&nodes, &[]);
            prop_assert_eq!(order.len(), nodes.len());
            prop_assert!(nodes.iter().all(|&node| order.iter().any(|&other| is_same(node, other))));
            if is_acyclic(&nodes, forced) {
                prop_assert!(holds(&order, forced));
            }
            let wanted = |before, after| forced(before, after) || preferred(before, after);
            if is_acyclic(&nodes, wanted) {
                prop_assert!(holds(&order, wanted));
            }
        }
    }
}
