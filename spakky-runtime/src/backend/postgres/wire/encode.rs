//! Values to bytes.

use std::error::Error;

use bytes::{BufMut, BytesMut};
use chrono::{Datelike, NaiveDate, NaiveDateTime, NaiveTime, Timelike};
use postgres_protocol::IsNull;
use postgres_types::Type;

use super::super::types::TypeCatalog;
use super::{EPOCH_DAYS, EPOCH_MICROS, bind_type, json, numeric};
use crate::backend::{Backend, Bind};
use crate::value::{ColumnType, ScalarType, TypeName, Value, ValueError};

type BoxError = Box<dyn Error + Sync + Send>;

/// A bound value, which writes itself straight into the message.
#[derive(Clone, Copy)]
pub(in super::super) struct Param<'a> {
    bind: &'a Bind,
    types: &'a TypeCatalog,
}

impl<'a> Param<'a> {
    pub(in super::super) fn new(bind: &'a Bind, types: &'a TypeCatalog) -> Self {
        Param { bind, types }
    }

    pub(in super::super) fn ty(&self) -> Type {
        bind_type(&self.bind.ty)
    }

    /// The type for a statement that is the caller's own and may have no cast: an enum of the database's own is whatever the
    /// server finds in its place, since its values are written as texts are.
    pub(in super::super) fn ty_without_cast(&self) -> Type {
        let ty = self.bind.ty;
        if ty.pg_type.is_some() && !ty.array && ty.scalar == ScalarType::Text { Type::UNKNOWN } else { self.ty() }
    }

    /// Appends the value's bytes.
    pub(in super::super) fn write(self, out: &mut BytesMut) -> Result<IsNull, BoxError> {
        match (&self.bind.value, self.bind.ty) {
            (Value::Null, _) => return Ok(IsNull::Yes),
            (Value::Array(items), ty) if ty.array => array(items.iter(), ty.scalar, self.element_oid()?, out)?,
            (Value::Column(column), ty) if ty.array => array(column.values(), ty.scalar, self.element_oid()?, out)?,
            (value, ty) if ty.array => return Err(mismatch("array", value)),
            (value, ty) => scalar(value, ty.scalar, out)?,
        }
        Ok(IsNull::No)
    }

    /// The number of the type of an array's items.
    fn element_oid(&self) -> Result<u32, BoxError> {
        let element = ColumnType { array: false, ..self.bind.ty };
        let ScalarType::Native(native) = element.scalar else { return Ok(bind_type(&element).oid()) };
        match native.name(Backend::Postgres)? {
            TypeName::BuiltIn { oid, .. } => Ok(oid),
            TypeName::Custom { schema, name } => match self.types.by_name(schema.as_deref(), &name) {
                Some((oid, _)) => Ok(oid),
                None => Err(refused(format!(
                    "the type `{name}` was not in the database when it was connected to, or is there twice; connect again, \
                     or name its schema"
                ))),
            },
            TypeName::Class(_) | TypeName::Unknown(_) => Err(refused("the type has no name on PostgreSQL")),
        }
    }
}

fn mismatch(expected: &str, value: &Value) -> BoxError {
    Box::new(ValueError::mismatch(expected, value))
}

fn refused(message: impl Into<String>) -> BoxError {
    Box::new(ValueError::new(message))
}

/// The header (dimensions, whether an item is NULL, type; length and lower bound), then each item after its length.
fn array<'v>(
    items: impl ExactSizeIterator<Item = &'v Value> + Clone,
    ty: ScalarType,
    element: u32,
    out: &mut BytesMut,
) -> Result<(), BoxError> {
    let is_empty = items.len() == 0;
    out.put_i32(i32::from(!is_empty));
    out.put_i32(i32::from(items.clone().any(Value::is_null)));
    out.put_u32(element);
    if is_empty {
        return Ok(());
    }
    out.put_i32(i32::try_from(items.len()).map_err(|_| refused("the array has more items than PostgreSQL can store"))?);
    out.put_i32(1);
    for item in items {
        if item.is_null() {
            out.put_i32(-1);
            continue;
        }
        let start = out.len();
        out.put_i32(0);
        scalar(item, ty, out)?;
        let length = i32::try_from(out.len() - start - 4).map_err(|_| refused("an item of the array is too long"))?;
        out[start..start + 4].copy_from_slice(&length.to_be_bytes());
    }
    Ok(())
}

