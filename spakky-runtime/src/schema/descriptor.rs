//! The description of one table, which everything that writes SQL reads.

use std::any::TypeId;

use super::{ColumnDefault, Relation, RequestField};
use crate::value::{ColumnType, Value, ValueError};

/// One table: name, columns, keys and constraints.
#[derive(Debug, Clone)]
pub struct TableDescriptor {
    /// The row type's name, for messages.
    pub rust_name: &'static str,
    /// The row type.
    pub row_type: TypeId,
    /// The table's name in the database, without its schema.
    pub name: &'static str,
    /// The schema, when it is not the connection's default (ignored on SQLite, which has none).
    pub schema: Option<&'static str>,
    /// The name it had before: a migration renames a table of that name, if there is none of the present one.
    pub renamed_from: Option<&'static str>,
    /// Every column in the order of [`Columns`](super::Columns).
    pub columns: Vec<ColumnDescriptor>,
    /// The primary key constraint's name.
    pub key_name: &'static str,
    /// Positions in `columns` of the primary key, in key order.
    pub key: Vec<usize>,
    /// Position of the version column.
    pub version: Option<usize>,
    /// Unique keys besides the primary key.
    pub uniques: Vec<UniqueKey>,
    /// Indexes that are no constraint.
    pub indexes: Vec<Index>,
    /// Check constraints.
    pub checks: Vec<Check>,
    /// Foreign keys.
    pub foreign_keys: Vec<ForeignKey>,
    /// Rows of other tables that are part of this table's rows.
    pub relations: Vec<Relation>,
    /// What requests from outside may filter by.
    pub filterable: Vec<RequestField>,
    /// What requests from outside may sort by.
    pub sortable: Vec<RequestField>,
}

/// One column.
#[derive(Debug, Clone)]
pub struct ColumnDescriptor {
    /// The name in the database.
    pub name: String,
    /// The name it had before, as for [`TableDescriptor::renamed_from`].
    pub renamed_from: Option<String>,
    /// The row type's field, for messages (`ship.street` inside a flattened struct).
    pub field: String,
    /// The type.
    pub ty: ColumnType,
    /// What the runtime does with the column.
    pub role: Role,
    /// The database assigns the value (identity column, rowid): left out of an INSERT.
    pub generated: bool,
    /// What it gets that is not given.
    pub default: Option<ColumnDefault>,
    /// The greatest length of a text, in characters: `varchar(n)` on PostgreSQL, a check on SQLite.
    pub length: Option<u32>,
}

/// What the runtime does with a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Role {
    /// Stored as given.
    Plain,
    /// Part of the primary key.
    Id,
    /// Counts the updates of the row; guards every write.
    Version,
    /// Set to the database's clock when the row is inserted.
    CreatedAt,
    /// Set to the database's clock whenever the row is written.
    UpdatedAt,
    /// Set to the context's actor when the row is inserted.
    CreatedBy,
    /// Set to the context's actor whenever the row is written.
    UpdatedBy,
    /// When the row was soft-deleted; NULL while it lives.
    DeletedAt,
    /// Who soft-deleted the row.
    DeletedBy,
    /// Whose row it is: set from the context when the row is inserted, never changed, and part of every condition.
    Tenant,
}

/// A unique key.
#[derive(Debug, Clone)]
pub struct UniqueKey {
    /// The constraint's name.
    pub name: String,
    /// Column names.
    pub columns: Vec<String>,
    /// Among rows that are not soft-deleted alone: a unique index with a condition, which is no constraint to the database.
    pub live: bool,
}

/// An index.
#[derive(Debug, Clone)]
pub struct Index {
    /// The index's name.
    pub name: String,
    /// Columns with their direction.
    pub columns: Vec<IndexColumn>,
    /// The condition of a partial index, as SQL text.
    pub filter: Option<&'static str>,
}

/// A column of an index.
#[derive(Debug, Clone)]
pub struct IndexColumn {
    /// Column name.
    pub name: String,
    /// Descending order.
    pub descending: bool,
}

/// A check constraint.
#[derive(Debug, Clone)]
pub struct Check {
    /// The constraint's name.
    pub name: String,
    /// The condition as SQL text.
    pub sql: &'static str,
}

/// A foreign key of one column on another table's single-column key.
#[derive(Clone)]
pub struct ForeignKey {
    /// The constraint's name.
    pub name: String,
    /// The column of this table.
    pub column: String,
    /// The referenced table. A function, because two tables may refer to each other.
    pub target: fn() -> &'static TableDescriptor,
    /// What deleting the referenced row does.
    pub on_delete: ForeignKeyAction,
}

impl UniqueKey {
    /// The positions of its columns.
    pub(crate) fn positions(&self, table: &TableDescriptor) -> Vec<usize> {
        self.columns.iter().filter_map(|column| table.position(column)).collect()
    }

    /// What a row has in its columns.
    pub(crate) fn values(&self, table: &TableDescriptor, record: &[Value]) -> Vec<Value> {
        self.positions(table).into_iter().map(|at| record[at].clone()).collect()
    }
}

impl std::fmt::Debug for ForeignKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ForeignKey")
            .field("name", &self.name)
            .field("column", &self.column)
            .field("on_delete", &self.on_delete)
            .finish_non_exhaustive()
    }
}

/// What deleting a referenced row does to the rows that refer to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ForeignKeyAction {
    /// Refused while rows refer to it (checked at the end of the statement): `NO ACTION`.
    NoAction,
    /// Refused at once: `RESTRICT`.
    Restrict,
    /// They are deleted too: `CASCADE`.
    Cascade,
    /// Their column becomes NULL: `SET NULL`.
    SetNull,
}

impl TableDescriptor {
    /// The columns of the primary key, in key order.
    pub fn key_columns(&self) -> impl ExactSizeIterator<Item = &ColumnDescriptor> {
        self.key.iter().map(|&position| &self.columns[position])
    }

    /// Position of a column by its name in the database.
    pub fn position(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|candidate| candidate.name == column)
    }

    /// Position of the only column with this role.
    pub fn role(&self, role: Role) -> Option<usize> {
        self.columns.iter().position(|column| column.role == role)
    }

    /// Position of the tenant column, on a table whose rows belong to tenants.
    pub fn tenant(&self) -> Option<usize> {
        self.role(Role::Tenant)
    }

    /// Position of the column that says when a row was soft-deleted.
    pub fn deleted_at(&self) -> Option<usize> {
        self.role(Role::DeletedAt)
    }

    /// Whether rows of its relations, at any depth, can be soft-deleted.
    pub(crate) fn has_deletable_children(&self) -> bool {
        self.relations
            .iter()
            .map(Relation::child)
            .any(|child| child.deleted_at().is_some() || child.has_deletable_children())
    }

    /// Whether the database assigns the primary key.
    pub fn generates_key(&self) -> bool {
        self.key_columns().any(|column| column.generated)
    }
}

impl ColumnDescriptor {
    /// Refuses text that is longer than the column, which the backends would say in different ways.
    ///
    /// # Errors
    /// When there are more characters than fit.
    pub(crate) fn check_length(&self, value: &Value) -> Result<(), ValueError> {
        let (Some(length), Value::Text(text)) = (self.length, value) else { return Ok(()) };
        // No text has more characters than bytes.
        if text.len() <= length as usize {
            return Ok(());
        }
        let count = text.chars().count();
        if count <= length as usize {
            return Ok(());
        }
        Err(ValueError::new(format!("the text has {count} characters, and the column takes {length}")))
    }
}
