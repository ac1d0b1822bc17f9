//! Every key of `#[table(..)]`, in forms that compile.
#![deny(warnings)]

use chrono::{DateTime, NaiveDateTime, Utc};
use serde::{Deserialize, Serialize};
use spakky::Table;

#[derive(Clone, Table)]
#[table(
    name = "customers",
    schema = "shop",
    renamed_from = "clients",
    index(country, email desc, name = "ix_by_country", where = "country IS NOT NULL"),
    index(email asc, country),
    unique(country, email, name = "uq_one_per_country"),
    unique(home.street, home.at.lat),
    check(positive, "credit >= 0"),
    filterable(id, email, country, parent, home.street, home.at.lat, agent.email, created_at),
    sortable(email, credit, home.street, created_at),
)]
pub struct CustomerRow {
    #[table(id, generated)]
    pub id: i64,
    #[table(unique, length = 80, column = "mail")]
    pub email: String,
    #[table(index, default = "'FR'", renamed_from = "land")]
    pub country: Option<String>,
    pub credit: i64,
    #[table(references(CustomerRow, on_delete = set_null))]
    pub parent: Option<i64>,
    #[table(references(self::CustomerRow, on_delete = cascade))]
    pub owner: i64,
    #[table(references(CustomerRow, on_delete = restrict))]
    pub guide: i64,
    #[table(references(CustomerRow))]
    pub friend: i64,
    #[table(references(self::CustomerRow))]
    pub agent_id: Option<i64>,
    #[table(json)]
    pub settings: Settings,
    #[table(flatten(prefix = "home_"))]
    pub home: Address,
    #[table(flatten)]
    pub at: Point,
    #[table(skip)]
    pub cached: Option<String>,
    #[table(version)]
    pub version: i64,
    #[table(created_at, default = "now()")]
    pub created_at: DateTime<Utc>,
    #[table(updated_at)]
    pub updated_at: NaiveDateTime,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Settings {
    pub theme: String,
}

#[derive(Clone, Table)]
#[table(embedded)]
pub struct Address {
    #[table(renamed_from = "road")]
    pub street: String,
    #[table(flatten(prefix = "geo_"))]
    pub at: Point,
}

#[derive(Clone, Table)]
#[table(embedded)]
pub struct Point {
    #[table(default = "0")]
    pub lat: f64,
    pub lon: f64,
}

/// All of an embedded struct may be flattened itself.
#[derive(Clone, Table)]
#[table(embedded)]
pub struct Nest {
    #[table(flatten(prefix = "a_"))]
    pub a: Point,
    #[table(flatten(prefix = "b_"))]
    pub b: Point,
}

#[derive(Clone, Table)]
#[table(name = "nested", unique(nest.a.lat, nest.b.lon))]
pub struct NestedRow {
    #[table(id)]
    pub first: i64,
    #[table(id)]
    pub second: String,
    #[table(flatten)]
    pub nest: Nest,
}

fn main() {
    let _ = [CustomerRow::UQ_EMAIL, CustomerRow::UQ_ONE_PER_COUNTRY, CustomerRow::UQ_HOME_STREET_HOME_AT_LAT];
    let _ = [CustomerRow::IX_BY_COUNTRY, CustomerRow::IX_EMAIL_COUNTRY, CustomerRow::IX_COUNTRY];
    let _ = [CustomerRow::CK_POSITIVE, CustomerRow::FK_PARENT, CustomerRow::TABLE];
    let _ = CustomerRow::COLUMNS.home.at.lat.name();
    let _ = NestedRow::COLUMNS.nest.b.lon.name();
}
