//! The order of native enums, which PostgreSQL sorts by the order in which their values are declared.
//!
//! Where they are stored as text, each known value stands for its place among them, a number. A value that the program does
//! not know, kept by a catch-all variant, stands for itself: text, which SQLite sorts behind all numbers.

use super::{ColumnType, Value};

impl ColumnType {
    /// The values of the native enum that the column holds, in order, where they are known and one of them is a value of the
    /// column.
    pub(crate) fn ranks(self) -> Option<&'static [&'static str]> {
        (!self.array && !self.pg_labels.is_empty()).then_some(self.pg_labels)
    }
}

/// What a value of a native enum is compared by.
pub(crate) fn rank_of(labels: &[&str], value: &Value) -> Value {
    let place = match value {
        Value::Text(text) => labels.iter().position(|label| label == text),
        _ => None,
    };
    match place.and_then(|place| i64::try_from(place).ok()) {
        Some(place) => Value::I64(place),
        None => value.clone(),
    }
}
