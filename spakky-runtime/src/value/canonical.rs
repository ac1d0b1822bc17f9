//! One form for what different backends return.
//!
//! SQLite has five storage classes, so that a uuid comes back as bytes and a timestamp as text. Before values are compared
//! or used as keys they are brought into the form that writing them has.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use uuid::Uuid;

use super::native::received;
use super::sequence::decode_text;
use super::{ColumnType, ColumnValue, ScalarType, Value, ValueError};
use crate::backend::Backend;

impl ColumnType {
    /// Whether the value is for certain as [`canonical`](Self::canonical) would make it. By far the most are.
    pub(crate) fn is_canonical(self, value: &Value) -> bool {
        value.is_null() || (!self.array && is_own(self.scalar, value))
    }

    /// The value as writing one of this type gives it.
    ///
    /// # Errors
    /// When the value is of another type.
    pub(crate) fn canonical(self, value: Value, backend: Backend) -> Result<Value, ValueError> {
        if self.is_canonical(&value) {
            return Ok(value);
        }
        if self.array {
            let items = match value {
                Value::Array(items) => items,
                Value::Text(text) => decode_text(&text, self.scalar)?,
                other => return Err(ValueError::mismatch("array", &other)),
            };
            let items = items.into_iter().map(|item| scalar(self.scalar, item, backend));
            return items.collect::<Result<_, _>>().map(Value::Array);
        }
        scalar(self.scalar, value, backend)
    }
}

/// Whether the value has the form that writing one of this type has.
fn is_own(ty: ScalarType, value: &Value) -> bool {
    matches!(
        (ty, value),
        (ScalarType::Bool, Value::Bool(_))
            | (ScalarType::I16, Value::I16(_))
            | (ScalarType::I32, Value::I32(_))
            | (ScalarType::I64, Value::I64(_))
            | (ScalarType::Text, Value::Text(_))
            | (ScalarType::Bytes, Value::Bytes(_))
            | (ScalarType::Uuid, Value::Uuid(_))
            | (ScalarType::TimestampTz, Value::TimestampTz(_))
            | (ScalarType::Decimal, Value::Decimal(_))
            | (ScalarType::Json, Value::Json(_))
    )
}

fn scalar(ty: ScalarType, value: Value, backend: Backend) -> Result<Value, ValueError> {
    fn through<T: ColumnValue>(value: Value) -> Result<Value, ValueError> {
        T::from_value(value)?.to_value()
    }
    if is_own(ty, &value) {
        return Ok(value);
    }
    match (ty, value) {
        (_, Value::Null) => Ok(Value::Null),
        (ScalarType::Decimal, Value::Text(text)) => Ok(Value::Decimal(text)),
        (ScalarType::Bool, value) => through::<bool>(value),
        (ScalarType::I16, value) => through::<i16>(value),
        (ScalarType::I32, value) => through::<i32>(value),
        (ScalarType::I64, value) => through::<i64>(value),
        (ScalarType::F32, value) => through::<f32>(value),
        (ScalarType::F64, value) => through::<f64>(value),
        (ScalarType::Text, value) => through::<String>(value),
        (ScalarType::Bytes, value) => through::<Vec<u8>>(value),
        (ScalarType::Uuid, value) => through::<Uuid>(value),
        (ScalarType::TimestampTz, value) => through::<DateTime<Utc>>(value),
        (ScalarType::Timestamp, value) => through::<NaiveDateTime>(value),
        (ScalarType::Date, value) => through::<NaiveDate>(value),
        (ScalarType::Time, value) => through::<NaiveTime>(value),
        (ScalarType::Json, value) => through::<serde_json::Value>(value),
        (ScalarType::Native(ty), value) => ty.canonical(received(value, backend)?),
        (ScalarType::Decimal, other) => Err(ValueError::mismatch("numeric", &other)),
    }
}
