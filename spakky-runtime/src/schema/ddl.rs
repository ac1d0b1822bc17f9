//! `CREATE` and `DROP` statements from descriptors.
//!
//! Every constraint has its name, and every identifier is quoted. On SQLite tables are `STRICT`: a value of another
//! storage class is refused there as it is on PostgreSQL. A native type of PostgreSQL (`pg_type`) is made where it is an enum
//! whose values are known; any other must exist before, since a column does not say what it consists of.

use super::default::default_of;
use super::{ColumnDescriptor, ForeignKey, ForeignKeyAction, Index, TableDescriptor, TableOrder, UniqueKey};
use crate::backend::Backend;
use crate::statement::quote_identifier;

/// Whether a statement accepts that what it makes is there, and what it drops is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Existing {
    /// `IF NOT EXISTS`, `IF EXISTS`: for running again and again.
    Accepted,
    /// An error: for a migration, which runs once.
    Refused,
}

impl Existing {
    fn create(self) -> &'static str {
        match self {
            Existing::Accepted => "IF NOT EXISTS ",
            Existing::Refused => "",
        }
    }
}

/// `CREATE SCHEMA` for each schema that the tables name (PostgreSQL). One that is there is accepted in a migration too:
/// it may be an administrator's.
pub(super) fn create_schemas(order: &TableOrder) -> Vec<String> {
    let mut schemas: Vec<_> = order.tables().iter().filter_map(|table| table.schema).collect();
    schemas.sort_unstable();
    schemas.dedup();
    schemas.into_iter().map(|schema| format!("CREATE SCHEMA IF NOT EXISTS {}", quoted(schema))).collect()
}

/// `CREATE TABLE` and its indexes.
pub(crate) fn create_table(
    table: &TableDescriptor,
    order: &TableOrder,
    backend: Backend,
    existing: Existing,
) -> Vec<String> {
    let mut items: Vec<String> = table.columns.iter().map(|column| define_column(table, column, backend)).collect();
    if !has_rowid_key(table, backend) {
        let columns = list(table.key_columns().map(|column| column.name.as_str()));
        items.push(format!("CONSTRAINT {} PRIMARY KEY ({columns})", quoted(table.key_name)));
    }
    for unique in table.uniques.iter().filter(|unique| !unique.live) {
        items.push(format!("CONSTRAINT {} UNIQUE ({})", quoted(&unique.name), list(&unique.columns)));
    }
    for check in &table.checks {
        items.push(format!("CONSTRAINT {} CHECK ({})", quoted(&check.name), check.sql));
    }
    if backend == Backend::Sqlite {
        items.extend(table.columns.iter().filter_map(|column| check_length(table, column)));
    }
    for key in &table.foreign_keys {
        if backend == Backend::Sqlite || !order.is_cyclic(table, key) {
            items.push(define_foreign_key(table, key, order, backend));
        }
    }
    let strict = if backend == Backend::Sqlite { " STRICT" } else { "" };
    let mut statements = vec![format!(
        "CREATE TABLE {}{} (\n    {}\n){strict}",
        existing.create(),
        table_name(table, backend),
        items.join(",\n    ")
    )];
    let live = table.uniques.iter().filter(|unique| unique.live);
    statements.extend(live.map(|unique| create_live_unique(table, unique, backend, existing)));
    statements.extend(table.indexes.iter().map(|index| create_index(table, index, backend, existing)));
    statements
}

/// The foreign keys that could not be part of their table's definition, because the tables refer to each other
/// (PostgreSQL; SQLite permits references to tables that come later).
pub(super) fn add_cyclic_foreign_keys(order: &TableOrder, existing: Existing) -> Vec<String> {
    cyclic_foreign_keys(order)
        .map(|(table, key)| {
            let name = table_name(table, Backend::Postgres);
            let definition = define_foreign_key(table, key, order, Backend::Postgres);
            let add = format!("ALTER TABLE {name} ADD {definition}");
            match existing {
                Existing::Refused => add,
                Existing::Accepted => add_unless_exists(&name, &key.name, &add),
            }
        })
        .collect()
}

