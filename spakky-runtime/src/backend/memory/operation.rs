//! Runs one operation. What a failed one has written is undone by its caller, who has a copy.

use std::collections::{HashMap, HashSet};

use super::condition::{matching, stamp_above, value};
use super::fallback::Fallback;
use super::table::{State, Table};
use super::write::{add, change, fill, stored};
use super::{constraint, fallback, read, related};
use crate::backend::{Answer, Draw};
use crate::error::DatabaseError;
use crate::query::{AssignedValue, Condition};
use crate::schema::{Lineage, TableDescriptor};
use crate::statement::operation::{Fill, Found, Insertion, Kin, Merge, Operation};
use crate::value::Value;

/// The ids that were drawn, by the number of the draw.
pub(super) type Drawn = HashMap<usize, Vec<i64>>;

/// Draws ids as rows that are given none would get them.
pub(super) fn draw(state: &mut State, draw: &Draw) -> Result<Vec<i64>, DatabaseError> {
    let table = state.table_mut(draw.table.name)?;
    let first = table.last_id + 1;
    table.last_id += i64::try_from(draw.count).unwrap_or_default();
    Ok((first..=table.last_id).collect())
}

/// Runs one operation.
pub(super) fn run(state: &mut State, operation: &Operation, drawn: &Drawn) -> Result<Answer, DatabaseError> {
    match operation {
        Operation::Select(selection) => read::select(state, selection),
        Operation::Linked { link, by, limit, target } => related::linked(state, link.as_ref(), by, *limit, target),
        Operation::Group { table, condition, by, sums } => related::group(state, table, condition, by, sums),
        Operation::Insert(insertion) => insert(state, insertion, drawn),
        Operation::Update { found, columns, values, filled } => update(state, found, columns, values, filled, drawn),
        Operation::Delete(found) => {
            let table = state.table(found.table)?;
            let mut numbers = Vec::new();
            let mut seen = HashSet::new();
            for position in 0..found.keys.len() {
                numbers.extend(locate(table, found, position)?.filter(|number| seen.insert(*number)));
            }
            let rows = keys_of(table, found, &numbers);
            let affected = constraint::delete(state, found.table, numbers)?;
            Ok(Answer { rows, affected })
        }
        Operation::UpdateWhere { table, set, filled, above, condition } => {
            update_where(state, table, set, filled, above.as_ref(), condition)
        }
        Operation::DeleteWhere { table, condition } => {
            let found = matching(state, state.table(table)?, condition)?;
            let numbers = found.into_iter().map(|(number, _)| number).collect();
            let affected = constraint::delete(state, table, numbers)?;
            Ok(Answer { rows: Vec::new(), affected })
        }
    }
}

fn positions(table: &Table, columns: &[String]) -> Result<Vec<usize>, DatabaseError> {
    columns.iter().map(|column| table.at(column)).collect()
}

fn fills(table: &Table, filled: &[(String, Fill)]) -> Result<Vec<(usize, Fill)>, DatabaseError> {
    filled.iter().map(|(column, fill)| Ok((table.at(column)?, *fill))).collect()
}

/// A value as it is stored, be it an id that was drawn.
fn given(table: &TableDescriptor, at: usize, value: &Value, drawn: &Drawn) -> Result<Value, DatabaseError> {
    match value {
        Value::Drawn(id) => {
            let id = drawn.get(&id.draw).and_then(|ids| ids.get(id.position));
            stored(table, at, id.map_or(Value::Null, |id| Value::I64(*id)))
        }
        value => Ok(value.clone()),
    }
}

