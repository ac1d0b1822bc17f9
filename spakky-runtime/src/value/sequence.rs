//! Arrays of scalars: arrays on PostgreSQL, JSON text on SQLite.

use serde_json::Value as Document;

use super::{ColumnType, ColumnValue, ScalarType, Value, ValueError};

/// A type that can be the element of an array column. `u8` is not one: `Vec<u8>` is binary data.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the element of an array column",
    label = "not an array element",
    note = "derive `ColumnValue` for `{Self}`, or mark the field `#[table(json)]` to store the whole list as JSON"
)]
pub trait ArrayElement: ColumnValue {}

macro_rules! array_element {
    ($($ty:ty)+) => {$( impl ArrayElement for $ty {} )+};
}

array_element! {
    bool i16 i32 i64 f32 f64 String uuid::Uuid Vec<u8>
    chrono::DateTime<chrono::Utc> chrono::NaiveDateTime chrono::NaiveDate chrono::NaiveTime
}

impl<T: ArrayElement> ArrayElement for Option<T> {}

impl<T: ArrayElement> ColumnValue for Vec<T> {
    const TYPE: ColumnType = T::TYPE.array();

    fn to_value(&self) -> Result<Value, ValueError> {
        self.iter().map(T::to_value).collect::<Result<_, _>>().map(Value::Array)
    }

    fn from_value(value: Value) -> Result<Self, ValueError> {
        match value {
            Value::Array(items) => items.into_iter().map(T::from_value).collect(),
            Value::Text(text) => decode_text(&text, T::TYPE.scalar)?.into_iter().map(T::from_value).collect(),
            other => Err(ValueError::mismatch("array", &other)),
        }
    }
}

/// The JSON text in which SQLite stores an array.
pub(crate) fn to_text(items: &[Value]) -> Result<String, ValueError> {
    let items = items.iter().map(item_to_json).collect::<Result<Vec<_>, _>>()?;
    Ok(Document::Array(items).to_string())
}

fn item_to_json(item: &Value) -> Result<Document, ValueError> {
    Ok(match item {
        Value::Null => Document::Null,
        Value::Bool(value) => Document::Bool(*value),
        Value::I16(value) => Document::from(*value),
        Value::I32(value) => Document::from(*value),
        Value::I64(value) => Document::from(*value),
        // As text, since JSON has no infinities and a reader of 32-bit floats would round. A negative zero loses its sign, as
        // it does in a column of SQLite, so that arrays that are equal are so as texts.
        Value::F32(value) => Document::from((value + 0.0).to_string()),
        Value::F64(value) => Document::from((value + 0.0).to_string()),
        Value::Text(value) | Value::Decimal(value) => Document::from(value.as_str()),
        Value::Bytes(value) => Document::from(value.iter().map(|byte| format!("{byte:02x}")).collect::<String>()),
        Value::Uuid(value) => Document::from(value.to_string()),
        Value::Json(value) => value.clone(),
        Value::TimestampTz(_) | Value::Timestamp(_) | Value::Date(_) | Value::Time(_) => {
            Document::from(super::temporal::to_text(item))
        }
        Value::Native(value) => item_to_json(value.sqlite()?)?,
        Value::Array(_) | Value::Column(_) => return Err(ValueError::new("an array inside an array cannot be stored")),
        Value::Unreadable(reason) => return Err(reason.clone()),
        Value::Drawn(_) => return Err(ValueError::new("an id that is yet to be drawn has no text")),
    })
}

pub(super) fn decode_text(text: &str, scalar: ScalarType) -> Result<Vec<Value>, ValueError> {
    let not_array = || ValueError::new(format!("the stored text is not a JSON array of {scalar:?}"));
    let items: Vec<Document> = serde_json::from_str(text).map_err(|_| not_array())?;
    items.into_iter().map(|item| item_from_json(item, scalar).ok_or_else(not_array)).collect()
}

fn item_from_json(item: Document, scalar: ScalarType) -> Option<Value> {
    // A value that only the database knows is stored as one of SQLite's classes.
    let scalar = match scalar {
        ScalarType::Native(_) => match scalar.sqlite_name() {
            "BLOB" => ScalarType::Bytes,
            "REAL" => ScalarType::F64,
            _ => ScalarType::Text,
        },
        scalar => scalar,
    };
    Some(match (scalar, item) {
        (_, Document::Null) => Value::Null,
        (_, Document::Bool(value)) => Value::Bool(value),
        (ScalarType::Uuid, Document::String(text)) => Value::Uuid(text.parse().ok()?),
        (ScalarType::F32, Document::String(text)) => Value::F32(text.parse().ok()?),
        (ScalarType::F64, Document::String(text)) => Value::F64(text.parse().ok()?),
        (ScalarType::Bytes, Document::String(text)) => Value::Bytes(decode_hex(&text)?),
        (ScalarType::Json, document) => Value::Json(document),
        (_, Document::String(text)) => Value::Text(text),
        (_, Document::Number(number)) => Value::I64(number.as_i64()?),
        _ => return None,
    })
}

fn decode_hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|start| text.get(start..start + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok()))
        .collect()
}
