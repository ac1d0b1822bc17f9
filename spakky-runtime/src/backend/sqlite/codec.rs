//! What diesel can write and read on SQLite, for types that the library has no variant for.
//!
//! Diesel shows a bound value to nobody but SQLite, and makes a value to be read from nothing but SQLite's. So each thread
//! that needs it keeps a database in memory, which repeats values: `SELECT ?1`.

use std::cell::RefCell;
use std::marker::PhantomData;

use diesel::connection::{DefaultLoadingMode, LoadConnection};
use diesel::deserialize::FromSql;
use diesel::expression::expression_types::Untyped;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::row::{Field, Row};
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::{BigInt, Binary, Double, HasSqlType, Text};
use diesel::sqlite::{Sqlite, SqliteConnection, SqliteType, SqliteValue};
use diesel::{Connection, QueryResult};

use super::wire::{Wire, encode};
use crate::value::{Codec, TypeName, Value, ValueError};

/// The codec of a `T` stored as `ST`.
pub(crate) fn codec<ST, T>() -> Codec<T>
where
    Sqlite: HasSqlType<ST>,
    T: ToSql<ST, Sqlite> + FromSql<ST, Sqlite>,
{
    Codec { write: write::<ST, T>, read: read::<ST, T>, name: name::<ST> }
}

fn name<ST>() -> TypeName
where
    Sqlite: HasSqlType<ST>,
{
    match Sqlite::metadata(&mut ()) {
        SqliteType::Binary => TypeName::Class("BLOB"),
        SqliteType::Text => TypeName::Class("TEXT"),
        SqliteType::Float | SqliteType::Double => TypeName::Class("REAL"),
        SqliteType::SmallInt | SqliteType::Integer | SqliteType::Long => TypeName::Class("INTEGER"),
    }
}

fn write<ST, T>(value: &T) -> Result<Value, ValueError>
where
    Sqlite: HasSqlType<ST>,
    T: ToSql<ST, Sqlite>,
{
    let taken = repeat(Repeat::<ST, T>(value, PhantomData), taken_value);
    taken.map_err(|error| ValueError::new("diesel cannot write it").with_detail(error))
}

/// A value by the storage class that it has.
fn taken_value(value: Option<SqliteValue<'_, '_, '_>>) -> Result<Value, BoxError> {
    let Some(value) = value else { return Ok(Value::Null) };
    Ok(match value.value_type() {
        None => Value::Null,
        Some(SqliteType::Binary) => Value::Bytes(FromSql::<Binary, Sqlite>::from_sql(value)?),
        Some(SqliteType::Text) => Value::Text(FromSql::<Text, Sqlite>::from_sql(value)?),
        Some(SqliteType::Float | SqliteType::Double) => Value::F64(FromSql::<Double, Sqlite>::from_sql(value)?),
        Some(_) => Value::I64(FromSql::<BigInt, Sqlite>::from_sql(value)?),
    })
}

/// What a column of a result holds.
pub(crate) fn column_value(value: Option<SqliteValue<'_, '_, '_>>) -> Value {
    taken_value(value).unwrap_or_else(|error| {
        Value::Unreadable(ValueError::new("SQLite gave a value that cannot be read").with_detail(error))
    })
}

/// Writes a parameter of diesel's queries.
///
/// # Errors
/// When SQLite cannot hold the value.
pub(crate) fn set_value(value: Value, out: &mut Output<'_, '_, Sqlite>) -> serialize::Result {
    match encode(value)? {
        Wire::Null => return Ok(IsNull::Yes),
        Wire::Integer(value) => out.set_value(value),
        Wire::Real(value) => out.set_value(value),
        Wire::Text(value) => out.set_value(value),
        Wire::Blob(value) => out.set_value(value),
    }
    Ok(IsNull::No)
}

fn read<ST, T>(value: Value, _: u32) -> Result<T, ValueError>
where
    Sqlite: HasSqlType<ST>,
    T: FromSql<ST, Sqlite>,
{
    let take = |value: Option<SqliteValue<'_, '_, '_>>| T::from_nullable_sql(value);
    let taken = match &value {
        Value::I64(value) => repeat::<BigInt, i64, T>(Repeat(value, PhantomData), take),
        Value::F64(value) => repeat::<Double, f64, T>(Repeat(value, PhantomData), take),
        Value::Text(value) => repeat::<Text, String, T>(Repeat(value, PhantomData), take),
        Value::Bytes(value) => repeat::<Binary, Vec<u8>, T>(Repeat(value, PhantomData), take),
        other => return Err(ValueError::mismatch("one of SQLite's storage classes", other)),
    };
    taken.map_err(|error| ValueError::new("diesel cannot read it").with_detail(error))
}

/// `SELECT ?1`.
struct Repeat<'a, ST, T>(&'a T, PhantomData<ST>);

impl<ST, T> QueryId for Repeat<'_, ST, T> {
    type QueryId = ();

    // One text for every type.
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<ST, T> Query for Repeat<'_, ST, T> {
    type SqlType = Untyped;
}

impl<ST, T> QueryFragment<Sqlite> for Repeat<'_, ST, T>
where
    Sqlite: HasSqlType<ST>,
    T: ToSql<ST, Sqlite>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_sql("SELECT ");
        out.push_bind_param::<ST, T>(self.0)
    }
}

thread_local! {
    static ECHO: RefCell<Option<SqliteConnection>> = const { RefCell::new(None) };
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Has SQLite repeat a value and takes it as it comes back.
fn repeat<ST, T, R>(
    query: Repeat<'_, ST, T>,
    take: impl FnOnce(Option<SqliteValue<'_, '_, '_>>) -> Result<R, BoxError>,
) -> Result<R, BoxError>
where
    Sqlite: HasSqlType<ST>,
    T: ToSql<ST, Sqlite>,
{
    // A type whose conversion converts another one opens a second connection meanwhile.
    let mut connection = match ECHO.take() {
        Some(connection) => connection,
        None => SqliteConnection::establish(":memory:")?,
    };
    let taken = take_first(&mut connection, query, take);
    ECHO.set(Some(connection));
    taken
}

fn take_first<ST, T, R>(
    connection: &mut SqliteConnection,
    query: Repeat<'_, ST, T>,
    take: impl FnOnce(Option<SqliteValue<'_, '_, '_>>) -> Result<R, BoxError>,
) -> Result<R, BoxError>
where
    Sqlite: HasSqlType<ST>,
    T: ToSql<ST, Sqlite>,
{
    let mut rows = LoadConnection::<DefaultLoadingMode>::load(connection, query)?;
    let row = rows.next().ok_or("SQLite returned no row")??;
    let field = row.get(0).ok_or("SQLite returned no column")?;
    take(field.value())
}