fn insert(state: &mut State, insertion: &Insertion, drawn: &Drawn) -> Result<Answer, DatabaseError> {
    let table = state.table(insertion.table)?;
    let descriptor = table.descriptor;
    let columns = positions(table, &insertion.columns)?;
    let filled = fills(table, &insertion.filled)?;
    let returning = positions(table, &insertion.returning)?;
    let mut written = Vec::with_capacity(insertion.rows.len());
    for values in &insertion.rows {
        let table = state.table_mut(insertion.table)?;
        let mut row = fallbacks(table, &columns)?;
        for (&at, value) in columns.iter().zip(values) {
            row[at] = given(descriptor, at, value, drawn)?;
            if descriptor.columns[at].generated
                && let Some(id) = super::compare::integer(&row[at])
            {
                table.last_id = table.last_id.max(i64::try_from(id).unwrap_or_default());
            }
        }
        for &(at, kind) in &filled {
            fill(descriptor, &mut row, at, kind)?;
        }
        let there = insertion.merge.as_ref().and_then(|merge| table.twin(merge.by.as_deref(), &row));
        let number = match (&insertion.merge, there) {
            (Some(merge), Some(number)) => {
                if !merge_into(state, insertion.table, number, &row, merge)? {
                    continue;
                }
                number
            }
            _ => add(state, insertion.table, row)?,
        };
        written.push(number);
    }
    let table = state.table(insertion.table)?;
    for number in &written {
        constraint::check_row(state, table, &table.rows[number])?;
    }
    let answer = |number: &u64| returning.iter().map(|&at| table.rows[number][at].clone()).collect();
    let rows = if returning.is_empty() { Vec::new() } else { written.iter().map(answer).collect() };
    Ok(Answer { rows, affected: written.len() as u64 })
}

/// A row with what each column gets that is not given.
fn fallbacks(table: &mut Table, given: &[usize]) -> Result<Vec<Value>, DatabaseError> {
    let defaults = std::sync::Arc::clone(&table.fallbacks);
    let mut row = Vec::with_capacity(defaults.len());
    for (at, column) in table.descriptor.columns.iter().enumerate() {
        row.push(match &defaults[at] {
            _ if given.contains(&at) => Value::Null,
            _ if column.generated => {
                table.last_id += 1;
                stored(table.descriptor, at, Value::I64(table.last_id))?
            }
            Some(Fallback::Value(value)) => value.clone(),
            Some(Fallback::Clock) => fallback::clock(column.ty),
            None => Value::Null,
        });
    }
    Ok(row)
}

/// Writes a new row over the one that is there; not if that is another's.
fn merge_into(
    state: &mut State,
    name: &'static str,
    number: u64,
    new: &[Value],
    merge: &Merge,
) -> Result<bool, DatabaseError> {
    let table = state.table(name)?;
    let descriptor = table.descriptor;
    let old = &table.rows[&number];
    let same = positions(table, &merge.same)?;
    let deleted = descriptor.deleted_at().is_some_and(|at| !old[at].is_null());
    if let Some(kin) = &merge.kin
        && aggregate_of(state, table, kin, old)? != aggregate_of(state, table, kin, new)?
    {
        return Ok(false);
    }
    if (merge.live && deleted) || (merge.deleted && !deleted) || same.iter().any(|&at| old[at] != new[at]) {
        return Ok(false);
    }
    let columns = positions(table, &merge.columns)?;
    let filled = fills(table, &merge.filled)?;
    change(state, name, number, |row| {
        for &at in &columns {
            row[at] = new[at].clone();
        }
        for &(at, kind) in &filled {
            fill(descriptor, row, at, kind)?;
        }
        Ok(())
    })?;
    Ok(true)
}

/// The key of the aggregate's row that a child belongs to.
fn aggregate_of(state: &State, table: &Table, kin: &Kin, row: &[Value]) -> Result<Option<Value>, DatabaseError> {
    let mut key = row[table.at(&kin.column)?].clone();
    for (above, column) in &kin.steps {
        let above = state.table(above)?;
        let Some(number) = above.by_key(std::slice::from_ref(&key)) else { return Ok(None) };
        key = above.rows[&number][above.at(column)?].clone();
    }
    Ok(Some(key))
}

