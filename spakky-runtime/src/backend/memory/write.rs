//! Rows in and out of a table, with what must hold of each row by itself and among the rows of its table.

use std::collections::hash_map::Entry;

use super::fallback::clock;
use super::table::{State, Table};
use crate::backend::Backend;
use crate::error::{DatabaseError, ErrorKind};
use crate::schema::TableDescriptor;
use crate::schema::ddl::length_check_name;
use crate::statement::operation::Fill;
use crate::value::{ColumnType, Value};

/// Adds a row.
pub(super) fn add(state: &mut State, name: &str, row: Vec<Value>) -> Result<u64, DatabaseError> {
    let table = state.table_mut(name)?;
    check(table.descriptor, &row)?;
    let number = table.last_row + 1;
    enter(table, number, &row)?;
    table.last_row = number;
    table.rows.insert(number, row.into());
    Ok(number)
}

/// Changes a row.
pub(super) fn change(
    state: &mut State,
    name: &str,
    number: u64,
    change: impl FnOnce(&mut [Value]) -> Result<(), DatabaseError>,
) -> Result<(), DatabaseError> {
    let table = state.table_mut(name)?;
    let Some(old) = table.rows.get(&number).cloned() else { return Ok(()) };
    let mut row = old.to_vec();
    change(&mut row)?;
    check(table.descriptor, &row)?;
    leave(table, &old);
    enter(table, number, &row)?;
    table.rows.insert(number, row.into());
    Ok(())
}

/// Removes rows, and answers with their keys.
pub(super) fn remove(state: &mut State, name: &str, numbers: &[u64]) -> Result<Vec<Vec<Value>>, DatabaseError> {
    let table = state.table_mut(name)?;
    let mut keys = Vec::new();
    for number in numbers {
        if let Some(row) = table.rows.remove(number) {
            leave(table, &row);
            keys.extend(table.uniques[0].entry(table.descriptor, &row));
        }
    }
    Ok(keys)
}

/// Writes what the database itself fills in.
///
/// # Errors
/// When there is no next version.
pub(super) fn fill(table: &TableDescriptor, row: &mut [Value], at: usize, fill: Fill) -> Result<(), DatabaseError> {
    let last = || DatabaseError::new(ErrorKind::Mapping, "", "a number is out of the range of its column");
    row[at] = match (fill, &row[at]) {
        (Fill::One, _) => table.columns[at].ty.canonical(Value::I64(1), Backend::Sqlite).unwrap_or(Value::I64(1)),
        (Fill::Clock, _) => clock(table.columns[at].ty),
        (Fill::Null, _) => Value::Null,
        (Fill::Next, Value::I16(value)) => Value::I16(value.checked_add(1).ok_or_else(last)?),
        (Fill::Next, Value::I32(value)) => Value::I32(value.checked_add(1).ok_or_else(last)?),
        (Fill::Next, Value::I64(value)) => Value::I64(value.checked_add(1).ok_or_else(last)?),
        (Fill::Next, other) => other.clone(),
    };
    Ok(())
}

/// A calculated value as one of its column.
pub(super) fn stored(table: &TableDescriptor, at: usize, value: Value) -> Result<Value, DatabaseError> {
    let column = &table.columns[at];
    let ty = ColumnType { nullable: true, ..column.ty };
    ty.canonical(value, Backend::Sqlite).map_err(|error| {
        let mut failed = DatabaseError::new(ErrorKind::Mapping, "", error.to_string());
        failed.table = Some(table.name.to_owned());
        failed.columns = vec![column.name.clone()];
        failed
    })
}

/// What must hold of one row. Checks that are SQL text are left out.
fn check(table: &TableDescriptor, row: &[Value]) -> Result<(), DatabaseError> {
    for (at, column) in table.columns.iter().enumerate() {
        let mut error = match &row[at] {
            Value::Null if !column.ty.nullable || table.key.contains(&at) => {
                let message = format!("NULL in the required column {}", column.name);
                let mut error = DatabaseError::new(ErrorKind::NotNullViolation, "", message);
                error.columns = vec![column.name.clone()];
                error
            }
            Value::Text(text) if column.length.is_some_and(|length| text.chars().count() > length as usize) => {
                let message = format!("text that is too long for column {}", column.name);
                let mut error = DatabaseError::new(ErrorKind::CheckViolation, "", message);
                error.constraint = Some(length_check_name(table, column));
                error
            }
            _ => continue,
        };
        error.table = Some(table.name.to_owned());
        return Err(error);
    }
    Ok(())
}

/// Enters a row into the unique keys.
fn enter(table: &mut Table, number: u64, row: &[Value]) -> Result<(), DatabaseError> {
    let descriptor = table.descriptor;
    for unique in &mut table.uniques {
        let Some(entry) = unique.entry(descriptor, row) else { continue };
        match unique.rows.entry(entry) {
            Entry::Vacant(vacant) => {
                vacant.insert(number);
            }
            Entry::Occupied(_) => {
                let message = format!("unique constraint {} of {} does not hold", unique.name, descriptor.name);
                let mut error = DatabaseError::new(ErrorKind::UniqueViolation, "", message);
                error.table = Some(descriptor.name.to_owned());
                error.constraint = Some(unique.name.clone());
                error.columns = unique.columns.iter().map(|&at| descriptor.columns[at].name.clone()).collect();
                return Err(error);
            }
        }
    }
    Ok(())
}

fn leave(table: &mut Table, row: &[Value]) {
    let descriptor = table.descriptor;
    for unique in &mut table.uniques {
        if let Some(entry) = unique.entry(descriptor, row) {
            unique.rows.remove(&entry);
        }
    }
}
