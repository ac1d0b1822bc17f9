//! Scalars, `Option` and `Uuid`.

use uuid::Uuid;

use super::{ColumnType, ColumnValue, ScalarType, Value, ValueError};

impl ColumnValue for bool {
    const TYPE: ColumnType = ColumnType::scalar(ScalarType::Bool);

    fn to_value(&self) -> Result<Value, ValueError> {
        Ok(Value::Bool(*self))
    }

    fn from_value(value: Value) -> Result<Self, ValueError> {
        match value {
            Value::Bool(value) => Ok(value),
            Value::I64(0) => Ok(false),
            Value::I64(1) => Ok(true),
            other => Err(ValueError::mismatch("bool", &other)),
        }
    }
}

/// An integer reads any width that holds the value, as SQLite has only one.
macro_rules! integer {
    ($($ty:ty => $variant:ident, $name:literal;)+) => {$(
        impl ColumnValue for $ty {
            const TYPE: ColumnType = ColumnType::scalar(ScalarType::$variant);

            fn to_value(&self) -> Result<Value, ValueError> {
                Ok(Value::$variant(*self))
            }

            fn from_value(value: Value) -> Result<Self, ValueError> {
                let wide = match value {
                    Value::I16(value) => i64::from(value),
                    Value::I32(value) => i64::from(value),
                    Value::I64(value) => value,
                    other => return Err(ValueError::mismatch($name, &other)),
                };
                <$ty>::try_from(wide).map_err(|_| ValueError::new(concat!("the number does not fit ", $name)).with_detail(format!(concat!("{} does not fit ", $name), wide)))
            }
        }
    )+};
}

integer! {
    i16 => I16, "int2";
    i32 => I32, "int4";
    i64 => I64, "int8";
}

/// A number that the type cannot hold exactly.
fn unfit(number: impl std::fmt::Display, ty: &str) -> ValueError {
    ValueError::new(format!("the number does not fit {ty}")).with_detail(format!("{number} does not fit {ty}"))
}

impl ColumnValue for f32 {
    const TYPE: ColumnType = ColumnType::scalar(ScalarType::F32);

    fn to_value(&self) -> Result<Value, ValueError> {
        Ok(Value::F32(*self))
    }

    fn from_value(value: Value) -> Result<Self, ValueError> {
        match value {
            Value::F32(value) => Ok(value),
            // SQLite keeps every real as 64 bits; what was stored as 32 comes back exactly.
            Value::F64(value) if f64::from(value as f32) == value => Ok(value as f32),
            Value::F64(value) => Err(unfit(value, "float4")),
            // So does SQLite keep one that is whole, in a column for numbers of any kind.
            Value::I64(value) if i128::from(value) == (value as f32) as i128 => Ok(value as f32),
            Value::I64(value) => Err(unfit(value, "float4")),
            other => Err(ValueError::mismatch("float4", &other)),
        }
    }
}

impl ColumnValue for f64 {
    const TYPE: ColumnType = ColumnType::scalar(ScalarType::F64);

    fn to_value(&self) -> Result<Value, ValueError> {
        Ok(Value::F64(*self))
    }

    fn from_value(value: Value) -> Result<Self, ValueError> {
        match value {
            Value::F64(value) => Ok(value),
            Value::F32(value) => Ok(f64::from(value)),
            // SQLite keeps one that is whole as an integer, in a column for numbers of any kind.
            Value::I64(value) if i128::from(value) == (value as f64) as i128 => Ok(value as f64),
            Value::I64(value) => Err(unfit(value, "float8")),
            other => Err(ValueError::mismatch("float8", &other)),
        }
    }
}

impl ColumnValue for String {
    const TYPE: ColumnType = ColumnType::scalar(ScalarType::Text);

    fn to_value(&self) -> Result<Value, ValueError> {
        if self.contains('\0') {
            return Err(ValueError::new("text with a NUL character cannot be stored; remove it or store bytes"));
        }
        Ok(Value::Text(self.clone()))
    }

    fn from_value(value: Value) -> Result<Self, ValueError> {
        match value {
            Value::Text(value) => Ok(value),
            other => Err(ValueError::mismatch("text", &other)),
        }
    }
}

impl ColumnValue for Vec<u8> {
    const TYPE: ColumnType = ColumnType::scalar(ScalarType::Bytes);

    fn to_value(&self) -> Result<Value, ValueError> {
        Ok(Value::Bytes(self.clone()))
    }

    fn from_value(value: Value) -> Result<Self, ValueError> {
        match value {
            Value::Bytes(value) => Ok(value),
            other => Err(ValueError::mismatch("bytes", &other)),
        }
    }
}

impl ColumnValue for Uuid {
    const TYPE: ColumnType = ColumnType::scalar(ScalarType::Uuid);

    fn to_value(&self) -> Result<Value, ValueError> {
        Ok(Value::Uuid(*self))
    }

    fn from_value(value: Value) -> Result<Self, ValueError> {
        match value {
            Value::Uuid(value) => Ok(value),
            Value::Bytes(bytes) => Uuid::from_slice(&bytes)
                .map_err(|_| ValueError::new(format!("expected a uuid of 16 bytes, found {} bytes", bytes.len()))),
            other => Err(ValueError::mismatch("uuid", &other)),
        }
    }
}

impl<T: ColumnValue> ColumnValue for Option<T> {
    const TYPE: ColumnType = T::TYPE.optional();

    fn to_value(&self) -> Result<Value, ValueError> {
        self.as_ref().map_or(Ok(Value::Null), T::to_value)
    }

    fn from_value(value: Value) -> Result<Self, ValueError> {
        if value.is_null() { Ok(None) } else { T::from_value(value).map(Some) }
    }
}