/// The row of a key, if it is as it must be.
fn locate(table: &Table, found: &Found, position: usize) -> Result<Option<u64>, DatabaseError> {
    let (values, expected) = &found.keys[position];
    let descriptor = table.descriptor;
    let columns = positions(table, &found.columns)?;
    let Some(number) = table.by_key(&values[..descriptor.key.len()]) else { return Ok(None) };
    let row = &table.rows[&number];
    let others = columns.iter().zip(values).skip(descriptor.key.len()).all(|(&at, value)| row[at] == *value);
    let version = match (descriptor.version, expected) {
        (Some(at), Some(expected)) => super::compare::integer(&row[at]) == Some(i128::from(*expected)),
        _ => true,
    };
    let live = !found.live || descriptor.deleted_at().is_none_or(|at| row[at].is_null());
    Ok((others && version && live).then_some(number))
}

/// What a write of several rows answers with: the keys that it met.
fn keys_of(table: &Table, found: &Found, numbers: &[u64]) -> Vec<Vec<Value>> {
    if found.keys.len() < 2 {
        return Vec::new();
    }
    let key = |number: &u64| table.descriptor.key.iter().map(|&at| table.rows[number][at].clone()).collect();
    numbers.iter().map(key).collect()
}

fn update(
    state: &mut State,
    found: &Found,
    columns: &[String],
    values: &[Vec<Value>],
    filled: &[(String, Fill)],
    drawn: &Drawn,
) -> Result<Answer, DatabaseError> {
    let table = state.table(found.table)?;
    let descriptor = table.descriptor;
    let (columns, filled) = (positions(table, columns)?, fills(table, filled)?);
    let mut hits = Vec::new();
    for (position, values) in values.iter().enumerate() {
        let Some(number) = locate(state.table(found.table)?, found, position)? else { continue };
        change(state, found.table, number, |row| {
            for (&at, value) in columns.iter().zip(values) {
                row[at] = given(descriptor, at, value, drawn)?;
            }
            for &(at, kind) in &filled {
                fill(descriptor, row, at, kind)?;
            }
            Ok(())
        })?;
        hits.push(number);
    }
    let table = state.table(found.table)?;
    for number in &hits {
        constraint::check_row(state, table, &table.rows[number])?;
    }
    Ok(Answer { rows: keys_of(table, found, &hits), affected: hits.len() as u64 })
}

fn update_where(
    state: &mut State,
    name: &'static str,
    set: &[AssignedValue],
    filled: &[(String, Fill)],
    above: Option<&Lineage>,
    condition: &Condition,
) -> Result<Answer, DatabaseError> {
    let table = state.table(name)?;
    let descriptor = table.descriptor;
    let filled = fills(table, filled)?;
    let mut changes = Vec::new();
    for (number, row) in matching(state, table, condition)? {
        let mut assigned = Vec::with_capacity(set.len() + 1);
        let stamp = above.map(|above| stamp_above(state, table, row, above)).transpose()?;
        for AssignedValue { column, term } in set {
            let at = table.at(column)?;
            let Ok(term) = term else { return Err(super::refused("write a value that cannot be stored")) };
            assigned.push((at, stored(descriptor, at, value(table, row, term)?)?));
        }
        changes.push((number, assigned, stamp.filter(|stamp| !stamp.is_null())));
    }
    let affected = changes.len() as u64;
    let numbers: Vec<u64> = changes.iter().map(|(number, ..)| *number).collect();
    for (number, assigned, stamp) in changes {
        change(state, name, number, |row| {
            for (at, value) in assigned {
                row[at] = value;
            }
            for &(at, kind) in &filled {
                fill(descriptor, row, at, kind)?;
            }
            if let (Some(at), Some(stamp)) = (descriptor.deleted_at(), stamp) {
                row[at] = stamp;
            }
            Ok(())
        })?;
    }
    let table = state.table(name)?;
    for number in &numbers {
        constraint::check_row(state, table, &table.rows[number])?;
    }
    Ok(Answer { rows: Vec::new(), affected })
}
