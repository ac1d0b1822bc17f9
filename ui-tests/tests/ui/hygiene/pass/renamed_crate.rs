//! The library is reached by another path.
#![deny(warnings)]
#![no_implicit_prelude]

extern crate spakky as db;

mod nested {
    pub(crate) mod path {
        pub(crate) use ::spakky::__private;
    }
}

mod spakky {}

#[derive(::std::clone::Clone, ::std::fmt::Debug, db::ColumnValue)]
#[column(crate = crate::nested::path)]
struct OrderId(i64);

#[derive(::std::clone::Clone, db::ColumnValue)]
#[column(crate = db)]
enum Status {
    Draft,
}

#[derive(::std::clone::Clone, db::Table, db::Mappable)]
#[table(embedded, crate = nested::path)]
#[mappable(domain = Self, crate = nested::path)]
struct Point {
    x: f64,
}

#[derive(::std::clone::Clone, db::Table, db::Mappable)]
#[table(crate = crate::nested::path)]
#[mappable(domain = Self, crate = crate::nested::path)]
struct OrderRow {
    #[table(id)]
    id: OrderId,
    status: Status,
    #[table(flatten)]
    at: Point,
}

fn main() {
    let _ = Status::Draft;
}
