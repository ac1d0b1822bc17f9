//! Every key of `#[mappable(..)]`, in forms that compile.
#![deny(warnings)]

use spakky::mappable::Revision;
use spakky::{Mappable, Table};

pub struct Order {
    id: i64,
    total: Total,
    note: String,
    line: Line,
    extra: Option<Line>,
    number: u32,
    revision: Revision,
    pending: Vec<u8>,
}

#[derive(Clone)]
pub struct Total(i64);

impl From<i64> for Total {
    fn from(cents: i64) -> Self {
        Total(cents)
    }
}

impl From<Total> for i64 {
    fn from(total: Total) -> i64 {
        total.0
    }
}

pub struct Line {
    sku: String,
}

#[derive(Clone, Debug, Table, Mappable, serde::Serialize, serde::Deserialize)]
#[table(embedded)]
#[mappable(domain = Line)]
pub struct LineRow {
    sku: String,
}

mod number {
    pub fn from_domain(number: &u32) -> i64 {
        i64::from(*number)
    }

    pub fn to_domain(number: i64) -> Result<u32, std::num::TryFromIntError> {
        u32::try_from(number)
    }
}

mod note {
    pub fn from_domain(note: &str) -> String {
        note.to_owned()
    }

    pub fn to_domain(note: String) -> String {
        note
    }
}

#[derive(Clone, Table, Mappable)]
#[mappable(domain = Order, primary, access = fields)]
pub struct OrderRow {
    #[table(id)]
    id: i64,
    #[mappable(field = total, into)]
    cents: i64,
    #[mappable(with = note)]
    note: String,
    #[table(flatten(prefix = "line_"))]
    #[mappable(nested)]
    line: LineRow,
    #[table(json)]
    #[mappable(nested)]
    extra: Option<LineRow>,
    #[mappable(try_with = number)]
    number: i64,
    #[mappable(row_only)]
    remark: Option<String>,
    #[mappable(row_only = if cfg!(test) { "test" } else { "web" }.to_owned())]
    channel: String,
    #[table(version)]
    #[mappable(field = revision)]
    version: i64,
    #[table(skip)]
    #[mappable(field = pending)]
    pending: Vec<u8>,
}

/// A second table for the same domain type, with only some columns and a constructor.
#[derive(Clone, Table, Mappable)]
#[mappable(domain = Order, construct = Order::restore)]
pub struct OrderSummaryRow {
    #[table(id)]
    id: i64,
    note: String,
}

impl Order {
    fn restore(id: i64, note: impl Into<String>) -> Self {
        let line = Line { sku: String::new() };
        let revision = Revision::default();
        Order { id, total: Total(0), note: note.into(), line, extra: None, number: 0, revision, pending: Vec::new() }
    }

    fn try_restore(id: i64) -> Result<Self, String> {
        Ok(Order::restore(id, ""))
    }
}

#[derive(Clone, Table, Mappable)]
#[mappable(domain = Order, try_construct = Order::try_restore)]
pub struct OrderIdRow {
    #[table(id)]
    id: i64,
}

fn main() {}
