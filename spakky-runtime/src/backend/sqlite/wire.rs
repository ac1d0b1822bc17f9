//! The type map's last step: a [`Value`] as one of SQLite's five storage classes.
//!
//! The way back is shorter: a column is read by the storage class it has, and `ColumnValue::from_value` accepts that
//! form (a `Uuid` its 16 bytes, a timestamp its text). Text of dates and times sorts as they do, which text of decimals
//! does not: comparing those is refused where a query is built.

use crate::backend::Bind;
use crate::value::{Value, ValueError, sequence, temporal};

/// A value as SQLite stores it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Wire {
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
    Blob(Vec<u8>),
}

/// Refuses what SQLite cannot hold, when the value is queued and not when it is written.
///
/// # Errors
/// For a NaN (it would be read back as NULL), for text with a NUL character (SQLite's own functions stop there), and for
/// an array in an array.
pub(crate) fn check(value: &Value) -> Result<(), ValueError> {
    match value {
        Value::F32(value) if value.is_nan() => Err(nan()),
        Value::F64(value) if value.is_nan() => Err(nan()),
        Value::Text(text) | Value::Decimal(text) if text.contains('\0') => Err(nul()),
        Value::Native(value) => check(value.sqlite()?),
        Value::Array(items) => items.iter().try_for_each(|item| match item {
            Value::Array(_) => Err(ValueError::new("an array inside an array cannot be stored")),
            other => check(other),
        }),
        _ => Ok(()),
    }
}

/// The values of one statement.
pub(super) fn encode_all(binds: Vec<Bind>) -> Result<Vec<Wire>, ValueError> {
    binds.into_iter().map(|bind| encode(bind.value)).collect()
}

/// The form in which SQLite stores a value.
pub(super) fn encode(value: Value) -> Result<Wire, ValueError> {
    check(&value)?;
    Ok(match value {
        Value::Null => Wire::Null,
        Value::Bool(value) => Wire::Integer(i64::from(value)),
        Value::I16(value) => Wire::Integer(i64::from(value)),
        Value::I32(value) => Wire::Integer(i64::from(value)),
        Value::I64(value) => Wire::Integer(value),
        Value::F32(value) => Wire::Real(f64::from(value)),
        Value::F64(value) => Wire::Real(value),
        Value::Text(value) | Value::Decimal(value) => Wire::Text(value),
        Value::Bytes(value) => Wire::Blob(value),
        Value::Uuid(value) => Wire::Blob(value.as_bytes().to_vec()),
        Value::TimestampTz(_) | Value::Timestamp(_) | Value::Date(_) | Value::Time(_) => {
            temporal::to_text(&value).map_or(Wire::Null, Wire::Text)
        }
        Value::Json(document) => Wire::Text(document.to_string()),
        Value::Array(items) => Wire::Text(sequence::to_text(&items)?),
        Value::Native(value) => encode(value.sqlite()?.clone())?,
        Value::Unreadable(reason) => return Err(reason),
        Value::Drawn(_) => return Err(ValueError::new("an id was not drawn before it was needed")),
        Value::Column(_) => return Err(ValueError::new("SQLite has no arrays")),
    })
}

fn nan() -> ValueError {
    ValueError::new("a NaN cannot be stored on SQLite, which reads it back as null; store a null or refuse it earlier")
}

fn nul() -> ValueError {
    ValueError::new("text with a NUL character cannot be stored; remove it or store bytes")
}
