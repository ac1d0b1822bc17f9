//! Values as diesel hands them over, by backend.

use diesel::backend::Backend;
use diesel::serialize::{self, Output};

use crate::value::{ColumnType, Value};

/// A backend of diesel's that the library stores values on.
pub trait DieselBackend: Backend {
    /// What a column of this type holds. A value that no Rust type can hold is an error only to who reads it.
    fn read(value: Option<Self::RawValue<'_>>, ty: &ColumnType) -> Value;

    /// Writes a parameter.
    ///
    /// # Errors
    /// When the backend cannot hold the value.
    fn write(value: Value, ty: &ColumnType, out: &mut Output<'_, '_, Self>) -> serialize::Result;
}

#[cfg(feature = "postgres")]
impl DieselBackend for diesel::pg::Pg {
    fn read(value: Option<Self::RawValue<'_>>, ty: &ColumnType) -> Value {
        match value {
            None => Value::Null,
            Some(value) => crate::backend::postgres::column_value(value.get_oid().get(), value.as_bytes(), ty),
        }
    }

    fn write(value: Value, ty: &ColumnType, out: &mut Output<'_, '_, Self>) -> serialize::Result {
        if value.is_null() {
            return Ok(serialize::IsNull::Yes);
        }
        let bytes = crate::backend::postgres::column_bytes(&value, ty)?;
        std::io::Write::write_all(out, &bytes)?;
        Ok(serialize::IsNull::No)
    }
}

#[cfg(feature = "sqlite")]
impl DieselBackend for diesel::sqlite::Sqlite {
    fn read(value: Option<Self::RawValue<'_>>, _: &ColumnType) -> Value {
        crate::backend::sqlite::column_value(value)
    }

    fn write(value: Value, _: &ColumnType, out: &mut Output<'_, '_, Self>) -> serialize::Result {
        crate::backend::sqlite::set_value(value, out)
    }
}
