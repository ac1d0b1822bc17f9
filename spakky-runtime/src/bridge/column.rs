//! Diesel's SQL type of a Rust type.

use std::fmt;
use std::marker::PhantomData;

use diesel::query_builder::QueryId;
use diesel::sql_types::{
    BigInt, Binary, Bool, Date, Double, Float, HasSqlType, Integer, Nullable, SingleValue, SmallInt, SqlType, Text,
    Time, Timestamp, is_nullable,
};
use diesel::{deserialize, serialize};

use super::DieselBackend;
use crate::value::{ColumnValue, Json};

/// A type of one column that diesel knows too.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no SQL type of diesel's",
    label = "diesel has no type for this column",
    note = "add `#[column(diesel)]` to the type that derives `ColumnValue`"
)]
pub trait DieselColumn {
    /// Diesel's SQL type.
    type SqlType: SqlType;
}

macro_rules! columns {
    ($($ty:ty => $sql:ty,)+) => {$(
        impl DieselColumn for $ty {
            type SqlType = $sql;
        }
    )+};
}

columns! {
    bool => Bool,
    i16 => SmallInt,
    i32 => Integer,
    i64 => BigInt,
    f32 => Float,
    f64 => Double,
    String => Text,
    Vec<u8> => Binary,
    chrono::NaiveDateTime => Timestamp,
    chrono::NaiveDate => Date,
    chrono::NaiveTime => Time,
}

#[cfg(feature = "rust_decimal")]
columns! { rust_decimal::Decimal => diesel::sql_types::Numeric, }

#[cfg(feature = "bigdecimal")]
columns! { bigdecimal::BigDecimal => diesel::sql_types::Numeric, }

#[cfg(feature = "postgres")]
columns! {
    uuid::Uuid => diesel::sql_types::Uuid,
    chrono::DateTime<chrono::Utc> => diesel::sql_types::Timestamptz,
}

columns! { serde_json::Value => diesel::sql_types::Jsonb, }

impl<T> DieselColumn for Json<T> {
    type SqlType = diesel::sql_types::Jsonb;
}

#[cfg(feature = "postgres")]
impl<T: DieselColumn + crate::value::ArrayElement> DieselColumn for Vec<T> {
    type SqlType = diesel::sql_types::Array<T::SqlType>;
}

impl<T> DieselColumn for Option<T>
where
    T: DieselColumn,
    T::SqlType: SqlType<IsNull = is_nullable::NotNull>,
{
    type SqlType = Nullable<T::SqlType>;
}

/// The SQL type of a `T` that has a type of its own on PostgreSQL, by `#[column(pg_type = "…")]`. Text elsewhere.
pub struct NativeSql<T>(PhantomData<fn() -> T>);

impl<T: 'static> SqlType for NativeSql<T> {
    type IsNull = is_nullable::NotNull;
}

impl<T: 'static> SingleValue for NativeSql<T> {}

impl<T: 'static> QueryId for NativeSql<T> {
    type QueryId = Self;

    const HAS_STATIC_QUERY_ID: bool = true;
}

#[cfg(feature = "postgres")]
impl<T: ColumnValue + 'static> HasSqlType<NativeSql<T>> for diesel::pg::Pg {
    fn metadata(lookup: &mut Self::MetadataLookup) -> Self::TypeMetadata {
        let name = T::TYPE.pg_type.unwrap_or("text");
        match name.split_once('.') {
            Some((schema, name)) => lookup.lookup_type(name, Some(schema)),
            None => lookup.lookup_type(name, None),
        }
    }
}

#[cfg(feature = "sqlite")]
impl<T: 'static> HasSqlType<NativeSql<T>> for diesel::sqlite::Sqlite {
    fn metadata((): &mut ()) -> Self::TypeMetadata {
        diesel::sqlite::SqliteType::Text
    }
}

impl<T> fmt::Debug for NativeSql<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NativeSql")
    }
}

/// Writes a parameter of diesel's queries.
///
/// # Errors
/// When the backend cannot hold the value.
pub fn write_column<T: ColumnValue, DB: DieselBackend>(
    value: &T,
    out: &mut serialize::Output<'_, '_, DB>,
) -> serialize::Result {
    DB::write(value.to_value()?, &T::TYPE, out)
}

/// Reads a column of a result of diesel's queries.
///
/// # Errors
/// When the stored value does not fit the type.
pub fn read_column<T: ColumnValue, DB: DieselBackend>(value: DB::RawValue<'_>) -> deserialize::Result<T> {
    Ok(T::from_value(DB::read(Some(value), &T::TYPE))?)
}

/// The SQL types as which a value of an `ST` can be given: itself, and itself with a place for NULL.
pub trait Takes<ST> {}

impl<ST> Takes<ST> for ST {}

impl<ST> Takes<ST> for Nullable<ST> {}

/// The SQL types as which a `T` can be given. Generated code speaks of them by this trait, so that a `T` of whose SQL type
/// nothing is known is one error, where that is named.
pub trait TakesValue<T> {}

impl<T: DieselColumn, A: Takes<T::SqlType>> TakesValue<T> for A {}

/// The SQL type of a `T`.
pub trait SqlTypeOf<T> {}

impl<T: DieselColumn<SqlType = ST>, ST> SqlTypeOf<T> for ST {}
