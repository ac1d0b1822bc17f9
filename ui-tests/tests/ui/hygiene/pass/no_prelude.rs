//! Generated code names nothing by a prelude, a macro in scope or an import.
#![no_implicit_prelude]
#![deny(warnings)]

#[derive(::std::clone::Clone, ::std::fmt::Debug, ::spakky::ColumnValue)]
struct OrderId(::std::primitive::i64);

#[derive(::std::clone::Clone, ::spakky::ColumnValue)]
enum Status {
    Draft,
    #[column(other)]
    Other(::std::string::String),
}

#[derive(::std::clone::Clone, ::spakky::ColumnValue)]
#[column(repr = i16)]
enum Level {
    Low,
    High,
}

#[derive(::std::clone::Clone, ::spakky::Table, ::spakky::Mappable)]
#[table(embedded)]
#[mappable(domain = Self)]
struct Point {
    x: f64,
}

struct Order {
    id: OrderId,
    status: Status,
    level: Level,
    at: Point,
    cents: i64,
    small: Small,
    version: i64,
}

#[derive(::std::clone::Clone)]
struct Small(i64);

impl ::std::convert::From<Small> for i64 {
    fn from(small: Small) -> i64 {
        small.0
    }
}

impl ::std::convert::TryFrom<i64> for Small {
    type Error = ::std::string::String;

    fn try_from(small: i64) -> ::std::result::Result<Small, ::std::string::String> {
        ::std::result::Result::Ok(Small(small))
    }
}

mod cents {
    pub fn from_domain(cents: &i64) -> i64 {
        *cents
    }

    pub fn to_domain(cents: i64) -> ::std::result::Result<i64, ::std::string::String> {
        ::std::result::Result::Ok(cents)
    }
}

#[derive(::std::clone::Clone, ::spakky::Table, ::spakky::Mappable)]
#[table(unique(status, at.x), index(level desc, cents), check(any, "true"))]
#[mappable(domain = Order)]
struct OrderRow {
    #[table(id)]
    id: OrderId,
    status: Status,
    #[table(index)]
    level: Level,
    #[table(flatten(prefix = "at_"))]
    #[mappable(nested)]
    at: Point,
    #[mappable(try_with = cents)]
    cents: i64,
    #[mappable(try_into)]
    small: i64,
    #[table(json)]
    #[mappable(row_only)]
    tags: ::std::vec::Vec<::std::string::String>,
    #[table(references(OrderRow, on_delete = set_null))]
    #[mappable(row_only)]
    parent: ::std::option::Option<OrderId>,
    #[table(version)]
    #[mappable(field = version)]
    version: i64,
    #[table(created_at)]
    created_at: ::chrono::DateTime<::chrono::Utc>,
    #[table(skip)]
    skipped: ::std::option::Option<i64>,
}

fn main() {
    let _ = OrderRow::COLUMNS.at.x;
}
