//! Rows that hold every type of the map: by itself, as an option, and in arrays.

use std::fmt::Debug;

use bigdecimal::BigDecimal;
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use proptest::strategy::{BoxedStrategy, Just, Strategy};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use spakky::prelude::*;
use spakky::schema::Column;
use spakky::{Error, value};
use uuid::Uuid;

use super::sample::Sample;

/// A newtype.
#[derive(Debug, Clone, PartialEq, ColumnValue)]
pub(super) struct Code(pub(super) String);

/// A unit enum stored as text.
#[derive(Debug, Clone, Copy, PartialEq, ColumnValue)]
pub(super) enum Color {
    Red,
    LightBlue,
    #[column(rename = "it's \"green\", {really}\\")]
    Green,
}

/// A unit enum stored as a number.
#[derive(Debug, Clone, Copy, PartialEq, ColumnValue)]
#[column(repr = i16)]
pub(super) enum Level {
    Low = -1,
    High = 32_767,
}

/// A unit enum that PostgreSQL has as a type of its own.
#[derive(Debug, Clone, Copy, PartialEq, ColumnValue)]
#[column(pg_type = "mood")]
pub(super) enum Mood {
    SoSo,
    Glad,
}

impl Mood {
    pub(super) const CREATE: &str = "CREATE TYPE mood AS ENUM ('so_so', 'glad', 'sad')";
}

/// What is stored as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Shape {
    pub(super) name: String,
    pub(super) count: u64,
    pub(super) ratio: f64,
    pub(super) small: f32,
    pub(super) tags: Vec<Option<String>>,
    pub(super) inner: Option<Box<Shape>>,
}

/// A row type that the checks can fill and ask for.
pub(super) trait Sampled: Table<Id = i64> + Mappable<Domain = Self> + PartialEq + Debug {
    fn any() -> BoxedStrategy<Self>;

    fn with_id(self, id: i64) -> Self;

    /// Each value of each column finds the rows that have it, by `=` and in a list.
    async fn check_filters(repo: &Repository<Self>, rows: &[Self]) -> Result<(), Error>;
}

type One<T> = T;
type Maybe<T> = Option<T>;
type Many<T> = Vec<T>;
type ManyOrNull<T> = Vec<Option<T>>;
type MaybeMany<T> = Option<Vec<T>>;

macro_rules! nested {
    ($join:ident; $first:expr $(, $rest:expr)*) => { ($first, nested!($join; $($rest),*)) };
    (strategy;) => { Just(()) };
}

macro_rules! pattern {
    ($first:ident $(, $rest:ident)*) => { ($first, pattern!($($rest),*)) };
    () => { () };
}

macro_rules! row {
    ($name:ident, $table:literal, $of:ident $(, $field:ident: $ty:ty)*) => {
        row! {
            @ $name, $table,
            flag: $of<bool>, small: $of<i16>, medium: $of<i32>, large: $of<i64>, single: $of<f32>, double: $of<f64>,
            text: $of<String>, bytes: $of<Vec<u8>>, uuid: $of<Uuid>, instant: $of<DateTime<Utc>>,
            local: $of<NaiveDateTime>, day: $of<NaiveDate>, time: $of<NaiveTime>, money: $of<Decimal>,
            exact: $of<BigDecimal>, code: $of<Code>, color: $of<Color>, level: $of<Level>, mood: $of<Mood>
            $(, $field: $ty)*
        }
    };
    (@ $name:ident, $table:literal, $($field:ident: $ty:ty),*) => {
        #[derive(Debug, Clone, PartialEq, Table, Mappable)]
        #[table(name = $table)]
        #[mappable(domain = Self)]
        pub(super) struct $name {
            #[table(id)]
            pub(super) id: i64,
            $(pub(super) $field: $ty,)*
        }

        impl Sampled for $name {
            fn any() -> BoxedStrategy<Self> {
                nested!(strategy; $(<$ty as Sample>::any()),*)
                    .prop_map(|pattern!($($field),*)| $name { id: 0, $($field),* })
                    .boxed()
            }

            fn with_id(self, id: i64) -> Self {
                $name { id, ..self }
            }

            async fn check_filters(repo: &Repository<Self>, rows: &[Self]) -> Result<(), Error> {
                $(check_filter(repo, $name::COLUMNS.$field, rows, |row| &row.$field).await?;)*
                Ok(())
            }
        }
    };
}

row!(Plain, "plain", One, document: serde_json::Value, shape: Json<Shape>);
row!(Optional, "optional", Maybe, document: Option<serde_json::Value>, shape: Option<Json<Shape>>);
row!(Lists, "lists", Many);
row!(Sparse, "sparse", ManyOrNull);
row!(MaybeLists, "maybe_lists", MaybeMany);

async fn check_filter<Row: Sampled, T: value::ColumnValue + Clone + PartialEq + Debug>(
    repo: &Repository<Row>,
    column: Column<Row, T>,
    rows: &[Row],
    value_of: impl Fn(&Row) -> &T,
) -> Result<(), Error> {
    let ids = |rows: &[Row]| {
        let mut ids: Vec<i64> = rows.iter().map(Row::id).collect();
        ids.sort_unstable();
        ids
    };
    for row in rows {
        let value = value_of(row);
        let same: Vec<Row> = rows.iter().filter(|other| value_of(other) == value).cloned().collect();
        let found = repo.filter(column.eq(value)).all().await?;
        assert_eq!(ids(&found), ids(&same), "`{}` = {value:?}", column.name());
    }
    let found = repo.filter(column.in_list(rows.iter().map(&value_of))).all().await?;
    assert_eq!(ids(&found), ids(rows), "`{}` in a list", column.name());
    let found = repo.filter(column.not_in_list(rows.iter().map(&value_of))).count().await?;
    assert_eq!(found, 0, "`{}` not in a list", column.name());
    Ok(())
}
