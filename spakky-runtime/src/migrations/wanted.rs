//! Descriptors as shapes: what `create_tables` would make.

use super::shape::{CheckShape, ColumnShape, Expression, ForeignKeyShape, IndexShape, KeyShape, TableName, TableShape};
use crate::backend::Backend;
use crate::schema::ddl::{self, quoted};
use crate::schema::default::default_of;
use crate::schema::{ColumnDescriptor, ForeignKeyAction, TableDescriptor, TableOrder};

/// A table's name on a backend.
pub(crate) fn name_of(table: &TableDescriptor, backend: Backend) -> TableName {
    let schema = table.schema.filter(|_| backend == Backend::Postgres).map(str::to_owned);
    TableName { schema, name: table.name.to_owned() }
}

/// The shape of a table.
pub(crate) fn shape_of(table: &TableDescriptor, order: &TableOrder, backend: Backend) -> TableShape {
    let keys: Vec<_> = table.key_columns().map(|column| column.name.clone()).collect();
    let column = |column: &ColumnDescriptor| ColumnShape {
        name: column.name.clone(),
        ty: Expression::new(ddl::type_name(column, backend)),
        nullable: column.ty.nullable && !keys.contains(&column.name),
        default: default_of(column, backend).filter(|_| !column.generated).map(Expression::new),
        generated: column.generated,
        collation: None,
        computed: None,
    };
    let mut checks: Vec<_> = table
        .checks
        .iter()
        .map(|check| CheckShape { name: check.name.clone(), condition: Expression::new(check.sql) })
        .collect();
    if backend == Backend::Sqlite {
        checks.extend(table.columns.iter().filter_map(|column| {
            Some(CheckShape {
                name: ddl::length_check_name(table, column),
                condition: Expression::new(format!("length({}) <= {}", quoted(&column.name), column.length?)),
            })
        }));
    }
    TableShape {
        name: name_of(table, backend),
        columns: table.columns.iter().map(column).collect(),
        key: Some(KeyShape { name: table.key_name.to_owned(), columns: keys.clone() }),
        uniques: table
            .uniques
            .iter()
            .filter(|unique| !unique.live)
            .map(|unique| KeyShape { name: unique.name.clone(), columns: unique.columns.clone() })
            .collect(),
        checks,
        foreign_keys: table
            .foreign_keys
            .iter()
            .map(|key| {
                let target = (key.target)();
                let on_delete = match ddl::action(table, key, order, backend) {
                    ForeignKeyAction::NoAction => "",
                    ForeignKeyAction::Restrict => "RESTRICT",
                    ForeignKeyAction::Cascade => "CASCADE",
                    ForeignKeyAction::SetNull => "SET NULL",
                };
                ForeignKeyShape {
                    name: key.name.clone(),
                    columns: vec![key.column.clone()],
                    target: name_of(target, backend),
                    target_columns: target.key_columns().map(|column| column.name.clone()).collect(),
                    on_delete: on_delete.to_owned(),
                    on_update: String::new(),
                    deferred: order.is_cyclic(table, key),
                }
            })
            .collect(),
        indexes: table
            .indexes
            .iter()
            .map(|index| IndexShape {
                name: index.name.clone(),
                columns: index.columns.iter().map(|column| (column.name.clone(), column.descending)).collect(),
                filter: index.filter.map(Expression::new),
                unique: false,
                foreign: None,
            })
            .chain(table.uniques.iter().filter(|unique| unique.live).map(|unique| IndexShape {
                name: unique.name.clone(),
                columns: unique.columns.iter().map(|column| (column.clone(), false)).collect(),
                filter: ddl::live_condition(table).map(Expression::new),
                unique: true,
                foreign: None,
            }))
            .collect(),
        strict: backend == Backend::Sqlite,
        without_rowid: false,
        triggers: Vec::new(),
    }
}

/// Takes over from the table as it is (its columns already under their new names) what a descriptor cannot say, so
/// that it is left alone: other kinds of indexes, triggers, collations, computed columns, `ON UPDATE`.
pub(crate) fn adopt(wanted: &mut TableShape, live: &TableShape) {
    let dropped: Vec<_> = live
        .columns
        .iter()
        .filter(|column| column.computed.is_none() && wanted.column(&column.name).is_none())
        .map(|column| column.name.clone())
        .collect();
    for column in &live.columns {
        match wanted.columns.iter_mut().find(|wanted| wanted.name == column.name) {
            Some(wanted) => {
                wanted.collation.clone_from(&column.collation);
                if column.computed.is_some() {
                    *wanted = ColumnShape { ty: wanted.ty.clone(), ..column.clone() };
                }
            }
            None if column.computed.is_some() => wanted.columns.push(column.clone()),
            None => {}
        }
    }
    for key in &mut wanted.foreign_keys {
        let same = |other: &&ForeignKeyShape| other.columns == key.columns && other.target == key.target;
        if let Some(other) = live.foreign_keys.iter().find(same) {
            key.on_update.clone_from(&other.on_update);
        }
    }
    for index in &live.indexes {
        let taken = wanted.indexes.iter().any(|other| other.name == index.name);
        let texts = match (&index.foreign, &index.filter) {
            (Some(text), _) => vec![text.as_str()],
            (None, Some(filter)) if index.unique => {
                index.columns.iter().map(|(column, _)| column.as_str()).chain([filter.sql.as_str()]).collect()
            }
            (None, _) => continue,
        };
        // An index over a column that goes cannot stay.
        let stays = !dropped.iter().any(|column| texts.iter().any(|text| super::token::names(text, column)));
        if !taken && stays {
            wanted.indexes.push(index.clone());
        }
    }
    wanted.triggers.clone_from(&live.triggers);
    wanted.without_rowid = live.without_rowid && !wanted.columns.iter().any(|column| column.generated);
}
