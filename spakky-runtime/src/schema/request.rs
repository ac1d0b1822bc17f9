//! What requests from outside may name.

use crate::schema::Column;
use crate::value::{ColumnType, ColumnValue, Value, ValueError};

/// A field that requests from outside may name, as `filterable(..)` or `sortable(..)` does: `status`, `ship.street` in
/// a flattened struct, `customer.name` in the row that `customer_id` refers to.
#[derive(Debug, Clone, Copy)]
pub struct RequestField {
    /// The name in the request.
    pub name: &'static str,
    /// Reads a value and gives its stored form, so that what the Rust type does not know is refused before it is sent.
    pub read: fn(Value) -> Result<Value, ValueError>,
}

impl RequestField {
    /// The field of this column.
    pub const fn of<Row, T: ColumnValue>(name: &'static str, _: &Column<Row, T>) -> Self {
        RequestField { name, read: |value| T::from_value(value)?.to_value() }
    }

    /// The type of a column, for a check.
    #[doc(hidden)]
    pub const fn type_of<Row, T: ColumnValue>(_: &Column<Row, T>) -> ColumnType {
        T::TYPE
    }
}
