//! Rows written by a macro of the user's, with types, names and attribute values passed in.
#![deny(warnings)]

use std::marker::PhantomData;

use spakky::{ColumnValue, HasSessions, Mappable, SessionManager, Table};

macro_rules! id {
    ($name:ident, $inner:ty, $marker:ty) => {
        #[derive(Debug, Clone, ColumnValue)]
        pub struct $name(pub $inner, pub $marker);
    };
}

id!(OrderId, i64, PhantomData<u8>);

macro_rules! row {
    ($row:ident of $domain:ty, $table:literal, $id:ty, { $($field:ident: $ty:ty = $column:literal,)* }, $hidden:ty) => {
        #[derive(Clone, Table, Mappable)]
        #[table(name = $table, unique($($field),*))]
        #[mappable(domain = $domain)]
        pub struct $row {
            #[table(id)]
            pub key: $id,
            #[table(flatten(prefix = "at_"))]
            pub at: $hidden,
            $(
                #[table(column = $column)]
                pub $field: $ty,
            )*
            #[mappable(row_only = $table.to_owned())]
            pub source: String,
        }
    };
}

#[derive(Clone, Table)]
#[table(embedded)]
pub struct Point {
    pub x: f64,
}

pub struct Order {
    pub key: OrderId,
    pub at: Point,
    pub title: String,
    pub total: Option<i64>,
}

row!(OrderRow of Order, "orders", OrderId, { title: String = "label", total: Option<i64> = "sum", }, Point);

macro_rules! service {
    ($name:ident, $sessions:ty) => {
        #[derive(HasSessions)]
        pub struct $name {
            pub sessions: $sessions,
        }
    };
}

service!(Orders, SessionManager);

macro_rules! itself {
    ($domain:ty) => {
        #[derive(Clone, Table, Mappable)]
        #[mappable(domain = $domain)]
        pub struct Note {
            #[table(id)]
            pub id: i64,
        }
    };
}

itself!(Self);

fn main() {
    assert_eq!(OrderRow::TABLE, "orders");
    assert_eq!(OrderRow::COLUMNS.title.name(), "label");
    assert_eq!(OrderRow::COLUMNS.at.x.name(), "at_x");
}
