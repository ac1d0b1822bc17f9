//! Queries.

use super::compare::{float, integer, rank};
use super::condition::matching;
use super::table::{Row, State};
use crate::backend::Answer;
use crate::error::DatabaseError;
use crate::statement::operation::{Output, Selection};
use crate::value::Value;

/// Runs a query. The answers of functions have the form that they have on SQLite.
pub(super) fn select(state: &State, selection: &Selection) -> Result<Answer, DatabaseError> {
    let table = state.table(selection.table)?;
    let rows = sorted(state, selection)?;
    let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let rows =
        rows.into_iter().skip(selection.offset.map_or(0, number)).take(selection.limit.map_or(usize::MAX, number));
    let rows: Vec<Vec<Value>> = match &selection.output {
        Output::Columns(columns) => {
            let columns = columns.iter().map(|column| table.at(column)).collect::<Result<Vec<_>, _>>()?;
            rows.map(|row| columns.iter().map(|&at| row[at].clone()).collect()).collect()
        }
        Output::Count => vec![vec![Value::I64(i64::try_from(rows.count()).unwrap_or(i64::MAX))]],
        Output::Exists => vec![vec![Value::I64(i64::from(rows.count() > 0))]],
        Output::Sum(column) => {
            let at = table.at(column)?;
            vec![sum(rows.map(|row| &row[at]).filter(|value| !value.is_null()))]
        }
        Output::Average(column) => {
            let at = table.at(column)?;
            let values: Vec<f64> = rows.filter_map(|row| float(&row[at])).collect();
            let mean = (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64);
            vec![vec![mean.map_or(Value::Null, Value::F64)]]
        }
    };
    Ok(Answer { rows, affected: 0 })
}

/// The rows that a query is about, in its order.
pub(super) fn sorted<'s>(state: &'s State, selection: &Selection) -> Result<Vec<&'s Row>, DatabaseError> {
    let table = state.table(selection.table)?;
    let mut rows: Vec<&Row> = matching(state, table, &selection.condition)?.into_iter().map(|(_, row)| row).collect();
    let mut order = Vec::with_capacity(selection.order.len());
    for ordering in &selection.order {
        order.push((table.at(&ordering.column)?, ordering));
    }
    rows.sort_by(|left, right| {
        let ranks = order.iter().map(|(at, by)| {
            let ty = table.descriptor.columns[*at].ty;
            rank(ty, &left[*at], &right[*at], by.descending, by.nulls)
        });
        ranks.into_iter().find(|rank| rank.is_ne()).unwrap_or(std::cmp::Ordering::Equal)
    });
    Ok(rows)
}

/// The sum: of integers in two parts, as it may have more bits than one of them.
fn sum<'v>(values: impl Iterator<Item = &'v Value>) -> Vec<Value> {
    let values: Vec<&Value> = values.collect();
    if values.is_empty() {
        return vec![Value::Null];
    }
    match values.iter().map(|value| integer(value)).sum::<Option<i128>>() {
        Some(sum) => {
            let low = sum & 0xffff_ffff;
            let part = |part: i128| Value::I64(i64::try_from(part).unwrap_or(i64::MAX));
            vec![part((sum - low) >> 32), part(low)]
        }
        None => vec![Value::F64(values.iter().filter_map(|value| float(value)).sum())],
    }
}
