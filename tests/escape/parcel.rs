//! Rows that diesel's query builder knows too: one of every kind of column, and one of a table that is described by hand.

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use spakky::prelude::*;
use uuid::Uuid;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ColumnValue)]
#[column(diesel)]
pub(super) struct ParcelId(pub Uuid);

#[derive(Debug, Clone, Copy, PartialEq, Eq, ColumnValue)]
#[column(diesel)]
pub(super) enum Size {
    Small,
    Large,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ColumnValue)]
#[column(diesel, pg_type = "parcel_state")]
pub(super) enum State {
    Packed,
    OnTheWay,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ColumnValue)]
#[column(diesel, repr = i16)]
pub(super) enum Class {
    Economy = 1,
    Express = 2,
}

#[derive(Debug, Clone, PartialEq, Eq, ColumnValue)]
#[column(diesel, sql_type = diesel::sql_types::Text)]
pub(super) struct Label(pub String);

#[derive(Debug, Clone, PartialEq, Eq, ColumnValue)]
#[column(diesel)]
pub(super) struct Stops(pub Vec<String>);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Note {
    pub text: String,
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "parcels", diesel)]
#[mappable(domain = Self)]
pub(super) struct ParcelRow {
    #[table(id)]
    pub id: ParcelId,
    pub state: State,
    pub former: Option<State>,
    pub states: Vec<State>,
    pub size: Option<Size>,
    pub r#type: Class,
    pub label: Label,
    pub stops: Stops,
    #[table(length = 40, column = "the remark")]
    pub remark: Option<String>,
    pub cents: i64,
    pub weight: Option<Decimal>,
    pub tags: Vec<Option<String>>,
    #[table(json)]
    pub notes: Vec<Note>,
    pub seal: Vec<u8>,
    #[table(created_at)]
    pub created_at: DateTime<Utc>,
    #[table(skip)]
    pub seen: u8,
    #[table(version)]
    pub version: i64,
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(embedded)]
#[mappable(domain = Self)]
pub(super) struct Place {
    pub street: String,
    pub number: i32,
}

/// Its key has two columns, and one of its fields is a group of columns.
#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "crates", diesel = super::parcel::schema::crates)]
#[mappable(domain = Self)]
pub(super) struct CrateRow {
    #[table(id)]
    pub yard: i32,
    #[table(id)]
    pub position: i16,
    pub parcel_id: Option<ParcelId>,
    #[table(flatten(prefix = "from_"))]
    pub from: Place,
    pub document: Option<Json<Note>>,
    pub due: NaiveDate,
    #[table(version)]
    pub version: i64,
}

pub(super) mod schema {
    diesel::table! {
        crates (yard, position) {
            from_street -> Text,
            from_number -> Integer,
            version -> BigInt,
            yard -> Integer,
            position -> SmallInt,
            parcel_id -> Nullable<Uuid>,
            due -> Date,
            document -> Nullable<Jsonb>,
        }
    }
}

use schema::crates;

diesel::joinable!(crates -> parcels (parcel_id));
diesel::allow_tables_to_appear_in_same_query!(crates, parcels);

pub(super) fn parcel(number: u8) -> ParcelRow {
    let odd = number % 2 == 1;
    ParcelRow {
        id: ParcelId(Uuid::from_u128(u128::from(number))),
        state: if odd { State::OnTheWay } else { State::Packed },
        former: odd.then_some(State::Packed),
        states: vec![State::Packed, State::OnTheWay],
        size: odd.then_some(Size::Large),
        r#type: if odd { Class::Express } else { Class::Economy },
        label: Label(format!("label {number}")),
        stops: Stops(vec!["Ulm".into(), "Bern".into()]),
        remark: odd.then(|| "fragile".into()),
        cents: i64::from(number) * 100,
        weight: odd.then(|| Decimal::new(-1250, 2)),
        tags: vec![Some("a".into()), None],
        notes: vec![Note { text: "first".into() }],
        seal: vec![0, 255, number],
        created_at: DateTime::UNIX_EPOCH,
        seen: 0,
        version: 1,
    }
}

pub(super) fn crate_row(position: i16, parcel: Option<&ParcelRow>) -> CrateRow {
    CrateRow {
        yard: 7,
        position,
        parcel_id: parcel.map(|parcel| parcel.id),
        from: Place { street: "Dock".into(), number: i32::from(position) },
        document: parcel.map(|_| Json(Note { text: "paper".into() })),
        due: NaiveDate::from_ymd_opt(2025, 2, 28).unwrap(),
        version: 1,
    }
}