/// `DROP TABLE` in reverse order. Views and other tables that depend on one keep it from being dropped.
pub(super) fn drop_tables(order: &TableOrder, backend: Backend) -> Vec<String> {
    let mut statements = Vec::new();
    if backend == Backend::Postgres {
        statements.extend(cyclic_foreign_keys(order).map(|(table, key)| {
            let name = table_name(table, backend);
            format!("ALTER TABLE IF EXISTS {name} DROP CONSTRAINT IF EXISTS {}", quoted(&key.name))
        }));
    }
    let tables = order.tables().iter().rev();
    statements.extend(tables.map(|table| format!("DROP TABLE IF EXISTS {}", table_name(table, backend))));
    statements
}

/// The table's name as a statement spells it.
pub(super) fn table_name(table: &TableDescriptor, backend: Backend) -> String {
    match (backend, table.schema) {
        (Backend::Postgres, Some(schema)) => format!("{}.{}", quoted(schema), quoted(table.name)),
        _ => quoted(table.name),
    }
}

fn cyclic_foreign_keys(order: &TableOrder) -> impl Iterator<Item = (&'static TableDescriptor, &'static ForeignKey)> {
    order.tables().iter().flat_map(move |table| {
        table.foreign_keys.iter().filter(move |key| order.is_cyclic(table, key)).map(move |key| (*table, key))
    })
}

fn define_column(table: &TableDescriptor, column: &ColumnDescriptor, backend: Backend) -> String {
    let mut sql = format!("{} {}", quoted(&column.name), type_name(column, backend));
    let in_key = table.key_columns().any(|key| key.name == column.name);
    if !column.ty.nullable || in_key {
        sql.push_str(" NOT NULL");
    }
    if column.generated {
        match backend {
            Backend::Postgres => sql.push_str(" GENERATED BY DEFAULT AS IDENTITY"),
            Backend::Sqlite => {
                sql.push_str(&format!(" CONSTRAINT {} PRIMARY KEY AUTOINCREMENT", quoted(table.key_name)));
            }
        }
    } else if let Some(default) = default_of(column, backend) {
        sql.push_str(&format!(" DEFAULT ({default})"));
    }
    sql
}

pub(crate) fn type_name(column: &ColumnDescriptor, backend: Backend) -> String {
    match (backend, column.length) {
        (Backend::Sqlite, _) => column.ty.sqlite_name().to_owned(),
        (Backend::Postgres, Some(length)) => format!("varchar({length})"),
        (Backend::Postgres, None) => column.ty.postgres_name(),
    }
}

/// SQLite has no `varchar(n)` that it would heed.
fn check_length(table: &TableDescriptor, column: &ColumnDescriptor) -> Option<String> {
    let length = column.length?;
    let name = quoted(&length_check_name(table, column));
    Some(format!("CONSTRAINT {name} CHECK (length({}) <= {length})", quoted(&column.name)))
}

/// The name of the check that stands for `varchar(n)` on SQLite.
pub(crate) fn length_check_name(table: &TableDescriptor, column: &ColumnDescriptor) -> String {
    format!("ck_{}_{}_length", table.name, column.name)
}

fn define_foreign_key(table: &TableDescriptor, key: &ForeignKey, order: &TableOrder, backend: Backend) -> String {
    let target = (key.target)();
    let mut sql = format!(
        "CONSTRAINT {} FOREIGN KEY ({}) REFERENCES {} ({})",
        quoted(&key.name),
        quoted(&key.column),
        table_name(target, backend),
        list(target.key_columns().map(|column| column.name.as_str()))
    );
    match action(table, key, order, backend) {
        ForeignKeyAction::NoAction => {}
        ForeignKeyAction::Restrict => sql.push_str(" ON DELETE RESTRICT"),
        ForeignKeyAction::Cascade => sql.push_str(" ON DELETE CASCADE"),
        ForeignKeyAction::SetNull => sql.push_str(" ON DELETE SET NULL"),
    }
    if order.is_cyclic(table, key) {
        sql.push_str(" DEFERRABLE INITIALLY DEFERRED");
    }
    sql
}

