//! Defaults that are values of their column's type mean the same wherever they are.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use rust_decimal::Decimal;
use spakky::prelude::*;
use uuid::Uuid;

use super::{Store, on_each_store};

on_each_store![a_column_that_is_not_given_gets_its_default, a_default_that_no_row_could_be_read_with_is_refused];

#[derive(Debug, Clone, Copy, PartialEq, Eq, ColumnValue)]
enum State {
    Open,
    Closed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ColumnValue)]
#[column(pg_type = "weather")]
enum Weather {
    Fair,
    Foul,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ColumnValue)]
#[column(repr = i16)]
enum Grade {
    Pass = 1,
    Fail = 2,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ColumnValue)]
struct Cents(i64);

const ZONE: Uuid = Uuid::from_u128(0x1234);
const CURRENCY: &str = "it's \\ euro";

#[derive(Debug, Clone, PartialEq, Table)]
#[table(name = "accounts")]
struct Account {
    #[table(id)]
    id: i64,
    #[table(default = now)]
    at: DateTime<Utc>,
    #[table(default = now)]
    local: NaiveDateTime,
    #[table(default = now)]
    day: NaiveDate,
    #[table(default = now)]
    hour: Option<NaiveTime>,
    #[table(default = [])]
    tags: Vec<String>,
    #[table(json, default = [])]
    notes: Vec<Vec<String>>,
    #[table(default = -5)]
    small: i16,
    #[table(default = 70000)]
    cents: Cents,
    #[table(default = 1.25)]
    rate: f64,
    #[table(default = -1e3)]
    rates: f32,
    #[table(default = 3)]
    whole: f64,
    #[table(default = 12.50)]
    amount: Decimal,
    #[table(default = true)]
    open: bool,
    #[table(default = text("it's \"new\" \\ ü"))]
    name: String,
    #[table(default = State::Closed)]
    state: State,
    #[table(default = State::Open)]
    before: Option<State>,
    #[table(default = Weather::Foul)]
    weather: Weather,
    #[table(default = Grade::Fail)]
    grade: Grade,
    #[table(default = ZONE)]
    zone: Uuid,
    #[table(default = CURRENCY)]
    currency: String,
    #[table(default = i64::MAX)]
    most: i64,
    #[table(default = "'raw'")]
    raw: String,
    #[table(default = "NULL")]
    nothing: Option<String>,
}

/// As much of it as another program writes.
#[derive(Debug, Clone, Table, Mappable)]
#[table(name = "accounts")]
#[mappable(domain = Key)]
struct KeyRow {
    #[table(id)]
    id: i64,
}

#[derive(Debug, Clone)]
struct Key {
    id: i64,
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "accounts")]
#[mappable(domain = Read)]
struct ReadRow {
    #[table(id)]
    id: i64,
    at: DateTime<Utc>,
    local: NaiveDateTime,
    day: NaiveDate,
    hour: Option<NaiveTime>,
    tags: Vec<String>,
    #[table(json)]
    notes: Vec<Vec<String>>,
    small: i16,
    cents: Cents,
    rate: f64,
    rates: f32,
    whole: f64,
    amount: Decimal,
    open: bool,
    name: String,
    state: State,
    before: Option<State>,
    weather: Weather,
    grade: Grade,
    zone: Uuid,
    currency: String,
    most: i64,
    raw: String,
    nothing: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
struct Read {
    id: i64,
    at: DateTime<Utc>,
    local: NaiveDateTime,
    day: NaiveDate,
    hour: Option<NaiveTime>,
    tags: Vec<String>,
    notes: Vec<Vec<String>>,
    small: i16,
    cents: Cents,
    rate: f64,
    rates: f32,
    whole: f64,
    amount: Decimal,
    open: bool,
    name: String,
    state: State,
    before: Option<State>,
    weather: Weather,
    grade: Grade,
    zone: Uuid,
    currency: String,
    most: i64,
    raw: String,
    nothing: Option<String>,
}

async fn a_column_that_is_not_given_gets_its_default(store: Store) {
    store.sessions.create_tables(&schema![Account]).await.unwrap();
    store.of::<KeyRow>().autocommit().add_now(&mut Key { id: 1 }).await.unwrap();
    let read = store.of::<ReadRow>().get(1).await.unwrap();
    let age = (Utc::now() - read.at).num_seconds();
    assert!((-5..600).contains(&age), "{}", read.at);
    assert!((read.local - read.at.naive_utc()).num_seconds().abs() < 600);
    assert!((read.day - read.at.date_naive()).num_days().abs() <= 1);
    assert!(read.hour.is_some());
    let expected = Read {
        id: 1,
        tags: vec![],
        notes: vec![],
        small: -5,
        cents: Cents(70_000),
        rate: 1.25,
        rates: -1000.0,
        whole: 3.0,
        amount: "12.50".parse().unwrap(),
        open: true,
        name: "it's \"new\" \\ ü".into(),
        state: State::Closed,
        before: Some(State::Open),
        weather: Weather::Foul,
        grade: Grade::Fail,
        zone: ZONE,
        currency: CURRENCY.into(),
        most: i64::MAX,
        raw: "raw".into(),
        nothing: None,
        ..read.clone()
    };
    assert_eq!(read, expected);
}

macro_rules! with_default {
    ($name:ident, $ty:ty, $default:literal) => {
        mod $name {
            use super::*;

            #[derive(Debug, Clone, Table)]
            #[table(name = "faulty")]
            pub(super) struct Faulty {
                #[table(id)]
                id: i64,
                #[table(default = $default)]
                value: $ty,
            }
        }
    };
}

with_default!(unknown, State, "'opne'");
with_default!(unknown_number, Grade, "7");
with_default!(null, i64, "NULL");

async fn a_default_that_no_row_could_be_read_with_is_refused(store: Store) {
    for (tables, default, why) in [
        (schema![unknown::Faulty], "'opne'", "the value is none of `State`"),
        (schema![unknown_number::Faulty], "7", "the value is none of `Grade`"),
        (schema![null::Faulty], "NULL", "unexpected null, expected int8; use an `Option` for a nullable column"),
    ] {
        let error = store.sessions.create_tables(&tables).await.unwrap_err();
        assert!(error.is_schema());
        assert_eq!(
            error.to_string(),
            format!(
                "use the set of tables: the default `{default}` of column `value` of `faulty` is nothing that the column \
                 can be read with: {why}; write `default = now`, `default = []`, a value of the field's type, or SQL that \
                 gives what the library stores there"
            )
        );
    }
}
