//! Row types of every kind, for comparisons.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use spakky::prelude::*;
use uuid::Uuid;

/// Every kind of column, key and constraint.
#[derive(Debug, Clone, Table)]
#[table(
    name = "customers",
    unique(name, city),
    index(name desc, created_at),
    index(city, name = "ix_active_city", where = "active AND city IS NOT NULL"),
    check(named, "name <> '' AND length(name) > 1")
)]
pub(crate) struct CustomerRow {
    #[table(id, generated)]
    id: i64,
    name: String,
    city: Option<String>,
    #[table(length = 80, unique)]
    email: String,
    #[table(default = "true")]
    active: bool,
    #[table(default = "'it''s new'", length = 20)]
    state: Option<String>,
    #[table(default = "1 + 2")]
    level: i32,
    #[table(version)]
    version: i64,
    #[table(created_at)]
    created_at: DateTime<Utc>,
    #[table(updated_at)]
    updated_at: NaiveDateTime,
}

#[derive(Debug, Clone, Table)]
#[table(name = "orders", check(positive, "\"total\" >= 0"))]
pub(crate) struct OrderRow {
    #[table(id)]
    id: Uuid,
    #[table(references(CustomerRow, on_delete = cascade), index)]
    customer_id: i64,
    #[table(references(OrderRow, on_delete = restrict))]
    parent: Option<Uuid>,
    total: rust_decimal::Decimal,
    small: i16,
    real: f32,
    double: Option<f64>,
    day: NaiveDate,
    time: NaiveTime,
    bytes: Vec<u8>,
    tags: Vec<String>,
    numbers: Option<Vec<i32>>,
    #[table(json)]
    document: Vec<u8>,
}

#[derive(Debug, Clone, Table)]
#[table(name = "order_lines")]
pub(crate) struct OrderLineRow {
    #[table(id, references(OrderRow))]
    order_id: Uuid,
    #[table(id)]
    number: i32,
    #[table(index)]
    product: String,
}

/// Two tables that refer to each other.
#[derive(Debug, Clone, Table)]
#[table(name = "hens")]
pub(crate) struct HenRow {
    #[table(id)]
    id: i32,
    #[table(references(EggRow, on_delete = set_null))]
    hatched_from: Option<i64>,
}

#[derive(Debug, Clone, Table)]
#[table(name = "eggs")]
pub(crate) struct EggRow {
    #[table(id)]
    id: i64,
    #[table(references(HenRow, on_delete = restrict))]
    laid_by: i32,
}

/// All of them.
pub(crate) fn farm() -> SchemaRegistry {
    schema![CustomerRow, OrderRow, OrderLineRow, HenRow, EggRow, DocumentRow, PageRow]
}

/// Of one tenant each, soft-deleted, with a unique key among those that live.
#[derive(Debug, Clone, Table)]
#[table(name = "documents", tenanted, unique(tenant, title, where = live))]
pub(crate) struct DocumentRow {
    #[table(id)]
    id: i64,
    #[table(tenant)]
    tenant: String,
    title: String,
    #[table(has_many(by = document_id))]
    pages: Vec<PageRow>,
    #[table(created_by)]
    created_by: String,
    #[table(deleted_at)]
    deleted_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, Table)]
#[table(name = "pages")]
pub(crate) struct PageRow {
    #[table(id)]
    id: i64,
    #[table(references(DocumentRow, on_delete = cascade))]
    document_id: i64,
}
