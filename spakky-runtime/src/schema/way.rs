//! Ways from one table to the rows of another.

use super::TableDescriptor;

/// A way from a row to rows of another table: those whose `target_column` equals the row's `column`.
///
/// Towards the row that a foreign key refers to there is one for each foreign key, named as its field without `_id`;
/// towards children one for each relation, named as its field.
#[derive(Debug, Clone)]
pub(crate) struct Way {
    pub(crate) column: String,
    pub(crate) target: fn() -> &'static TableDescriptor,
    pub(crate) target_column: String,
}

impl TableDescriptor {
    /// The way of this name.
    pub(crate) fn way(&self, name: &str) -> Option<Way> {
        if let Some(relation) = self.relations.iter().find(|relation| relation.field == name) {
            let column = self.key_columns().next()?.name.clone();
            return Some(Way { column, target: relation.child, target_column: relation.column.clone() });
        }
        let key = self.foreign_keys.iter().find(|key| {
            let field = self.columns.iter().find(|column| column.name == key.column).map(|column| &column.field);
            field.and_then(|field| field.strip_suffix("_id")) == Some(name)
        })?;
        let target_column = (key.target)().key_columns().next()?.name.clone();
        Some(Way { column: key.column.clone(), target: key.target, target_column })
    }
}
