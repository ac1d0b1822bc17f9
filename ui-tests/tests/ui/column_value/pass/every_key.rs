//! Every key of `#[column(..)]`, in forms that compile.
#![deny(warnings)]

use std::marker::PhantomData;

use spakky::ColumnValue;

#[derive(ColumnValue)]
pub struct OrderId(pub i64);

#[derive(ColumnValue)]
#[column(pg_type = "citext")]
pub struct Email {
    pub text: String,
}

pub mod sql_types {
    pub struct Inet;
    pub struct Range<T>(pub T);
}

#[derive(ColumnValue)]
#[column(sql_type = sql_types::Inet)]
pub struct Address(pub u32);

#[derive(ColumnValue)]
#[column(sql_type = sql_types::Range<sql_types::Inet>, pg_type = "inet_range")]
pub struct Addresses {
    pub first_and_last: [u32; 2],
}

#[derive(ColumnValue)]
pub struct Id<T>(pub i64, pub PhantomData<fn() -> T>);

#[derive(ColumnValue)]
pub struct Maybe<T: Clone>(pub Option<T>)
where
    T: Send;

#[derive(ColumnValue)]
pub struct Tags(pub Vec<String>);

#[derive(ColumnValue)]
#[column(rename_all = "SCREAMING_SNAKE_CASE", pg_type = "status")]
pub enum Status {
    InDraft,
    #[column(rename = "paid")]
    Paid,
    #[column(other)]
    Other(String),
}

#[derive(ColumnValue)]
#[column(repr = i64)]
pub enum Level {
    Low,
    High = 1 << 40,
}

#[derive(ColumnValue)]
#[column(repr = i32)]
pub enum Code {
    #[column(value = 200)]
    Fine,
    #[column(value = -0x10)]
    Lost,
    #[column(other)]
    Other {
        code: i32,
    },
}

fn main() {}
