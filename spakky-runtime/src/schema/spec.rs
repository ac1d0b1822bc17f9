//! What `#[derive(Table)]` writes down as constants, and how a descriptor is made from it.
//!
//! Derived code holds data and no logic: a [`ColumnSpec`] per field and one [`TableSpec`] per table.

use std::any::TypeId;
use std::sync::OnceLock;

use super::relation::RelationSpec;
use super::role::check;
use super::{
    Check, ColumnDefault, ColumnDescriptor, ForeignKey, ForeignKeyAction, Index, IndexColumn, RequestField, Role,
    Table, TableDescriptor, UniqueKey,
};
use crate::error::Error;
use crate::value::{ColumnType, Value, ValueError};

/// One field of a derived struct: a column, or a flattened struct of columns.
#[derive(Debug, Clone, Copy)]
pub struct ColumnSpec {
    field: &'static str,
    kind: SpecKind,
}

#[derive(Debug, Clone, Copy)]
enum SpecKind {
    Column {
        name: &'static str,
        ty: ColumnType,
        role: Role,
        generated: bool,
        default: Option<ColumnDefault>,
        length: Option<u32>,
        renamed_from: Option<&'static str>,
    },
    Group {
        prefix: &'static str,
        describe: fn(&str, &mut Vec<ColumnDescriptor>),
    },
}

impl ColumnSpec {
    /// A plain column named as its field.
    ///
    /// # Panics
    /// For a type that NULL cannot be read as: which `None` is it?
    #[track_caller]
    pub const fn column(name: &'static str, ty: ColumnType) -> Self {
        check::optional(ty);
        ColumnSpec::optional(name, ty)
    }

    /// The column of a field that is an `Option`, whose type is [checked](check::optional) beside it: there the mistake is told
    /// before anything is compiled, and is to be told once.
    pub const fn optional(name: &'static str, ty: ColumnType) -> Self {
        let kind = SpecKind::Column {
            name,
            ty,
            role: Role::Plain,
            generated: false,
            default: None,
            length: None,
            renamed_from: None,
        };
        ColumnSpec { field: name, kind }
    }

    /// The columns of a flattened struct.
    pub const fn group(
        field: &'static str,
        prefix: &'static str,
        describe: fn(&str, &mut Vec<ColumnDescriptor>),
    ) -> Self {
        ColumnSpec { field, kind: SpecKind::Group { prefix, describe } }
    }

    /// The field's name, where it is not the column's.
    pub const fn field(mut self, name: &'static str) -> Self {
        self.field = name;
        self
    }

    /// What the runtime does with the column.
    pub const fn role(mut self, to: Role) -> Self {
        if let SpecKind::Column { role, .. } = &mut self.kind {
            *role = to;
        }
        self
    }

    /// Assigned by the database.
    pub const fn generated(mut self) -> Self {
        if let SpecKind::Column { generated, .. } = &mut self.kind {
            *generated = true;
        }
        self
    }

    /// What it gets that is not given.
    pub const fn default(mut self, value: ColumnDefault) -> Self {
        if let SpecKind::Column { default, .. } = &mut self.kind {
            *default = Some(value);
        }
        self
    }

    /// The greatest length of a text.
    pub const fn length(mut self, characters: u32) -> Self {
        if let SpecKind::Column { length, .. } = &mut self.kind {
            *length = Some(characters);
        }
        self
    }

    /// The name the column had before.
    pub const fn renamed_from(mut self, name: &'static str) -> Self {
        if let SpecKind::Column { renamed_from, .. } = &mut self.kind {
            *renamed_from = Some(name);
        }
        self
    }
}

/// Appends what `specs` describe, each column name prefixed with `prefix`: the body of a derived
/// [`Columns::describe`](super::Columns::describe).
pub fn describe(specs: &[ColumnSpec], prefix: &str, columns: &mut Vec<ColumnDescriptor>) {
    for spec in specs {
        match spec.kind {
            SpecKind::Column { name, ty, role, generated, default, length, renamed_from } => {
                columns.push(ColumnDescriptor {
                    name: format!("{prefix}{name}"),
                    renamed_from: renamed_from.map(|name| format!("{prefix}{name}")),
                    field: spec.field.to_owned(),
                    ty,
                    role,
                    generated,
                    default,
                    length,
                })
            }
            SpecKind::Group { prefix: inner, describe } => {
                let start = columns.len();
                describe(&format!("{prefix}{inner}"), columns);
                for column in &mut columns[start..] {
                    column.field = format!("{}.{}", spec.field, column.field);
                }
            }
        }
    }
}

/// A column as a constraint names it: the prefix of the flattened field it sits in, and its name.
pub type ColumnName = (&'static str, &'static str);

/// An index as derived code writes it down.
#[derive(Debug, Clone, Copy)]
pub struct IndexSpec {
    /// The index's name.
    pub name: &'static str,
    /// Columns, and whether their order is descending.
    pub columns: &'static [(ColumnName, bool)],
    /// The condition of a partial index.
    pub filter: Option<&'static str>,
}

