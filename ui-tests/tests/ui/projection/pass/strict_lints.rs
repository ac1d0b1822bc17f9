//! A crate with strict lints derives projections.
#![forbid(unsafe_code)]
#![deny(
    warnings,
    missing_docs,
    missing_debug_implementations,
    unused,
    unused_qualifications,
    unused_results,
    trivial_casts,
    single_use_lifetimes,
    rust_2018_idioms
)]
#![allow(dead_code)]

use spakky::{Batch, Error, Loaded, Projection, Table};

/// An order.
#[derive(Debug, Clone, Table)]
pub struct OrderRow {
    #[table(id)]
    id: i64,
    customer_id: i64,
    note: String,
}

/// A line.
#[derive(Debug, Clone, Table)]
pub struct LineRow {
    #[table(id)]
    id: i64,
    order_id: i64,
    amount: i64,
}

/// A link.
#[derive(Debug, Clone, Table)]
pub struct LinkRow {
    #[table(id)]
    left: i64,
    #[table(id)]
    right: i64,
}

/// A view of a line.
#[derive(Debug, Projection)]
#[projection(row = LineRow)]
pub struct LineView {
    /// Its key.
    pub id: i64,
}

/// A view of an order.
#[derive(Debug, Projection)]
#[projection(row = OrderRow, profiles(list, detail))]
pub struct OrderView {
    /// A column.
    #[projection(profiles(detail))]
    pub note: Loaded<String>,
    /// A joined column.
    #[projection(joined(LineRow.amount, by = customer_id))]
    pub joined: Option<i64>,
    /// A related row.
    #[projection(belongs_to(by = customer_id))]
    pub customer: Option<LineView>,
    /// Related rows.
    #[projection(has_many(by = order_id, order_by = (amount desc, id)))]
    pub lines: Vec<LineView>,
    /// Linked rows.
    #[projection(many_to_many(through = LinkRow, from = left, to = right))]
    pub linked: Vec<LineView>,
    /// A number.
    #[projection(count(LineRow, by = order_id))]
    pub count: i64,
    /// A sum.
    #[projection(sum(LineRow.amount, by = order_id))]
    pub total: i64,
    /// A loader's value.
    #[projection(load = score, depends_on(count), profiles(list))]
    pub score: Loaded<Option<i64>>,
}

async fn score(
    _: Batch<i64>,
    _: Vec<i64>,
) -> Result<[(i64, Option<i64>); 0], Error> {
    Ok([])
}

fn main() {
    let _ = (OrderView::LIST, OrderView::DETAIL);
}
