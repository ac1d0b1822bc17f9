//! Queries for what belongs to rows.

use std::collections::HashMap;

use super::compare::{float, integer, key_form};
use super::condition::matching;
use super::read::sorted;
use super::table::{Row, State};
use crate::backend::Answer;
use crate::error::{DatabaseError, ErrorKind};
use crate::query::Condition;
use crate::statement::operation::{Output, Selection};
use crate::value::{ScalarType, Value};

/// The rows of `target` that refer to others by a column, so many for each; or those that another table links to others,
/// each behind what it is linked to.
pub(super) fn linked(
    state: &State,
    link: Option<&(&'static str, Condition, String)>,
    by: &str,
    limit: Option<u64>,
    target: &Selection,
) -> Result<Answer, DatabaseError> {
    let table = state.table(target.table)?;
    let columns = match &target.output {
        Output::Columns(columns) => columns.iter().map(|column| table.at(column)).collect::<Result<Vec<_>, _>>()?,
        _ => Vec::new(),
    };
    let rows = sorted(state, target)?;
    let pairs: Vec<(Value, &Row)> = match link {
        None => {
            let by = table.at(by)?;
            rows.into_iter().map(|row| (row[by].clone(), row)).collect()
        }
        Some((link, condition, to)) => {
            let link = state.table(link)?;
            let (from, to) = (link.at(by)?, link.at(to)?);
            let mut linked: HashMap<Value, Vec<Value>> = HashMap::new();
            for (_, row) in matching(state, link, condition)? {
                linked.entry(key_form(&row[to])).or_default().push(row[from].clone());
            }
            let key = table.descriptor.key.first().copied().unwrap_or_default();
            let of_row = |row| -> Vec<(Value, &Row)> {
                let row: &Row = row;
                let owners = linked.get(&key_form(&row[key])).cloned().unwrap_or_default();
                owners.into_iter().map(|owner| (owner, row)).collect()
            };
            rows.into_iter().flat_map(of_row).collect()
        }
    };
    let mut seen: HashMap<Value, u64> = HashMap::new();
    let mut answer = Vec::with_capacity(pairs.len());
    for (owner, row) in pairs {
        let count = seen.entry(key_form(&owner)).or_default();
        *count += 1;
        if limit.is_some_and(|limit| *count > limit) {
            continue;
        }
        let values = columns.iter().map(|&at| row[at].clone());
        answer.push(link.map(|_| owner).into_iter().chain(values).collect());
    }
    Ok(Answer { rows: answer, affected: 0 })
}

/// For each value of a column the number of rows, and sums of others.
pub(super) fn group(
    state: &State,
    name: &str,
    condition: &Condition,
    by: &str,
    sums: &[String],
) -> Result<Answer, DatabaseError> {
    let table = state.table(name)?;
    let by = table.at(by)?;
    let sums = sums.iter().map(|column| table.at(column)).collect::<Result<Vec<_>, _>>()?;
    let mut order = Vec::new();
    let mut groups: HashMap<Value, Vec<&Row>> = HashMap::new();
    for (_, row) in matching(state, table, condition)? {
        groups.entry(key_form(&row[by])).or_insert_with_key(|key| {
            order.push(key.clone());
            Vec::new()
        });
        groups.entry(key_form(&row[by])).or_default().push(row);
    }
    let mut rows = Vec::with_capacity(order.len());
    for key in order {
        let group = &groups[&key];
        let mut row = vec![group[0][by].clone(), Value::I64(i64::try_from(group.len()).unwrap_or(i64::MAX))];
        for &at in &sums {
            let is_float = matches!(table.descriptor.columns[at].ty.scalar, ScalarType::F32 | ScalarType::F64);
            let values: Vec<&Value> = group.iter().map(|row| &row[at]).collect();
            row.push(if is_float { Value::F64(values.into_iter().filter_map(float).sum()) } else { sum(&values)? });
        }
        rows.push(row);
    }
    Ok(Answer { rows, affected: 0 })
}

/// The sum of integers; zero, if there are none.
fn sum(values: &[&Value]) -> Result<Value, DatabaseError> {
    let sum: i128 = values.iter().filter_map(|value| integer(value)).sum();
    let error = |_| DatabaseError::new(ErrorKind::Database, "", "a sum of integers has more than 64 bits");
    i64::try_from(sum).map(Value::I64).map_err(error)
}
