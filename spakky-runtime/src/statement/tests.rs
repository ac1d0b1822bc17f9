//! A table with a column of each kind, and tests of the statements over it.

#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod meaning;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;
mod text;

use std::sync::LazyLock;

use uuid::Uuid;

use crate::backend::{Backend, Statement};
use crate::context::RequestContext;
use crate::error::Error;
use crate::query::{AssignedValue, Condition, Number};
use crate::schema::{Column, TableDescriptor};
use crate::scope::{Scope, Visibility};
use crate::value::{ColumnType, ColumnValue, ScalarType, Value, ValueError};

/// An enum with a native type on PostgreSQL.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Mood {
    Fine,
    Sad,
}

impl ColumnValue for Mood {
    const TYPE: ColumnType = ColumnType::scalar(ScalarType::Text).with_pg_type("mood");

    fn to_value(&self) -> Result<Value, ValueError> {
        Ok(Value::Text(format!("{self:?}")))
    }

    fn from_value(_: Value) -> Result<Self, ValueError> {
        Ok(Mood::Fine)
    }
}

/// A decimal, whatever crate it comes from.
#[derive(Debug, Clone, Copy)]
struct Price(&'static str);

impl ColumnValue for Price {
    const TYPE: ColumnType = ColumnType::scalar(ScalarType::Decimal);

    fn to_value(&self) -> Result<Value, ValueError> {
        Ok(Value::Decimal(self.0.into()))
    }

    fn from_value(_: Value) -> Result<Self, ValueError> {
        Ok(Price("0"))
    }
}

impl Number for Price {}

struct Row;

struct Columns {
    id: Column<Row, i32>,
    name: Column<Row, String>,
    note: Column<Row, Option<String>>,
    count: Column<Row, Option<i64>>,
    least: Column<Row, Option<i64>>,
    ratio: Column<Row, f64>,
    flag: Column<Row, bool>,
    token: Column<Row, Uuid>,
    bytes: Column<Row, Vec<u8>>,
    at: Column<Row, chrono::DateTime<chrono::Utc>>,
    tags: Column<Row, Vec<String>>,
    mood: Column<Row, Mood>,
    price: Column<Row, Price>,
}

const R: Columns = Columns {
    id: Column::new("", "id"),
    name: Column::new("", "name"),
    note: Column::new("", "note"),
    count: Column::new("", "count"),
    least: Column::new("", "least"),
    ratio: Column::new("", "ratio"),
    flag: Column::new("", "flag"),
    token: Column::new("", "token"),
    bytes: Column::new("", "bytes"),
    at: Column::new("", "at"),
    tags: Column::new("", "tags"),
    mood: Column::new("", "mood"),
    price: Column::new("", "price"),
};

fn table() -> &'static TableDescriptor {
    static TABLE: LazyLock<TableDescriptor> = LazyLock::new(|| {
        TableDescriptor::fixture::<Row>("rows")
            .id::<i32>("id")
            .column::<String>("name")
            .column::<Option<String>>("note")
            .column::<Option<i64>>("count")
            .column::<Option<i64>>("least")
            .column::<f64>("ratio")
            .column::<bool>("flag")
            .column::<Uuid>("token")
            .column::<Vec<u8>>("bytes")
            .column::<chrono::DateTime<chrono::Utc>>("at")
            .column::<Vec<String>>("tags")
            .column::<Mood>("mood")
            .column::<Price>("price")
    });
    &TABLE
}

/// [`update_where`](super::update_where) without a context.
fn update_where(
    table: &TableDescriptor,
    assignments: &[AssignedValue],
    condition: &Condition,
    backend: Backend,
) -> Result<Statement, Error> {
    let scope = Scope::of(&RequestContext::new(), Visibility::default());
    super::update_where(table, assignments, condition, &scope, backend)
}
