//! Fields marked `#[table(json)]`.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::value::{ColumnType, Json, ScalarType, Value, ValueError};

/// The type of a `#[table(json)]` field.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be stored as JSON",
    label = "not serializable both ways",
    note = "derive `serde::Serialize` and `serde::Deserialize` for `{Self}`"
)]
pub trait JsonColumn: Sized {
    /// The column's type.
    const TYPE: ColumnType = ColumnType::scalar(ScalarType::Json);

    /// The stored form.
    ///
    /// # Errors
    /// When the value does not serialize.
    fn to_json(&self) -> Result<Value, ValueError>;

    /// Reads the stored form.
    ///
    /// # Errors
    /// When the stored JSON does not have the shape of the type.
    fn from_json(value: Value) -> Result<Self, ValueError>;
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> JsonColumn for T {
    fn to_json(&self) -> Result<Value, ValueError> {
        Json::<()>::encode(self)
    }

    fn from_json(value: Value) -> Result<Self, ValueError> {
        Json::<()>::decode(value)
    }
}
