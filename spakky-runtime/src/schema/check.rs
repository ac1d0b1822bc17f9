//! What must hold among the tables of one set. Each check answers with the first thing wrong, in the user's words.

use std::collections::HashMap;

use crate::backend::Backend;

use super::{ForeignKey, ForeignKeyAction, Role, TableDescriptor};
use crate::value::{ColumnType, ScalarType};

/// Everything that must hold on any backend.
pub(super) fn check_tables(tables: &[&'static TableDescriptor]) -> Result<(), String> {
    check_names(tables)?;
    for table in tables {
        check_columns(table)?;
        for key in &table.foreign_keys {
            check_foreign_key(table, key, tables)?;
        }
    }
    Ok(())
}

/// What SQLite cannot do.
pub(super) fn check_for_sqlite(tables: &[&'static TableDescriptor]) -> Result<(), String> {
    check_case(tables)?;
    let mut seen = HashMap::new();
    for table in tables {
        if let Some(other) = seen.insert(table.name, *table) {
            return Err(format!(
                "`{}` and `{}` are both named `{}` on SQLite, which has no schemas; rename one of them",
                other.rust_name, table.rust_name, table.name
            ));
        }
        let generated = table.columns.iter().find(|column| column.generated);
        if let Some(column) = generated
            && (table.key.len() != 1 || !table.generates_key())
        {
            return Err(format!(
                "column `{}` of `{}` is generated, which SQLite can do for a key of one column alone; give it a \
                 value in the program",
                column.name, table.name
            ));
        }
    }
    Ok(())
}

/// SQLite takes names that differ in case alone for one, and leaves out the second of them where it is told `IF NOT EXISTS`.
fn check_case(tables: &[&'static TableDescriptor]) -> Result<(), String> {
    let mut named = HashMap::new();
    for table in tables {
        let live = table.uniques.iter().filter(|unique| unique.live).map(|unique| unique.name.as_str());
        let indexes = table.indexes.iter().map(|index| index.name.as_str());
        for name in std::iter::once(table.name).chain(live).chain(indexes) {
            check_spelling(named.insert(name.to_ascii_lowercase(), name), name)?;
        }
        let mut columns = HashMap::new();
        for column in &table.columns {
            check_spelling(columns.insert(column.name.to_ascii_lowercase(), column.name.as_str()), &column.name)?;
        }
    }
    Ok(())
}

fn check_spelling(other: Option<&str>, name: &str) -> Result<(), String> {
    match other {
        Some(other) if other != name => Err(format!(
            "`{other}` and `{name}` are one name on SQLite, where case makes no difference; rename one of them"
        )),
        _ => Ok(()),
    }
}

/// A type that only the database knows must be known to this one.
pub(super) fn check_native_types(tables: &[&'static TableDescriptor], backend: Backend) -> Result<(), String> {
    for table in tables {
        for column in &table.columns {
            if let ScalarType::Native(ty) = column.ty.scalar {
                ty.name(backend)
                    .map_err(|error| format!("column `{}` of `{}`: {error}", column.name, qualified(table)))?;
            }
        }
    }
    Ok(())
}

/// A table's name as a user writes it.
pub(super) fn qualified(table: &TableDescriptor) -> String {
    match table.schema {
        Some(schema) => format!("{schema}.{}", table.name),
        None => table.name.to_owned(),
    }
}

/// Tables, indexes and keys share one set of names; `IF NOT EXISTS` would silently leave out the second of a name.
fn check_names(tables: &[&'static TableDescriptor]) -> Result<(), String> {
    let mut named: HashMap<(Option<&str>, &str), &TableDescriptor> = HashMap::new();
    for table in tables {
        if let Some(other) = named.insert((table.schema, table.name), table) {
            return Err(format!(
                "`{}` and `{}` are both stored in the table `{}`; rename one of them with `#[table(name = \"…\")]`, or \
                 leave it out of the set",
                other.rust_name,
                table.rust_name,
                qualified(table)
            ));
        }
    }
    for table in tables {
        let keys = table.uniques.iter().map(|unique| unique.name.as_str());
        let indexes = table.indexes.iter().map(|index| index.name.as_str());
        for name in std::iter::once(table.key_name).chain(keys).chain(indexes) {
            if let Some(other) = named.insert((table.schema, name), table) {
                return Err(format!(
                    "the name `{name}` is that of two keys, indexes or tables, in `{}` and `{}`; rename one of them",
                    other.rust_name, table.rust_name
                ));
            }
        }
    }
    Ok(())
}

fn check_columns(table: &TableDescriptor) -> Result<(), String> {
    let name = qualified(table);
    if table.key.is_empty() {
        return Err(format!("table `{name}` (`{}`) has no key; mark a field `#[table(id)]`", table.rust_name));
    }
    let mut fields = HashMap::new();
    for column in &table.columns {
        if let Some(other) = fields.insert(column.name.as_str(), &column.field) {
            return Err(format!(
                "fields `{other}` and `{}` of `{}` are both stored in the column `{}`; rename one of them with \
                 `#[table(column = \"…\")]`",
                column.field, table.rust_name, column.name
            ));
        }
        let integer = matches!(column.ty.scalar, ScalarType::I16 | ScalarType::I32 | ScalarType::I64);
        if column.generated && (!integer || column.ty.array) {
            return Err(format!("column `{}` of `{name}` is generated and must be an integer", column.name));
        }
        if column.role == Role::DeletedAt && !column.ty.nullable {
            return Err(format!(
                "column `{}` of `{name}` says when a row was deleted and must be an `Option`",
                column.name
            ));
        }
        if column.role == Role::Tenant && column.ty.nullable {
            return Err(format!("column `{}` of `{name}` says whose row it is and cannot be an `Option`", column.name));
        }
        if column.length.is_some() && plain(column.ty) != ColumnType::scalar(ScalarType::Text) {
            return Err(format!("column `{}` of `{name}` has a length and must be text", column.name));
        }
    }
    if let (Some(unique), None) = (table.uniques.iter().find(|unique| unique.live), table.deleted_at()) {
        return Err(format!(
            "`{}` of `{name}` is unique among rows that are not deleted, but the table has no column that says so; mark a \
             field `#[table(deleted_at)]`",
            unique.name
        ));
    }
    let unique_columns =
        table.uniques.iter().flat_map(|unique| unique.columns.iter().map(|column| (&unique.name, column)));
    let index_columns =
        table.indexes.iter().flat_map(|index| index.columns.iter().map(|column| (&index.name, &column.name)));
    for (of, column) in unique_columns.chain(index_columns) {
        if table.position(column).is_none() {
            return Err(format!("`{of}` of `{name}` names the column `{column}`, which the table does not have"));
        }
    }
    Ok(())
}

fn check_foreign_key(
    table: &TableDescriptor,
    key: &ForeignKey,
    tables: &[&'static TableDescriptor],
) -> Result<(), String> {
    let target = (key.target)();
    let from = format!("column `{}` of `{}`", key.column, qualified(table));
    if !tables.iter().any(|candidate| candidate.row_type == target.row_type) {
        return Err(format!(
            "{from} (`{}`) refers to `{}`, which is not in the set; add `{}` to it",
            table.rust_name,
            qualified(target),
            target.rust_name
        ));
    }
    let Some(column) = table.columns.iter().find(|column| column.name == key.column) else {
        return Err(format!("foreign key `{}` names {from}, which does not exist", key.name));
    };
    let [position] = target.key[..] else {
        return Err(format!("{from} refers to `{}`, whose key has several columns", qualified(target)));
    };
    let referenced = target.columns[position].ty;
    if plain(column.ty) != plain(referenced) {
        return Err(format!(
            "{from} is of type {} but refers to `{}`, whose key is of type {}",
            column.ty.postgres_name(),
            qualified(target),
            referenced.postgres_name()
        ));
    }
    if key.on_delete == ForeignKeyAction::SetNull && !column.ty.nullable {
        return Err(format!("{from} is set to null on delete and must be an `Option`"));
    }
    Ok(())
}

/// The type without the place for NULL.
fn plain(ty: ColumnType) -> ColumnType {
    ColumnType { nullable: false, ..ty }
}
