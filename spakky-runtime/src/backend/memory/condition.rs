//! Whether a row fulfils a condition, by SQL's logic of three values: `None` is neither true nor false.

use std::cmp::Ordering;

use super::compare::{compare, equal, fits, float, integer, order, same};
use super::refused;
use super::table::{Row, State, Table};
use crate::error::DatabaseError;
use crate::query::{Condition, Operator, Pattern, Term};
use crate::schema::{Lineage, Way};
use crate::value::Value;

/// Whether a row fulfils a condition.
pub(super) fn holds(
    state: &State,
    table: &Table,
    row: &[Value],
    condition: &Condition,
) -> Result<Option<bool>, DatabaseError> {
    Ok(match condition {
        Condition::Constant(always) => Some(*always),
        Condition::Compare { column, comparison, term } => {
            let at = table.at(column)?;
            compare(table.descriptor.columns[at].ty, &row[at], *comparison, &value(table, row, term)?)
        }
        Condition::In { values, negated, .. } if values.is_empty() => Some(*negated),
        Condition::In { column, values, negated } => {
            let found = &row[table.at(column)?];
            (!found.is_null()).then(|| values.iter().any(|value| same(found, value)) != *negated)
        }
        Condition::Keys(keys) => Some(keys.iter().any(|key| {
            let columns = table.descriptor.key.iter();
            columns.zip(key).all(|(&at, value)| equal(&row[at], value) == Some(true))
        })),
        Condition::InSelect { column, table: other, condition } => {
            let found = &row[table.at(column)?];
            let other = state.table(other.name)?;
            match other.by_key(std::slice::from_ref(found)).and_then(|row| other.rows.get(&row)) {
                _ if found.is_null() => None,
                None => Some(false),
                Some(row) => Some(holds(state, other, row, condition)? == Some(true)),
            }
        }
        Condition::Null { column, negated } => Some(row[table.at(column)?].is_null() != *negated),
        Condition::Like { column, pattern } => match &row[table.at(column)?] {
            Value::Text(text) => Some(matches(text, pattern)),
            _ => None,
        },
        Condition::Row { columns, comparison, values } => {
            let mut all = Some(Ordering::Equal);
            for (column, value) in columns.iter().zip(values) {
                let at = table.at(column)?;
                all = order(table.descriptor.columns[at].ty, &row[at], value);
                if all != Some(Ordering::Equal) {
                    break;
                }
            }
            all.map(|all| fits(all, *comparison))
        }
        Condition::Exists { way, condition } => Some(leads(state, table, row, way, condition)?),
        Condition::DeletedWith(lineage) => {
            let stamp = stamp_above(state, table, row, lineage)?;
            table.descriptor.deleted_at().and_then(|at| equal(&row[at], &stamp))
        }
        Condition::All(parts) => every(parts, false, |part| holds(state, table, row, part))?,
        Condition::Any(parts) => every(parts, true, |part| holds(state, table, row, part))?,
        Condition::Not(part) => holds(state, table, row, part)?.map(|holds| !holds),
        // Whoever wrote the statement has refused these.
        Condition::Unstorable { .. } | Condition::Invalid(_) => return Err(refused("run a query that makes no sense")),
    })
}

/// The rows that fulfil a condition, in the order in which they were added.
pub(super) fn matching<'t>(
    state: &State,
    table: &'t Table,
    condition: &Condition,
) -> Result<Vec<(u64, &'t Row)>, DatabaseError> {
    let mut found = Vec::new();
    let mut check = |number: u64, row: &'t Row| -> Result<(), DatabaseError> {
        if holds(state, table, row, condition)? == Some(true) {
            found.push((number, row));
        }
        Ok(())
    };
    match keys(condition) {
        Some(keys) => {
            let mut numbers: Vec<u64> = keys.iter().filter_map(|key| table.by_key(key)).collect();
            numbers.sort_unstable();
            numbers.dedup();
            for number in numbers {
                check(number, &table.rows[&number])?;
            }
        }
        None => {
            for (number, row) in &table.rows {
                check(*number, row)?;
            }
        }
    }
    Ok(found)
}

/// When the row at the end of the lineage was soft-deleted, in the type that the table of `row` has for that.
pub(super) fn stamp_above(
    state: &State,
    table: &Table,
    row: &[Value],
    lineage: &Lineage,
) -> Result<Value, DatabaseError> {
    let mut from = (table, row);
    for (column, above) in &lineage.steps {
        let (table, row) = from;
        let above = state.table(above.name)?;
        let key = std::slice::from_ref(&row[table.at(column)?]);
        let Some(found) = above.by_key(key).and_then(|number| above.rows.get(&number)) else { return Ok(Value::Null) };
        from = (above, found);
    }
    let stamp = from.0.descriptor.deleted_at().map_or(Value::Null, |at| from.1[at].clone());
    Ok(match table.descriptor.deleted_at() {
        Some(at) => stamp.at_same_instant(table.descriptor.columns[at].ty.scalar),
        None => Value::Null,
    })
}

