//! The type map: how a Rust value becomes a column and back.
//!
//! A value crosses the library as a [`Value`], which knows nothing of a backend; each backend turns
//! values into its wire form in one place (`backend/*/wire.rs`). A type takes part by implementing
//! [`ColumnValue`], which [`derive(ColumnValue)`](https://docs.rs/spakky) writes for newtypes and unit enums.

mod canonical;
mod column_type;
mod decimal;
mod error;
mod json;
mod native;
mod rank;
mod row_column;
mod scalar;
pub(crate) mod sequence;
pub(crate) mod temporal;

pub use column_type::{ColumnType, ScalarType};
pub use error::ValueError;
pub use json::{Json, Recode};
pub(crate) use native::TypeName;
pub use native::{Codec, Codecs, NativeColumn, NativeType, NativeValue, from_native, to_native};
pub(crate) use rank::rank_of;
pub use row_column::RowColumn;
pub use sequence::ArrayElement;
pub use temporal::now_micros;
pub(crate) use temporal::to_text as temporal_text;

use std::hash::{Hash, Hasher};

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use uuid::Uuid;

/// One column's value, independent of any backend.
///
/// Two values are equal when they would be stored as the same bytes: floats compare by their bits, so
/// that a `NaN` that was loaded is not seen as a change.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Value {
    /// SQL `NULL`.
    Null,
    /// `bool`; SQLite stores 0 and 1.
    Bool(bool),
    /// 16-bit integer.
    I16(i16),
    /// 32-bit integer.
    I32(i32),
    /// 64-bit integer.
    I64(i64),
    /// 32-bit float.
    F32(f32),
    /// 64-bit float.
    F64(f64),
    /// Text.
    Text(String),
    /// Binary data.
    Bytes(Vec<u8>),
    /// `uuid`; SQLite stores 16 bytes.
    Uuid(Uuid),
    /// `timestamptz`, microseconds, UTC.
    TimestampTz(DateTime<Utc>),
    /// `timestamp`, microseconds.
    Timestamp(NaiveDateTime),
    /// `date`.
    Date(NaiveDate),
    /// `time`, microseconds.
    Time(NaiveTime),
    /// An exact decimal in plain notation (`-12.50`); `numeric` on PostgreSQL, text on SQLite.
    Decimal(String),
    /// `jsonb`; SQLite stores the text.
    Json(serde_json::Value),
    /// An array of scalars; SQLite stores JSON text.
    Array(Vec<Value>),
    /// A value of a type that only the database knows, from `#[column(sql_type = path)]`.
    Native(Box<NativeValue>),
    /// A stored value that no Rust type can hold, such as an infinite timestamp, and why. Whoever reads it gets this
    /// error, with table and column; it cannot be written.
    Unreadable(ValueError),
    /// Stands for an id in the statements of a flush until the database has drawn it; no row ever holds it.
    #[doc(hidden)]
    Drawn(DrawnId),
    /// Stands in a statement for the array of what many rows have in one column; no row ever holds it.
    #[doc(hidden)]
    Column(RowColumn),
}

/// Which of the ids that a flush has drawn.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DrawnId {
    /// Which draw.
    pub(crate) draw: usize,
    /// Which of its ids.
    pub(crate) position: usize,
}

impl Value {
    /// Whether this is SQL `NULL`.
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// The name of the variant, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "bool",
            Value::I16(_) => "int2",
            Value::I32(_) => "int4",
            Value::I64(_) => "int8",
            Value::F32(_) => "float4",
            Value::F64(_) => "float8",
            Value::Text(_) => "text",
            Value::Bytes(_) => "bytes",
            Value::Uuid(_) => "uuid",
            Value::TimestampTz(_) => "timestamptz",
            Value::Timestamp(_) => "timestamp",
            Value::Date(_) => "date",
            Value::Time(_) => "time",
            Value::Decimal(_) => "numeric",
            Value::Json(_) => "json",
            Value::Array(_) => "array",
            Value::Native(_) => "a native value",
            Value::Unreadable(_) => "an unreadable value",
            Value::Drawn(_) => "an id to be drawn",
            Value::Column(_) => "a column of rows",
        }
    }
}

