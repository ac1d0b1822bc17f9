//! Whether two children are of the same aggregate, though their parents are not the same.

use super::SqlWriter;
use crate::schema::{Relation, TableDescriptor};

/// The way from an aggregate's row down to children of it: through which tables, by which columns.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kinship(Vec<&'static Relation>);

impl Kinship {
    pub(crate) fn new(path: impl IntoIterator<Item = &'static Relation>) -> Self {
        Kinship(path.into_iter().collect())
    }

    /// Whether the children refer to the aggregate's row itself, so that their parent tells whose they are.
    pub(crate) fn is_direct(&self) -> bool {
        self.0.len() < 2
    }

    /// The tables of the rows between the aggregate's and the children.
    pub(crate) fn parents(&self) -> impl Iterator<Item = &'static TableDescriptor> {
        self.0.iter().rev().skip(1).map(|relation| relation.child())
    }

    /// The steps up from the children to the aggregate's row: the table of each row above, its key, and the column by which
    /// that row refers to the next.
    pub(super) fn steps(&self) -> impl Iterator<Item = (&'static TableDescriptor, &'static str, &'static str)> {
        self.0.windows(2).rev().filter_map(|pair| {
            let above = pair[0].child();
            Some((above, above.key_columns().next()?.name.as_str(), pair[0].column.as_str()))
        })
    }

    /// The key of the aggregate's row, by the key of the parent, which `push_parent` writes.
    pub(super) fn push_root(&self, sql: &mut SqlWriter, push_parent: impl FnOnce(&mut SqlWriter)) {
        let steps: Vec<_> = self.steps().collect();
        for (number, (_, _, column)) in steps.iter().enumerate().rev() {
            sql.push_numbered("(SELECT spakky_k", number).push_sql(".").push_identifier(column);
            sql.push_sql(" FROM ")
                .push_table(steps[number].0)
                .push_numbered(" AS spakky_k", number)
                .push_sql(" WHERE ");
            sql.push_numbered("spakky_k", number).push_sql(".").push_identifier(steps[number].1).push_sql(" = ");
        }
        push_parent(sql);
        for _ in &steps {
            sql.push_sql(")");
        }
    }
}

impl PartialEq for Kinship {
    fn eq(&self, other: &Self) -> bool {
        self.0.len() == other.0.len() && self.0.iter().zip(&other.0).all(|(a, b)| std::ptr::eq(*a, *b))
    }
}

impl Eq for Kinship {}
