//! Fields, variants and types with raw names lose `r#` in the database.
#![deny(warnings)]
#![allow(non_camel_case_types, reason = "keywords are lower case")]

use spakky::{ColumnValue, Mappable, Table};

#[derive(Clone, ColumnValue)]
pub enum r#type {
    r#fn,
    r#loop,
}

#[derive(Clone)]
pub struct r#struct {
    pub r#type: r#type,
    pub r#match: i64,
    pub r#async: String,
}

#[derive(Clone, Table, Mappable)]
#[table(index(r#type, r#async), unique(r#async))]
#[mappable(domain = r#struct)]
pub struct r#enum {
    #[table(id)]
    pub r#match: i64,
    pub r#type: r#type,
    #[mappable(field = r#async)]
    pub r#async: String,
}

fn main() {
    assert_eq!(r#enum::COLUMNS.r#type.name(), "type");
    assert_eq!(r#enum::TABLE, "enum");
    assert_eq!(r#enum::UQ_ASYNC, "uq_enum_async");
    assert_eq!(r#enum::descriptor().indexes[0].name, "ix_enum_type_async");
}
