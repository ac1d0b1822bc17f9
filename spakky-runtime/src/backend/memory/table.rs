//! The tables and their rows.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::compare::key_form;
use super::fallback::{Fallback, fallbacks};
use super::{constraint, refused};
use crate::backend::Backend;
use crate::error::{DatabaseError, Error, ErrorKind};
use crate::schema::{SchemaRegistry, TableDescriptor, TableOrder};
use crate::value::Value;

/// One row, in the order of the table's descriptor.
pub(super) type Row = Arc<[Value]>;

/// All tables. Cheap to clone: a table is copied when it is written.
#[derive(Clone, Default)]
pub(super) struct State {
    tables: BTreeMap<&'static str, Arc<Table>>,
}

/// One table. Rows are found by the number under which they were added, which is their order, too.
#[derive(Clone)]
pub(super) struct Table {
    pub(super) descriptor: &'static TableDescriptor,
    /// The foreign keys that are checked at the end of the transaction, by position.
    pub(super) deferred: Vec<usize>,
    /// What a column gets that is not given.
    pub(super) fallbacks: Arc<[Option<Fallback>]>,
    pub(super) rows: BTreeMap<u64, Row>,
    /// The primary key first.
    pub(super) uniques: Vec<UniqueIndex>,
    pub(super) last_row: u64,
    pub(super) last_id: i64,
}

/// A unique key with the rows that have its values.
#[derive(Clone)]
pub(super) struct UniqueIndex {
    pub(super) name: String,
    pub(super) columns: Vec<usize>,
    /// Rows that are soft-deleted are no part of it.
    pub(super) live: bool,
    pub(super) rows: HashMap<Vec<Value>, u64>,
}

impl State {
    /// Makes the tables that are not there yet.
    pub(super) fn create(&mut self, registry: &SchemaRegistry) -> Result<(), Error> {
        // Checks the set as it does for SQLite.
        registry.create_statements(Backend::Sqlite)?;
        let tables = registry.tables()?;
        let order = TableOrder::new(tables);
        for descriptor in tables {
            if !self.tables.contains_key(descriptor.name) {
                self.tables.insert(descriptor.name, Arc::new(Table::new(descriptor, &order)?));
            }
        }
        Ok(())
    }

    /// Drops the tables, as far as they are there.
    pub(super) fn remove(&mut self, registry: &SchemaRegistry) -> Result<(), Error> {
        for table in registry.tables()?.iter().rev() {
            self.tables.remove(table.name);
        }
        constraint::check_all(self, |_, _| true).map_err(Error::from_database)
    }

    /// Foreign keys among tables that refer to each other.
    pub(super) fn check_deferred(&self) -> Result<(), DatabaseError> {
        constraint::check_all(self, |table, key| table.deferred.contains(&key))
    }

    pub(super) fn tables(&self) -> impl Iterator<Item = &Table> {
        self.tables.values().map(|table| &**table)
    }

    pub(super) fn find(&self, name: &str) -> Option<&Table> {
        self.tables.get(name).map(|table| &**table)
    }

    pub(super) fn table(&self, name: &str) -> Result<&Table, DatabaseError> {
        self.find(name).ok_or_else(|| no_table(name))
    }

    pub(super) fn table_mut(&mut self, name: &str) -> Result<&mut Table, DatabaseError> {
        self.tables.get_mut(name).map(Arc::make_mut).ok_or_else(|| no_table(name))
    }
}

impl Table {
    fn new(descriptor: &'static TableDescriptor, order: &TableOrder) -> Result<Self, Error> {
        let at = |columns: &[String]| columns.iter().filter_map(|name| descriptor.position(name)).collect();
        let index =
            |name: &str, columns, live| UniqueIndex { name: name.to_owned(), columns, live, rows: HashMap::new() };
        let mut uniques = vec![index(descriptor.key_name, descriptor.key.clone(), false)];
        uniques.extend(descriptor.uniques.iter().map(|unique| index(&unique.name, at(&unique.columns), unique.live)));
        let cyclic = descriptor.foreign_keys.iter().enumerate().filter(|(_, key)| order.is_cyclic(descriptor, key));
        Ok(Table {
            descriptor,
            deferred: cyclic.map(|(at, _)| at).collect(),
            fallbacks: fallbacks(descriptor)?.into(),
            rows: BTreeMap::new(),
            uniques,
            last_row: 0,
            last_id: 0,
        })
    }

    /// Position of a column.
    pub(super) fn at(&self, column: &str) -> Result<usize, DatabaseError> {
        self.descriptor.position(column).ok_or_else(|| {
            let table = self.descriptor.name;
            refused(format!("find column `{column}` of `{table}`: the in-memory table was created without it"))
        })
    }

    /// The row that has the same values in a unique key, by its name, or in the primary key.
    pub(super) fn twin(&self, unique: Option<&str>, row: &[Value]) -> Option<u64> {
        let index = self.uniques.iter().find(|index| unique.is_none_or(|name| index.name == name))?;
        index.rows.get(&index.entry(self.descriptor, row)?).copied()
    }

    /// The row with this primary key.
    pub(super) fn by_key(&self, key: &[Value]) -> Option<u64> {
        let key: Vec<Value> = key.iter().map(key_form).collect();
        self.uniques[0].rows.get(&key).copied()
    }
}

impl UniqueIndex {
    /// The values under which a row is found; none where one is NULL, or for a row that is no part of it.
    pub(super) fn entry(&self, table: &TableDescriptor, row: &[Value]) -> Option<Vec<Value>> {
        let deleted = self.live && table.deleted_at().is_some_and(|at| !row[at].is_null());
        let values: Vec<Value> = self.columns.iter().map(|&at| key_form(&row[at])).collect();
        (!deleted && !values.iter().any(Value::is_null)).then_some(values)
    }
}

fn no_table(name: &str) -> DatabaseError {
    let mut error = DatabaseError::new(ErrorKind::Schema, "", format!("no table {name} was created in memory"));
    error.table = Some(name.to_owned());
    error
}
