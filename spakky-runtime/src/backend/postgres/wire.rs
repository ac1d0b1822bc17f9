//! Values on the wire, in PostgreSQL's binary format.

mod decode;
mod encode;
mod json;
mod numeric;

pub(crate) use decode::column_value;
pub(super) use decode::{RowReader, UnknownTypes};
pub(super) use encode::Param;
pub(crate) use encode::{column_bytes, plain_bytes};

use postgres_types::Type;

use crate::backend::Backend;
use crate::value::{ColumnType, ScalarType, TypeName};

/// Microseconds from 1970, where Rust's clock starts, to 2000, where PostgreSQL's does.
const EPOCH_MICROS: i64 = 946_684_800_000_000;
const EPOCH_DAYS: i64 = 10_957;

/// The type by which a column's values are bound. A native type is bound as its scalar, or as a type that the server finds
/// out: the statement has the cast.
pub(super) fn bind_type(ty: &ColumnType) -> Type {
    match (ty.scalar, ty.array) {
        (ScalarType::Bool, false) => Type::BOOL,
        (ScalarType::Bool, true) => Type::BOOL_ARRAY,
        (ScalarType::I16, false) => Type::INT2,
        (ScalarType::I16, true) => Type::INT2_ARRAY,
        (ScalarType::I32, false) => Type::INT4,
        (ScalarType::I32, true) => Type::INT4_ARRAY,
        (ScalarType::I64, false) => Type::INT8,
        (ScalarType::I64, true) => Type::INT8_ARRAY,
        (ScalarType::F32, false) => Type::FLOAT4,
        (ScalarType::F32, true) => Type::FLOAT4_ARRAY,
        (ScalarType::F64, false) => Type::FLOAT8,
        (ScalarType::F64, true) => Type::FLOAT8_ARRAY,
        (ScalarType::Text, false) => Type::TEXT,
        (ScalarType::Text, true) => Type::TEXT_ARRAY,
        (ScalarType::Bytes, false) => Type::BYTEA,
        (ScalarType::Bytes, true) => Type::BYTEA_ARRAY,
        (ScalarType::Uuid, false) => Type::UUID,
        (ScalarType::Uuid, true) => Type::UUID_ARRAY,
        (ScalarType::TimestampTz, false) => Type::TIMESTAMPTZ,
        (ScalarType::TimestampTz, true) => Type::TIMESTAMPTZ_ARRAY,
        (ScalarType::Timestamp, false) => Type::TIMESTAMP,
        (ScalarType::Timestamp, true) => Type::TIMESTAMP_ARRAY,
        (ScalarType::Date, false) => Type::DATE,
        (ScalarType::Date, true) => Type::DATE_ARRAY,
        (ScalarType::Time, false) => Type::TIME,
        (ScalarType::Time, true) => Type::TIME_ARRAY,
        (ScalarType::Decimal, false) => Type::NUMERIC,
        (ScalarType::Decimal, true) => Type::NUMERIC_ARRAY,
        (ScalarType::Json, false) => Type::JSONB,
        (ScalarType::Json, true) => Type::JSONB_ARRAY,
        (ScalarType::Native(native), is_array) => match native.name(Backend::Postgres) {
            Ok(TypeName::BuiltIn { oid, array, .. }) => {
                Type::from_oid(if is_array { array } else { oid }).unwrap_or(Type::UNKNOWN)
            }
            _ => Type::UNKNOWN,
        },
    }
}
