//! Foreign keys: what must hold among the rows of different tables, and what deleting a row does to others.

use std::collections::HashSet;

use super::compare::key_form;
use super::table::{State, Table};
use super::write;
use crate::error::{DatabaseError, ErrorKind};
use crate::schema::{ForeignKey, ForeignKeyAction, TableDescriptor};
use crate::value::Value;

/// Checks the foreign keys that `which` names, by their position, of all rows.
pub(super) fn check_all(state: &State, which: impl Fn(&Table, usize) -> bool) -> Result<(), DatabaseError> {
    for table in state.tables() {
        for (_, key) in table.descriptor.foreign_keys.iter().enumerate().filter(|(at, _)| which(table, *at)) {
            for row in table.rows.values() {
                check(state, table, row, key)?;
            }
        }
    }
    Ok(())
}

/// Checks the foreign keys of one row, but for those whose time comes with COMMIT.
pub(super) fn check_row(state: &State, table: &Table, row: &[Value]) -> Result<(), DatabaseError> {
    let keys = table.descriptor.foreign_keys.iter().enumerate();
    keys.filter(|(at, _)| !table.deferred.contains(at)).try_for_each(|(_, key)| check(state, table, row, key))
}

fn check(state: &State, table: &Table, row: &[Value], key: &ForeignKey) -> Result<(), DatabaseError> {
    let value = &row[table.at(&key.column)?];
    let there =
        || state.find((key.target)().name).is_some_and(|target| target.by_key(std::slice::from_ref(value)).is_some());
    if value.is_null() || there() { Ok(()) } else { Err(violation(table.descriptor, key)) }
}

/// Deletes rows with all that hangs on them. Answers how many of the table itself went, by condition or key.
pub(super) fn delete(state: &mut State, name: &'static str, numbers: Vec<u64>) -> Result<u64, DatabaseError> {
    let affected = numbers.len() as u64;
    let mut work = vec![(name, numbers)];
    let mut left = Vec::new();
    while let Some((name, numbers)) = work.pop() {
        let gone: HashSet<Vec<Value>> = write::remove(state, name, &numbers)?.into_iter().collect();
        if gone.is_empty() {
            continue;
        }
        let mut emptied = Vec::new();
        for table in state.tables() {
            for (position, key) in table.descriptor.foreign_keys.iter().enumerate() {
                if (key.target)().name != name {
                    continue;
                }
                let at = table.at(&key.column)?;
                let refers = table.rows.iter().filter(|(_, row)| gone.contains(&vec![key_form(&row[at])]));
                let refers: Vec<u64> = refers.map(|(number, _)| *number).collect();
                // Among rows of one table, and of tables that refer to each other, the end of the statement decides.
                let at_once = table.descriptor.name != name && !table.deferred.contains(&position);
                match key.on_delete {
                    _ if refers.is_empty() => {}
                    ForeignKeyAction::Cascade => work.push((table.descriptor.name, refers)),
                    ForeignKeyAction::SetNull => emptied.push((table.descriptor.name, at, refers)),
                    ForeignKeyAction::Restrict if at_once => return Err(violation(table.descriptor, key)),
                    ForeignKeyAction::Restrict | ForeignKeyAction::NoAction => {
                        left.push((table.descriptor.name, position));
                    }
                }
            }
        }
        for (name, at, numbers) in emptied {
            for number in numbers {
                write::change(state, name, number, |row| {
                    row[at] = Value::Null;
                    Ok(())
                })?;
            }
        }
    }
    check_all(state, |table, position| {
        !table.deferred.contains(&position) && left.contains(&(table.descriptor.name, position))
    })?;
    Ok(affected)
}

fn violation(table: &TableDescriptor, key: &ForeignKey) -> DatabaseError {
    let message = format!("foreign key {} of {} does not hold", key.name, table.name);
    let mut error = DatabaseError::new(ErrorKind::ForeignKeyViolation, "", message);
    error.table = Some(table.name.to_owned());
    error.constraint = Some(key.name.clone());
    error
}
