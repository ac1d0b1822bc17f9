//! How values compare, as in a database: numbers of any width, decimals whatever their spelling.

use std::cmp::Ordering;

use crate::query::{Comparison, NullsPlace};
use crate::value::{ColumnType, Value, rank_of};

/// The order of two values of a column that are not NULL; none where they are of kinds that have none between them.
pub(super) fn order(ty: ColumnType, left: &Value, right: &Value) -> Option<Ordering> {
    match ty.ranks() {
        Some(labels) => Some(match (rank_of(labels, left), rank_of(labels, right)) {
            (Value::I64(_), Value::Text(_)) => Ordering::Less,
            (Value::Text(_), Value::I64(_)) => Ordering::Greater,
            (left, right) => plain_order(&left, &right)?,
        }),
        None => plain_order(left, right),
    }
}

fn plain_order(left: &Value, right: &Value) -> Option<Ordering> {
    Some(match (left, right) {
        (Value::Bool(left), Value::Bool(right)) => left.cmp(right),
        (Value::Text(left), Value::Text(right)) => left.cmp(right),
        (Value::Bytes(left), Value::Bytes(right)) => left.cmp(right),
        (Value::Uuid(left), Value::Uuid(right)) => left.cmp(right),
        (Value::TimestampTz(left), Value::TimestampTz(right)) => left.cmp(right),
        (Value::Timestamp(left), Value::Timestamp(right)) => left.cmp(right),
        (Value::Date(left), Value::Date(right)) => left.cmp(right),
        (Value::Time(left), Value::Time(right)) => left.cmp(right),
        _ => match (integer(left), integer(right)) {
            (Some(left), Some(right)) => left.cmp(&right),
            _ => {
                let (left, right) = (float(left)?, float(right)?);
                left.partial_cmp(&right).unwrap_or_else(|| left.total_cmp(&right))
            }
        },
    })
}

/// Whether two values that are not NULL are the same to a database.
pub(super) fn same(left: &Value, right: &Value) -> bool {
    match plain_order(left, right) {
        Some(order) => order.is_eq(),
        None => key_form(left) == key_form(right),
    }
}

/// A comparison of values of a column; none where a side is NULL.
pub(super) fn compare(ty: ColumnType, left: &Value, comparison: Comparison, right: &Value) -> Option<bool> {
    match comparison {
        Comparison::Eq => equal(left, right),
        Comparison::Ne => equal(left, right).map(|equal| !equal),
        _ if left.is_null() || right.is_null() => None,
        comparison => Some(fits(order(ty, left, right)?, comparison)),
    }
}

/// Whether two values are the same; none where a side is NULL.
pub(super) fn equal(left: &Value, right: &Value) -> Option<bool> {
    (!left.is_null() && !right.is_null()).then(|| same(left, right))
}

/// Whether an order is what a comparison asks for.
pub(super) fn fits(order: Ordering, comparison: Comparison) -> bool {
    match comparison {
        Comparison::Eq => order.is_eq(),
        Comparison::Ne => order.is_ne(),
        Comparison::Lt => order.is_lt(),
        Comparison::Le => order.is_le(),
        Comparison::Gt => order.is_gt(),
        Comparison::Ge => order.is_ge(),
    }
}

/// The order of rows by one column, NULL first or last.
pub(super) fn rank(
    ty: ColumnType,
    left: &Value,
    right: &Value,
    descending: bool,
    nulls: Option<NullsPlace>,
) -> Ordering {
    let nulls = nulls.unwrap_or(if descending { NullsPlace::First } else { NullsPlace::Last });
    let null = if nulls == NullsPlace::First { Ordering::Less } else { Ordering::Greater };
    match (left.is_null(), right.is_null()) {
        (true, true) => Ordering::Equal,
        (true, false) => null,
        (false, true) => null.reverse(),
        (false, false) => {
            let order = order(ty, left, right).unwrap_or(Ordering::Equal);
            if descending { order.reverse() } else { order }
        }
    }
}

/// A value as one that is the same for all its spellings.
pub(super) fn key_form(value: &Value) -> Value {
    match value {
        Value::Decimal(text) if text.contains('.') => {
            Value::Decimal(text.trim_end_matches('0').trim_end_matches('.').to_owned())
        }
        other => other.clone(),
    }
}

pub(super) fn integer(value: &Value) -> Option<i128> {
    match value {
        Value::I16(value) => Some((*value).into()),
        Value::I32(value) => Some((*value).into()),
        Value::I64(value) => Some((*value).into()),
        _ => None,
    }
}

pub(super) fn float(value: &Value) -> Option<f64> {
    match value {
        Value::F32(value) => Some((*value).into()),
        Value::F64(value) => Some(*value),
        other => integer(other).map(|value| value as f64),
    }
}