impl PartialEq for Value {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            // Most keys and all versions, and most columns of a row that is saved: no function is called for them.
            (Value::I64(a), Value::I64(b)) => a == b,
            (Value::I32(a), Value::I32(b)) => a == b,
            (Value::Uuid(a), Value::Uuid(b)) => a.as_u128() == b.as_u128(),
            (Value::Text(a), Value::Text(b)) => a == b,
            _ => is_equal(self, other),
        }
    }
}

fn is_equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Null, Value::Null) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::I16(a), Value::I16(b)) => a == b,
        (Value::I32(a), Value::I32(b)) => a == b,
        (Value::I64(a), Value::I64(b)) => a == b,
        (Value::F32(a), Value::F32(b)) => a.to_bits() == b.to_bits(),
        (Value::F64(a), Value::F64(b)) => a.to_bits() == b.to_bits(),
        (Value::Text(a), Value::Text(b)) | (Value::Decimal(a), Value::Decimal(b)) => a == b,
        (Value::Bytes(a), Value::Bytes(b)) => a == b,
        (Value::Uuid(a), Value::Uuid(b)) => a == b,
        (Value::TimestampTz(a), Value::TimestampTz(b)) => a == b,
        (Value::Timestamp(a), Value::Timestamp(b)) => a == b,
        (Value::Date(a), Value::Date(b)) => a == b,
        (Value::Time(a), Value::Time(b)) => a == b,
        (Value::Json(a), Value::Json(b)) => a == b,
        (Value::Array(a), Value::Array(b)) => a == b,
        (Value::Native(a), Value::Native(b)) => a == b,
        (Value::Unreadable(a), Value::Unreadable(b)) => a == b,
        (Value::Drawn(a), Value::Drawn(b)) => a == b,
        (Value::Column(a), Value::Column(b)) => a.values().eq(b.values()),
        _ => false,
    }
}

impl Eq for Value {}

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::mem::discriminant(self).hash(state);
        match self {
            Value::Null => {}
            Value::Bool(v) => v.hash(state),
            Value::I16(v) => v.hash(state),
            Value::I32(v) => v.hash(state),
            Value::I64(v) => v.hash(state),
            Value::F32(v) => v.to_bits().hash(state),
            Value::F64(v) => v.to_bits().hash(state),
            Value::Text(v) | Value::Decimal(v) => v.hash(state),
            Value::Bytes(v) => v.hash(state),
            Value::Uuid(v) => v.hash(state),
            Value::TimestampTz(v) => v.hash(state),
            Value::Timestamp(v) => v.hash(state),
            Value::Date(v) => v.hash(state),
            Value::Time(v) => v.hash(state),
            Value::Json(v) => v.hash(state),
            Value::Array(v) => v.hash(state),
            Value::Native(v) => v.hash(state),
            Value::Unreadable(v) => v.hash(state),
            Value::Drawn(v) => v.hash(state),
            Value::Column(v) => v.values().for_each(|value| value.hash(state)),
        }
    }
}

/// A Rust type that can be stored in a column.
///
/// Derive it for newtypes and unit enums; the library implements it for the scalars of the type map,
/// `Option<T>`, `Vec<T>` of scalars and [`Json<T>`].
///
/// ```
/// use spakky_runtime::value::{ColumnValue, Value};
///
/// assert_eq!(7_i64.to_value().unwrap(), Value::I64(7));
/// assert_eq!(Option::<i64>::from_value(Value::Null).unwrap(), None);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be stored in a column",
    label = "not a column type",
    note = "derive `ColumnValue` for `{Self}`, or mark the field `#[table(json)]` to store it as JSON"
)]
pub trait ColumnValue: Sized {
    /// The column's type, the same on every backend up to its spelling.
    const TYPE: ColumnType;

    /// The stored form.
    ///
    /// # Errors
    /// When no backend can hold the value, as for text with a NUL character.
    fn to_value(&self) -> Result<Value, ValueError>;

    /// Reads the stored form, as any backend returns it: a `Uuid` accepts 16 bytes, a timestamp accepts text.
    ///
    /// # Errors
    /// When the stored value is of another type, out of range, or unknown to an enum.
    fn from_value(value: Value) -> Result<Self, ValueError>;
}
