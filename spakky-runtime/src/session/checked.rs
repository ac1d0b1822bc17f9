//! The tables whose columns were looked up: a manager asks the catalog once for each, ahead of the first write to it, and of
//! the first read that finds rows of it by the keys of others.

use std::any::TypeId;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::SessionManager;
use crate::backend::{Answer, Backend, Statement};
use crate::error::{DatabaseError, Error};
use crate::hash::FastSet;
use crate::schema::TableDescriptor;
use crate::schema::fit::{Checked, Purpose, misfit};
use crate::statement::{RaiseStyle, catalog_guard, misfits};

/// What is known to give back what is written to it, and to compare as the program does.
#[derive(Debug)]
pub(super) struct CheckedTables {
    /// Nothing is asked where the settings say so, and of a database that has no catalog.
    enabled: bool,
    /// Row types, for writes.
    written: Known<TypeId>,
    /// Row types and columns by which rows are found, for reads.
    compared: Known<(TypeId, usize)>,
}

type Known<T> = RwLock<FastSet<T>>;

impl CheckedTables {
    pub(super) fn new(enabled: bool) -> Self {
        CheckedTables { enabled, written: Known::default(), compared: Known::default() }
    }
}

fn read<T>(known: &Known<T>) -> RwLockReadGuard<'_, FastSet<T>> {
    known.read().unwrap_or_else(PoisonError::into_inner)
}

fn change<T>(known: &Known<T>) -> RwLockWriteGuard<'_, FastSet<T>> {
    known.write().unwrap_or_else(PoisonError::into_inner)
}

/// A question to the catalog that travels ahead of what depends on the answer.
#[derive(Debug)]
pub(crate) struct CatalogGuard {
    statement: Option<Statement>,
    columns: Vec<Checked>,
}

impl SessionManager {
    /// The question that has to travel ahead of the first write to one of these tables.
    pub(crate) fn catalog_guard(
        &self,
        tables: impl Iterator<Item = &'static TableDescriptor>,
    ) -> Option<Box<CatalogGuard>> {
        let checked = self.checked_tables();
        if !checked.enabled {
            return None;
        }
        let mut unknown: Vec<&'static TableDescriptor> = Vec::new();
        let known = read(&checked.written);
        for table in tables {
            if !known.contains(&table.row_type) && !unknown.iter().any(|other| other.row_type == table.row_type) {
                unknown.push(table);
            }
        }
        drop(known);
        self.question(unknown.iter().flat_map(|table| Checked::of(table)).collect())
    }

    /// The question that has to travel ahead of the first read of rows that are found by the keys of others in these columns.
    /// PostgreSQL alone has types by which texts are equal that are not equal to what we compare them with.
    pub(crate) fn comparison_guard(&self, columns: impl FnOnce() -> Vec<Checked>) -> Option<Box<CatalogGuard>> {
        let checked = self.checked_tables();
        if !checked.enabled || self.backend() != Backend::Postgres {
            return None;
        }
        let mut unknown = columns();
        unknown.retain(|column| column.is_text() && !read(&checked.compared).contains(&column.place()));
        self.question(unknown)
    }

    fn question(&self, columns: Vec<Checked>) -> Option<Box<CatalogGuard>> {
        if columns.is_empty() {
            return None;
        }
        // Not by the function, which the role of a scope may not be allowed to call; it is asked once for each table.
        let statement = Some(catalog_guard(self.backend(), RaiseStyle::Cast, &columns));
        Some(Box::new(CatalogGuard { statement, columns }))
    }

    /// Takes note of columns in whose burst nothing failed.
    pub(super) fn note_checked<'g>(&self, guards: impl Iterator<Item = &'g CatalogGuard>) {
        let checked = self.checked_tables();
        for column in guards.flat_map(|guard| &guard.columns) {
            match column.purpose {
                Purpose::Written | Purpose::Key => drop(change(&checked.written).insert(column.table.row_type)),
                Purpose::Compared => drop(change(&checked.compared).insert(column.place())),
                Purpose::Below => {}
            }
        }
    }

    /// The tables have changed: all of them are looked at again.
    pub(super) fn forget_checked(&self) {
        change(&self.checked_tables().written).clear();
        change(&self.checked_tables().compared).clear();
    }
}

impl CatalogGuard {
    /// The statement, which is sent once.
    pub(super) fn take_statement(&mut self) -> Option<Statement> {
        self.statement.take()
    }

    /// Why the question failed: most often because a column does not fit.
    pub(super) fn explain(&self, manager: &SessionManager, error: DatabaseError, answer: Option<&Answer>) -> Error {
        let rows = answer.map(|answer| answer.rows.as_slice()).unwrap_or_default();
        let found = misfits(&error.message, rows);
        if found.is_empty() {
            return Error::from_database(error);
        }
        misfit(&self.columns, &found, manager.backend()).with_source(error)
    }
}