fn scalar(value: &Value, ty: ScalarType, out: &mut BytesMut) -> Result<(), BoxError> {
    match (ty, value) {
        (ScalarType::Bool, Value::Bool(value)) => out.put_u8(u8::from(*value)),
        (ScalarType::I16, value) => out.put_i16(integer(value, "int2")?),
        (ScalarType::I32, value) => out.put_i32(integer(value, "int4")?),
        (ScalarType::I64, value) => out.put_i64(integer(value, "int8")?),
        (ScalarType::F32, Value::F32(value)) => out.put_f32(*value),
        (ScalarType::F64, Value::F64(value)) => out.put_f64(*value),
        (ScalarType::F64, Value::F32(value)) => out.put_f64(f64::from(*value)),
        (ScalarType::Text, Value::Text(value)) => {
            if value.as_bytes().contains(&0) {
                return Err(refused("text with a NUL character cannot be stored; remove it or store bytes"));
            }
            out.put_slice(value.as_bytes());
        }
        (ScalarType::Bytes, Value::Bytes(value)) => out.put_slice(value),
        (ScalarType::Uuid, Value::Uuid(value)) => out.put_slice(value.as_bytes()),
        (ScalarType::TimestampTz, Value::TimestampTz(value)) => out.put_i64(micros(&value.naive_utc())?),
        (ScalarType::Timestamp, Value::Timestamp(value)) => out.put_i64(micros(value)?),
        (ScalarType::Date, Value::Date(value)) => out.put_i32(days(value)?),
        (ScalarType::Time, Value::Time(value)) => out.put_i64(micros_of_day(value)?),
        (ScalarType::Decimal, Value::Decimal(value)) => numeric::encode(value, out)?,
        (ScalarType::Json, Value::Json(value)) => {
            out.put_u8(1);
            json::write(value, out)?;
        }
        (ScalarType::Native(_), Value::Native(value)) => out.put_slice(value.postgres()?),
        (ty, value) => return Err(mismatch(bind_type(&ColumnType::scalar(ty)).name(), value)),
    }
    Ok(())
}

/// The bytes of a value that was read as one of the library's own types.
///
/// # Errors
/// When it is of no type that the server sends.
pub(crate) fn plain_bytes(value: &Value) -> Result<Vec<u8>, ValueError> {
    let mut out = BytesMut::new();
    let written = match value {
        Value::Array(items) => {
            let ty = items.iter().find(|item| !item.is_null()).map_or(Ok(ScalarType::Text), own_type);
            ty.and_then(|ty| array(items.iter(), ty, bind_type(&ColumnType::scalar(ty)).oid(), &mut out))
        }
        value => own_type(value).and_then(|ty| scalar(value, ty, &mut out)),
    };
    written.map_err(|error| ValueError::new(error.to_string()))?;
    Ok(out.to_vec())
}

/// The bytes of a value of a column of `ty`.
///
/// # Errors
/// When PostgreSQL cannot hold it, and for an array of a type that is not built in.
pub(crate) fn column_bytes(value: &Value, ty: &ColumnType) -> Result<Vec<u8>, BoxError> {
    let mut out = BytesMut::new();
    match value {
        Value::Array(_) if ty.is_native_array() || ty.pg_type.is_some() => {
            return Err(refused(
                "an array of a type that is not built in cannot be a parameter of diesel's as a newtype",
            ));
        }
        Value::Array(items) => {
            array(items.iter(), ty.scalar, bind_type(&ColumnType::scalar(ty.scalar)).oid(), &mut out)?;
        }
        value => scalar(value, ty.scalar, &mut out)?,
    }
    Ok(out.to_vec())
}

fn own_type(value: &Value) -> Result<ScalarType, BoxError> {
    Ok(match value {
        Value::Bool(_) => ScalarType::Bool,
        Value::I16(_) => ScalarType::I16,
        Value::I32(_) => ScalarType::I32,
        Value::I64(_) => ScalarType::I64,
        Value::F32(_) => ScalarType::F32,
        Value::F64(_) => ScalarType::F64,
        Value::Text(_) => ScalarType::Text,
        Value::Bytes(_) => ScalarType::Bytes,
        Value::Uuid(_) => ScalarType::Uuid,
        Value::TimestampTz(_) => ScalarType::TimestampTz,
        Value::Timestamp(_) => ScalarType::Timestamp,
        Value::Date(_) => ScalarType::Date,
        Value::Time(_) => ScalarType::Time,
        Value::Decimal(_) => ScalarType::Decimal,
        Value::Json(_) => ScalarType::Json,
        Value::Null
        | Value::Array(_)
        | Value::Native(_)
        | Value::Unreadable(_)
        | Value::Drawn(_)
        | Value::Column(_) => {
            return Err(mismatch("a value", value));
        }
    })
}

fn integer<T: TryFrom<i64>>(value: &Value, name: &str) -> Result<T, BoxError> {
    let wide = match value {
        Value::I16(value) => i64::from(*value),
        Value::I32(value) => i64::from(*value),
        Value::I64(value) => *value,
        other => return Err(mismatch(name, other)),
    };
    T::try_from(wide).map_err(|_| refused(format!("the number does not fit {name}")))
}

/// Later than this, PostgreSQL has no timestamps.
const LAST_YEAR: i32 = 294_276;

fn micros(value: &NaiveDateTime) -> Result<i64, BoxError> {
    if !(-4712..=LAST_YEAR).contains(&value.year()) {
        return Err(refused("the year is out of the range of a timestamp"));
    }
    Ok(value.and_utc().timestamp_micros() - EPOCH_MICROS)
}

fn days(value: &NaiveDate) -> Result<i32, BoxError> {
    let days = value.signed_duration_since(NaiveDate::default()).num_days() - EPOCH_DAYS;
    if value.year() < -4712 {
        return Err(refused("the year is out of the range of a date"));
    }
    i32::try_from(days).map_err(|_| refused("the date is out of range"))
}

fn micros_of_day(value: &NaiveTime) -> Result<i64, BoxError> {
    if value.nanosecond() >= 1_000_000_000 {
        return Err(refused("a leap second cannot be stored as a time of day"));
    }
    Ok(i64::from(value.num_seconds_from_midnight()) * 1_000_000 + i64::from(value.nanosecond() / 1_000))
}
