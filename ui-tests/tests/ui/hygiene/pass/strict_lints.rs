//! A crate with strict lints derives everything.
#![forbid(unsafe_code)]
#![deny(
    warnings,
    missing_docs,
    missing_debug_implementations,
    missing_copy_implementations,
    unreachable_pub,
    unused,
    unused_qualifications,
    unused_results,
    trivial_casts,
    single_use_lifetimes,
    let_underscore_drop,
    non_ascii_idents,
    rust_2018_idioms,
    variant_size_differences
)]

use chrono::{DateTime, Utc};
use spakky::{ColumnValue, Mappable, Table};

/// A key.
#[derive(Debug, Clone, Copy, ColumnValue)]
pub struct OrderId(pub i64);

/// A state.
#[derive(Debug, Clone, Copy, ColumnValue)]
pub enum Status {
    /// New.
    Draft,
}

/// A place.
#[derive(Debug, Clone, Copy, Table, Mappable)]
#[table(embedded)]
#[mappable(domain = Self)]
pub struct Point {
    /// Longitude.
    pub x: f64,
}

/// An order.
#[derive(Debug, Clone, Copy)]
pub struct Order {
    /// Its key.
    pub id: OrderId,
    /// Its state.
    pub status: Status,
    /// Where it is.
    pub at: Point,
}

/// A type that the module keeps to itself.
#[derive(Debug, Clone, Copy, Default, ColumnValue)]
struct Secret(i64);

/// An order's row.
#[derive(Debug, Clone, Copy, Table, Mappable)]
#[table(unique(status), index(at.x), check(any, "true"))]
#[mappable(domain = Order)]
pub struct OrderRow {
    #[table(id)]
    id: OrderId,
    status: Status,
    #[table(flatten(prefix = "at_"))]
    at: Point,
    #[mappable(row_only)]
    secret: Secret,
    #[table(version)]
    version: i64,
    #[table(updated_at)]
    updated_at: DateTime<Utc>,
}

fn main() {}
