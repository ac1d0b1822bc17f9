//! How orders are stored, with their lines: all there is to write for it.

use chrono::{DateTime, Utc};
use spakky::{Mappable, Projection, Table};
use uuid::Uuid;

use crate::domain::{Order, OrderId, OrderLine, OrderStatus};

#[derive(Debug, Clone, Table, Mappable)]
#[table(name = "orders", index(status, placed_at), index(total_cents, id), check(total, "total_cents >= 0"))]
#[mappable(domain = Order)]
pub(crate) struct OrderRow {
    #[table(id)]
    id: OrderId,
    #[mappable(field = customer)]
    customer_id: Uuid,
    #[table(length = 200)]
    customer_name: String,
    status: OrderStatus,
    total_cents: i64,
    #[table(has_many(by = order_id, order_by = position))]
    lines: Vec<OrderLineRow>,
    note: Option<String>,
    placed_at: DateTime<Utc>,
    #[table(version)]
    #[mappable(field = revision)]
    version: i64,
    #[table(created_at)]
    created_at: DateTime<Utc>,
    #[table(updated_at)]
    updated_at: DateTime<Utc>,
}

#[derive(Debug, Clone, Table, Mappable)]
#[table(name = "order_lines", unique(order_id, sku))]
#[mappable(domain = OrderLine)]
pub(crate) struct OrderLineRow {
    #[table(id, references(OrderRow, on_delete = cascade))]
    #[mappable(parent)]
    order_id: OrderId,
    #[table(id)]
    position: i32,
    #[table(length = 40)]
    sku: String,
    title: String,
    quantity: i32,
    unit_cents: i64,
}

/// What a list of orders shows, which needs no aggregates.
#[derive(Debug, Projection)]
#[projection(row = OrderRow)]
pub(crate) struct OrderView {
    #[projection(column = customer_name)]
    pub(crate) customer: String,
    pub(crate) total_cents: i64,
    #[projection(count(OrderLineRow, by = order_id))]
    pub(crate) lines: i64,
}
