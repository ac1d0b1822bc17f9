//! Types of the user's are called as those of the prelude.
#![deny(warnings)]
#![allow(dead_code, reason = "the names are there to be in the way")]

use spakky::{ColumnValue, Mappable, Table};

type Option = ();
type Some = ();
type None = ();
type Result = ();
type Ok = ();
type Err = ();
type Vec = ();
type Box = ();
type Default = ();
type From = ();
type Into = ();
type Send = ();
type Sync = ();
type Sized = ();
type Value = ();
type Error = ();
type Columns = ();
type Column = ();
type Domain = ();
mod core {}
mod std {}
mod alloc {}

#[derive(::std::clone::Clone, ::std::fmt::Debug, ColumnValue)]
pub struct String(pub i64);

#[derive(::std::clone::Clone, ColumnValue)]
pub enum Status {
    Some,
    None,
    Ok,
}

#[derive(::std::clone::Clone)]
pub struct Order {
    pub id: String,
    pub status: Status,
    pub record: i64,
}

#[derive(::std::clone::Clone, Table, Mappable)]
#[mappable(domain = Order)]
pub struct OrderRow {
    #[table(id)]
    pub id: String,
    pub status: Status,
    pub record: i64,
    #[mappable(row_only)]
    pub base: i64,
    #[mappable(row_only)]
    pub domain: i64,
}

#[allow(non_upper_case_globals, reason = "in the way of a local of that name")]
const record: i64 = 0;
#[allow(non_upper_case_globals, reason = "in the way of a local of that name")]
const base: i64 = 0;

fn main() {}
