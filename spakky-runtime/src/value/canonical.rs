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
    /// The value as writing one of this type gives it.
    ///
    /// # Errors
    /// When the value is of another type.
    pub(crate) fn canonical(self, value: Value, backend: Backend) -> Result<Value, ValueError> {
        if value.is_null() {
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

fn scalar(ty: ScalarType, value: Value, backend: Backend) -> Result<Value, ValueError> {
    fn through<T: ColumnValue>(value: Value) -> Result<Value, ValueError> {
        T::from_value(value)?.to_value()
    }
    match (ty, value) {
        (_, Value::Null) => Ok(Value::Null),
        // By far the most frequent: already so.
        (ScalarType::Text, value @ Value::Text(_))
        | (ScalarType::I64, value @ Value::I64(_))
        | (ScalarType::Uuid, value @ Value::Uuid(_))
        | (ScalarType::TimestampTz, value @ Value::TimestampTz(_))
        | (ScalarType::Json, value @ Value::Json(_))
        | (ScalarType::Bytes, value @ Value::Bytes(_))
        | (ScalarType::Decimal, value @ Value::Decimal(_)) => Ok(value),
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
