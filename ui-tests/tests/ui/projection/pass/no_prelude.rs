//! Generated code names nothing by a prelude, a macro in scope or an import.
#![no_implicit_prelude]
#![deny(warnings)]
#![allow(dead_code)]

/// An order.
#[derive(::std::clone::Clone, ::spakky::Table)]
pub struct OrderRow {
    #[table(id)]
    id: i64,
    customer_id: i64,
    note: ::std::string::String,
}

/// A line.
#[derive(::std::clone::Clone, ::spakky::Table)]
pub struct LineRow {
    #[table(id)]
    id: i64,
    order_id: i64,
    amount: i64,
}

/// A link.
#[derive(::std::clone::Clone, ::spakky::Table)]
pub struct LinkRow {
    #[table(id)]
    left: i64,
    #[table(id)]
    right: i64,
}

/// A view of a line.
#[derive(::std::fmt::Debug, ::spakky::Projection)]
#[projection(row = LineRow)]
pub struct LineView {
    /// Its key.
    pub id: i64,
}

/// A view of an order.
#[derive(::std::fmt::Debug, ::spakky::Projection)]
#[projection(row = OrderRow, profiles(list, detail))]
pub struct OrderView {
    /// A column.
    #[projection(profiles(detail))]
    pub note: ::spakky::Loaded<::std::string::String>,
    /// A joined column.
    #[projection(joined(LineRow.amount, by = customer_id))]
    pub joined: ::std::option::Option<i64>,
    /// A related row.
    #[projection(belongs_to(by = customer_id))]
    pub customer: ::std::option::Option<LineView>,
    /// Related rows.
    #[projection(has_many(by = order_id, order_by = (amount desc, id)))]
    pub lines: ::std::vec::Vec<LineView>,
    /// Linked rows.
    #[projection(many_to_many(through = LinkRow, from = left, to = right))]
    pub linked: ::std::vec::Vec<LineView>,
    /// A number.
    #[projection(count(LineRow, by = order_id))]
    pub count: i64,
    /// A sum.
    #[projection(sum(LineRow.amount, by = order_id))]
    pub total: i64,
    /// A loader's value.
    #[projection(load = score, depends_on(count), profiles(list))]
    pub score: ::spakky::Loaded<::std::option::Option<i64>>,
}

async fn score(
    _: ::spakky::Batch<i64>,
    _: ::std::vec::Vec<i64>,
) -> ::std::result::Result<[(i64, ::std::option::Option<i64>); 0], ::spakky::Error> {
    ::std::result::Result::Ok([])
}

fn main() {
    let _ = (OrderView::LIST, OrderView::DETAIL);
}