/// A foreign key as derived code writes it down: name, column, referenced table, action.
pub type ForeignKeySpec = (&'static str, &'static str, fn() -> &'static TableDescriptor, ForeignKeyAction);

/// A table as derived code writes it down.
#[derive(Debug, Clone, Copy)]
pub struct TableSpec {
    rust_name: &'static str,
    row_type: TypeId,
    describe: fn(&str, &mut Vec<ColumnDescriptor>),
    name: &'static str,
    key_name: &'static str,
    schema: Option<&'static str>,
    renamed_from: Option<&'static str>,
    uniques: &'static [(&'static str, &'static [ColumnName])],
    live_uniques: &'static [(&'static str, &'static [ColumnName])],
    indexes: &'static [IndexSpec],
    checks: &'static [(&'static str, &'static str)],
    foreign_keys: &'static [ForeignKeySpec],
    relations: &'static [RelationSpec],
    filterable: &'static [RequestField],
    sortable: &'static [RequestField],
}

impl TableSpec {
    /// A table without constraints but its primary key.
    pub const fn new<Row: Table>(rust_name: &'static str, name: &'static str, key_name: &'static str) -> Self {
        TableSpec {
            rust_name,
            row_type: TypeId::of::<Row>(),
            describe: Row::describe,
            name,
            key_name,
            schema: None,
            renamed_from: None,
            uniques: &[],
            live_uniques: &[],
            indexes: &[],
            checks: &[],
            foreign_keys: &[],
            relations: &[],
            filterable: &[],
            sortable: &[],
        }
    }

    /// The schema it lives in.
    pub const fn schema(mut self, name: &'static str) -> Self {
        self.schema = Some(name);
        self
    }

    /// The name the table had before.
    pub const fn renamed_from(mut self, name: &'static str) -> Self {
        self.renamed_from = Some(name);
        self
    }

    /// Unique keys: name and columns.
    pub const fn uniques(mut self, uniques: &'static [(&'static str, &'static [ColumnName])]) -> Self {
        self.uniques = uniques;
        self
    }

    /// Unique keys among rows that are not soft-deleted: name and columns.
    pub const fn live_uniques(mut self, uniques: &'static [(&'static str, &'static [ColumnName])]) -> Self {
        self.live_uniques = uniques;
        self
    }

    /// Indexes.
    pub const fn indexes(mut self, indexes: &'static [IndexSpec]) -> Self {
        self.indexes = indexes;
        self
    }

    /// Check constraints: name and condition.
    pub const fn checks(mut self, checks: &'static [(&'static str, &'static str)]) -> Self {
        self.checks = checks;
        self
    }

    /// Foreign keys.
    pub const fn foreign_keys(mut self, foreign_keys: &'static [ForeignKeySpec]) -> Self {
        self.foreign_keys = foreign_keys;
        self
    }

    /// Relations, in the order of the row type's fields.
    pub const fn relations(mut self, relations: &'static [RelationSpec]) -> Self {
        self.relations = relations;
        self
    }

    /// What requests from outside may filter by.
    pub const fn filterable(mut self, fields: &'static [RequestField]) -> Self {
        self.filterable = fields;
        self
    }

    /// What requests from outside may sort by.
    pub const fn sortable(mut self, fields: &'static [RequestField]) -> Self {
        self.sortable = fields;
        self
    }

    fn descriptor(&self) -> TableDescriptor {
        let mut columns = Vec::new();
        (self.describe)("", &mut columns);
        let positions = |role: Role| {
            columns.iter().enumerate().filter(move |(_, column)| column.role == role).map(|(position, _)| position)
        };
        let key = positions(Role::Id).collect();
        let version = positions(Role::Version).next();
        let unique = |live: bool| {
            move |&(name, columns): &(&str, &[ColumnName])| UniqueKey {
                name: name.to_owned(),
                columns: columns.iter().copied().map(full_name).collect(),
                live,
            }
        };
        let index = |index: &IndexSpec| Index {
            name: index.name.to_owned(),
            columns: index
                .columns
                .iter()
                .map(|&(column, descending)| IndexColumn { name: full_name(column), descending })
                .collect(),
            filter: index.filter,
        };
        let foreign_key = |&(name, column, target, on_delete): &ForeignKeySpec| ForeignKey {
            name: name.to_owned(),
            column: column.to_owned(),
            target,
            on_delete,
        };
        TableDescriptor {
            rust_name: self.rust_name,
            row_type: self.row_type,
            name: self.name,
            schema: self.schema,
            renamed_from: self.renamed_from,
            key_name: self.key_name,
            key,
            version,
            uniques: (self.uniques.iter().map(unique(false)))
                .chain(self.live_uniques.iter().map(unique(true)))
                .collect(),
            indexes: self.indexes.iter().map(index).collect(),
            checks: self.checks.iter().map(|&(name, sql)| Check { name: name.to_owned(), sql }).collect(),
            foreign_keys: self.foreign_keys.iter().map(foreign_key).collect(),
            relations: self.relations.iter().map(RelationSpec::relation).collect(),
            filterable: self.filterable.to_vec(),
            sortable: self.sortable.to_vec(),
            columns,
        }
    }
}

pub(crate) fn full_name((prefix, name): ColumnName) -> String {
    format!("{prefix}{name}")
}

/// Holds one table's descriptor, made at its first use.
#[derive(Debug)]
pub struct TableCell {
    spec: TableSpec,
    descriptor: OnceLock<TableDescriptor>,
}

impl TableCell {
    /// A cell that will hold the descriptor of `spec`.
    pub const fn new(spec: TableSpec) -> Self {
        TableCell { spec, descriptor: OnceLock::new() }
    }

    /// The descriptor.
    pub fn get(&'static self) -> &'static TableDescriptor {
        self.descriptor.get_or_init(|| self.spec.descriptor())
    }
}

/// The values of a key: the body of a derived [`Table::encode_id`].
///
/// # Errors
/// When a value cannot be stored; the error names table and column.
pub fn encode_key(table: &TableDescriptor, values: &mut [Result<Value, ValueError>]) -> Result<Vec<Value>, Error> {
    let mut key = Vec::with_capacity(values.len());
    for (value, &position) in values.iter_mut().zip(&table.key) {
        match std::mem::replace(value, Ok(Value::Null)) {
            Ok(value) => key.push(value),
            Err(error) => return Err(Error::unstorable_value(table, position, error)),
        }
    }
    Ok(key)
}