/// A unique key that deleted rows are no part of; only an index can have a condition.
fn create_live_unique(table: &TableDescriptor, unique: &UniqueKey, backend: Backend, existing: Existing) -> String {
    let live = live_condition(table).map(|live| format!(" WHERE {live}")).unwrap_or_default();
    format!(
        "CREATE UNIQUE INDEX {}{} ON {} ({}){live}",
        existing.create(),
        quoted(&unique.name),
        table_name(table, backend),
        list(&unique.columns)
    )
}

/// The condition of a unique key among rows that are not soft-deleted.
pub(crate) fn live_condition(table: &TableDescriptor) -> Option<String> {
    table.deleted_at().map(|at| format!("{} IS NULL", quoted(&table.columns[at].name)))
}

/// What deleting a referenced row does on this backend.
///
/// SQLite empties a table before it drops it, and RESTRICT would forbid that among rows that refer to each other.
/// NO ACTION refuses the same deletes there, only once the statement is through.
pub(crate) fn action(
    table: &TableDescriptor,
    key: &ForeignKey,
    order: &TableOrder,
    backend: Backend,
) -> ForeignKeyAction {
    let among_each_other = order.is_cyclic(table, key) || (key.target)().row_type == table.row_type;
    match key.on_delete {
        ForeignKeyAction::Restrict if backend == Backend::Sqlite && among_each_other => ForeignKeyAction::NoAction,
        action => action,
    }
}

fn create_index(table: &TableDescriptor, index: &Index, backend: Backend, existing: Existing) -> String {
    let columns: Vec<_> = index
        .columns
        .iter()
        .map(|column| format!("{}{}", quoted(&column.name), if column.descending { " DESC" } else { "" }))
        .collect();
    let filter = index.filter.map(|filter| format!(" WHERE {filter}")).unwrap_or_default();
    format!(
        "CREATE INDEX {}{} ON {} ({}){filter}",
        existing.create(),
        quoted(&index.name),
        table_name(table, backend),
        columns.join(", ")
    )
}

/// `ADD CONSTRAINT` knows no `IF NOT EXISTS`.
fn add_unless_exists(table: &str, constraint: &str, add: &str) -> String {
    let condition = format!(
        "SELECT FROM pg_catalog.pg_constraint WHERE conrelid = {}::regclass AND conname = {}",
        literal(table),
        literal(constraint)
    );
    block(&format!("IF NOT EXISTS ({condition}) THEN\n        {add};\n    END IF;"))
}

/// `DO` with these statements of PL/pgSQL.
pub(super) fn block(body: &str) -> String {
    // A name may hold anything, the closing tag too.
    let mut tag = "$spakky$".to_owned();
    while body.contains(&tag) {
        tag.insert(1, 'x');
    }
    format!("DO {tag}\nBEGIN\n    {body}\nEND\n{tag}")
}

/// Whether the key is SQLite's row id, declared with its column.
fn has_rowid_key(table: &TableDescriptor, backend: Backend) -> bool {
    backend == Backend::Sqlite && table.generates_key()
}

pub(crate) fn list<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> String {
    names.into_iter().map(|name| quoted(name.as_ref())).collect::<Vec<_>>().join(", ")
}

pub(crate) fn quoted(name: &str) -> String {
    let mut sql = String::with_capacity(name.len() + 2);
    quote_identifier(&mut sql, name);
    sql
}

/// A text as a literal, in the plain form where that can hold it.
pub(crate) fn text(text: &str) -> String {
    if text.contains('\\') { literal(text) } else { format!("'{}'", text.replace('\'', "''")) }
}

/// Text as a literal that reads the same whatever the setting of `standard_conforming_strings`.
pub(crate) fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', r"\\").replace('\'', "''"))
}