/// The keys that a condition names, if no other row can fulfil it.
fn keys(condition: &Condition) -> Option<&[Vec<Value>]> {
    match condition {
        Condition::Keys(keys) => Some(keys),
        Condition::All(parts) => parts.iter().find_map(keys),
        _ => None,
    }
}

/// `AND`, or with `decisive` true `OR`: the value that decides does, else it is not known where a part is not.
fn every<'c>(
    parts: &'c [Condition],
    decisive: bool,
    mut holds: impl FnMut(&'c Condition) -> Result<Option<bool>, DatabaseError>,
) -> Result<Option<bool>, DatabaseError> {
    let mut result = Some(!decisive);
    for part in parts {
        match holds(part)? {
            Some(value) if value == decisive => return Ok(Some(decisive)),
            Some(_) => {}
            None => result = None,
        }
    }
    Ok(result)
}

fn leads(state: &State, table: &Table, row: &[Value], way: &Way, condition: &Condition) -> Result<bool, DatabaseError> {
    let from = &row[table.at(&way.column)?];
    if from.is_null() {
        return Ok(false);
    }
    let target = state.table((way.target)().name)?;
    let to = target.at(&way.target_column)?;
    if target.descriptor.key == [to] {
        let found = target.by_key(std::slice::from_ref(from)).and_then(|row| target.rows.get(&row));
        return match found {
            Some(row) => Ok(holds(state, target, row, condition)? == Some(true)),
            None => Ok(false),
        };
    }
    for row in target.rows.values() {
        let reached = equal(&row[to], from) == Some(true);
        if reached && holds(state, target, row, condition)? == Some(true) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The value of a term for a row.
pub(super) fn value(table: &Table, row: &[Value], term: &Term) -> Result<Value, DatabaseError> {
    Ok(match term {
        Term::Value(value) => value.clone(),
        Term::Column(name) => row[table.at(name)?].clone(),
        Term::Arithmetic(left, operator, right) => {
            let (left, right) = (value(table, row, left)?, value(table, row, right)?);
            if left.is_null() || right.is_null() {
                return Ok(Value::Null);
            }
            match (integer(&left), integer(&right)) {
                (Some(left), Some(right)) => {
                    let result = match operator {
                        Operator::Add => left.checked_add(right),
                        Operator::Subtract => left.checked_sub(right),
                        Operator::Multiply => left.checked_mul(right),
                    };
                    let result = result.and_then(|result| i64::try_from(result).ok());
                    Value::I64(result.ok_or_else(|| refused("calculate: the result is out of the range of integers"))?)
                }
                _ => match (float(&left), float(&right)) {
                    (Some(left), Some(right)) => Value::F64(match operator {
                        Operator::Add => left + right,
                        Operator::Subtract => left - right,
                        Operator::Multiply => left * right,
                    }),
                    _ => return Err(refused("calculate: the in-memory database calculates with integers and floats")),
                },
            }
        }
    })
}

/// Whether a text matches; without a difference of case, for ASCII letters.
fn matches(text: &str, pattern: &Pattern) -> bool {
    let fold = |character: char| if pattern.ignores_case() { character.to_ascii_lowercase() } else { character };
    let text: Vec<char> = text.chars().map(fold).collect();
    let mut parts = Vec::new();
    let mut characters = pattern.like().chars();
    while let Some(character) = characters.next() {
        parts.push(match character {
            '%' => Part::Any,
            '_' => Part::One,
            '\\' => Part::This(fold(characters.next().unwrap_or('\\'))),
            other => Part::This(fold(other)),
        });
    }
    // Where to go on when a guess at the length of the last `%` was wrong.
    let (mut at, mut part, mut again) = (0, 0, None);
    while at < text.len() {
        match parts.get(part) {
            Some(Part::Any) => {
                again = Some((at, part + 1));
                part += 1;
            }
            Some(Part::One) => (at, part) = (at + 1, part + 1),
            Some(Part::This(character)) if *character == text[at] => (at, part) = (at + 1, part + 1),
            _ => match again {
                Some((from, next)) => {
                    again = Some((from + 1, next));
                    (at, part) = (from + 1, next);
                }
                None => return false,
            },
        }
    }
    parts[part..].iter().all(|part| matches!(part, Part::Any))
}

enum Part {
    Any,
    One,
    This(char),
}
