//! Fields marked `#[table(json)]`.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::value::{ColumnType, Json, Value, ValueError};

/// The type of a `#[table(json)]` field.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be stored as JSON",
    label = "not serializable both ways",
    note = "derive `serde::Serialize` and `serde::Deserialize` for `{Self}`"
)]
pub trait JsonColumn: Sized {
    /// The column's type, but for whether it has a place for NULL.
    const TYPE: ColumnType;

    /// The stored form. An `Option` that is `None` is NULL.
    ///
    /// # Errors
    /// When the value does not serialize.
    fn to_json<const OPTIONAL: bool>(&self) -> Result<Value, ValueError>;

    /// Reads the stored form.
    ///
    /// # Errors
    /// When the stored JSON does not have the shape of the type.
    fn from_json<const OPTIONAL: bool>(value: Value) -> Result<Self, ValueError>;
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> JsonColumn for T {
    const TYPE: ColumnType = Json::<T>::column_type::<T>();

    fn to_json<const OPTIONAL: bool>(&self) -> Result<Value, ValueError> {
        let value = Json::<()>::encode(self)?;
        Ok(if OPTIONAL && is_null(&value) { Value::Null } else { value })
    }

    fn from_json<const OPTIONAL: bool>(value: Value) -> Result<Self, ValueError> {
        Json::<()>::decode(if OPTIONAL && value.is_null() { Value::Json(serde_json::Value::Null) } else { value })
    }
}

fn is_null(value: &Value) -> bool {
    matches!(value, Value::Json(serde_json::Value::Null))
}

/// Asks whether a type is an `Option`, and of what, as [`JsonColumn`] is there for all that serde knows:
/// `JsonForm::<T>::OPTIONAL`, with [`NoOption`] in scope.
#[derive(Debug)]
pub struct JsonForm<T>(PhantomData<T>);

impl<T> JsonForm<Option<T>> {
    /// It is.
    pub const OPTIONAL: bool = true;
}

/// The answer for all other types.
pub trait NoOption {
    /// It is not.
    const OPTIONAL: bool = false;
}

impl<T> NoOption for JsonForm<T> {}
