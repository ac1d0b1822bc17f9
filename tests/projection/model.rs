//! A shop to look at: customers with orders, whose lines have notes, and tags on orders.

use std::collections::HashMap;

use spakky::prelude::*;
use spakky::{Error, Json};

use crate::support::Database;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ColumnValue)]
pub(super) struct OrderId(pub(super) i64);

#[derive(Debug, Clone, Copy, PartialEq, Eq, ColumnValue)]
pub(super) struct Cents(pub(super) i64);

#[derive(Debug, Clone, Table)]
#[table(name = "shoppers")]
pub(super) struct ShopperRow {
    #[table(id)]
    id: i64,
    name: String,
    city: Option<String>,
}

#[derive(Debug, Clone, Table)]
#[table(name = "shop_orders")]
pub(super) struct OrderRow {
    #[table(id)]
    id: OrderId,
    #[table(references(ShopperRow))]
    customer_id: i64,
    #[table(references(ShopperRow))]
    payer_id: Option<i64>,
    note: Option<String>,
    #[table(json)]
    extras: Vec<String>,
    #[table(flatten(prefix = "ship_"))]
    ship: Place,
}

#[derive(Debug, Clone, Table)]
#[table(embedded)]
pub(super) struct Place {
    street: String,
}

#[derive(Debug, Clone, Table)]
#[table(name = "shop_lines")]
pub(super) struct LineRow {
    #[table(id)]
    id: i64,
    #[table(references(OrderRow))]
    order_id: OrderId,
    position: i32,
    amount: Cents,
    weight: f64,
}

#[derive(Debug, Clone, Table)]
#[table(name = "shop_notes")]
pub(super) struct NoteRow {
    #[table(id)]
    id: i64,
    #[table(references(LineRow))]
    line_id: i64,
    text: String,
}

#[derive(Debug, Clone, Table)]
#[table(name = "shop_tags")]
pub(super) struct TagRow {
    #[table(id)]
    id: i64,
    name: String,
}

#[derive(Debug, Clone, Table)]
#[table(name = "shop_order_tags")]
pub(super) struct OrderTagRow {
    #[table(id, references(OrderRow))]
    order_id: OrderId,
    #[table(id, references(TagRow))]
    tag_id: i64,
}

#[derive(Debug, Clone, PartialEq, Projection)]
#[projection(row = ShopperRow, profiles(brief))]
pub(super) struct ShopperView {
    pub(super) name: String,
    #[projection(profiles(brief))]
    pub(super) city: Loaded<Option<String>>,
    #[projection(count(OrderRow, by = customer_id))]
    pub(super) orders: i64,
}

#[derive(Debug, Clone, PartialEq, Projection)]
#[projection(row = NoteRow)]
pub(super) struct NoteView {
    pub(super) text: String,
}

#[derive(Debug, Clone, PartialEq, Projection)]
#[projection(row = LineRow)]
pub(super) struct LineView {
    pub(super) id: i64,
    pub(super) amount: Cents,
    #[projection(has_many(by = line_id, order_by = text desc))]
    pub(super) notes: Vec<NoteView>,
}

#[derive(Debug, Clone, PartialEq, Projection)]
#[projection(row = TagRow)]
pub(super) struct TagView {
    pub(super) name: String,
}

/// Every kind of field.
#[derive(Debug, Clone, PartialEq, Projection)]
#[projection(row = OrderRow, profiles(list, detail))]
pub(super) struct OrderView {
    pub(super) id: OrderId,
    #[projection(column = note)]
    pub(super) remark: Option<String>,
    #[projection(column = ship.street, profiles(detail))]
    pub(super) street: Loaded<String>,
    #[projection(profiles(detail))]
    pub(super) extras: Loaded<Vec<String>>,
    #[projection(joined(ShopperRow.name, by = customer_id))]
    pub(super) customer_name: String,
    #[projection(joined(ShopperRow.city, by = payer_id), profiles(detail))]
    pub(super) payer_city: Loaded<Option<String>>,
    #[projection(belongs_to(by = customer_id), profiles(detail))]
    pub(super) customer: Loaded<ShopperView>,
    #[projection(belongs_to(by = payer_id), profiles(detail))]
    pub(super) payer: Loaded<Option<ShopperView>>,
    #[projection(has_many(by = order_id, order_by = (position desc, id)), profiles(detail))]
    pub(super) lines: Loaded<Vec<LineView>>,
    #[projection(many_to_many(through = OrderTagRow, from = order_id, to = tag_id, order_by = name))]
    pub(super) tags: Vec<TagView>,
    #[projection(count(LineRow, by = order_id))]
    pub(super) line_count: i64,
    #[projection(exists(LineRow, by = order_id))]
    pub(super) has_lines: bool,
    #[projection(sum(LineRow.amount, by = order_id))]
    pub(super) total: Cents,
    #[projection(sum(LineRow.weight, by = order_id), profiles(detail))]
    pub(super) weight: Loaded<f64>,
    #[projection(load = score, depends_on(line_count, rank), profiles(detail))]
    pub(super) score: Loaded<i64>,
    #[projection(load = rank, profiles(detail))]
    pub(super) rank: Loaded<i64>,
}

/// Ten for each order, but none for the third.
async fn rank(batch: Batch<OrderId>) -> Result<HashMap<OrderId, i64>, Error> {
    let known = batch.repository::<OrderRow>().query().count().await?;
    assert!(known >= 1);
    Ok(batch.ids().iter().filter(|id| id.0 != 3).map(|id| (*id, 10 * id.0)).collect())
}

/// The rank and the lines. It is called behind both.
async fn score(
    batch: Batch<OrderId>,
    line_counts: Vec<i64>,
    ranks: Vec<Loaded<i64>>,
) -> Result<Vec<(OrderId, i64)>, Error> {
    let values = line_counts.iter().zip(&ranks).map(|(lines, rank)| lines + rank.get().unwrap());
    Ok(batch.ids().iter().copied().zip(values).collect())
}

/// A row that is not there.
#[derive(Debug, Clone, PartialEq, Projection)]
#[projection(row = OrderRow)]
pub(super) struct PaidOrderView {
    pub(super) id: OrderId,
    #[projection(belongs_to(by = payer_id, profile = brief))]
    pub(super) payer: ShopperView,
}

/// One line for an order that may have several.
#[derive(Debug, Clone, PartialEq, Projection)]
#[projection(row = OrderRow)]
pub(super) struct SingleView {
    #[projection(has_one(by = order_id))]
    pub(super) line: Option<LineView>,
}

pub(super) fn city(name: &str) -> Loaded<Option<String>> {
    Loaded::Loaded(Some(name.to_owned()))
}

/// Order 1 has everything; order 2 has one line; order 3 has nothing.
pub(super) async fn create(db: &Database) -> Repository<OrderRow> {
    let tables = schema![ShopperRow, OrderRow, LineRow, NoteRow, TagRow, OrderTagRow];
    db.observer().create_tables(&tables).await.unwrap();
    let extras = serde_json::to_string(&Json(vec!["ribbon"]).0).unwrap();
    for sql in [
        "INSERT INTO shoppers (id, name, city) VALUES (1, 'ann', 'Oslo'), (2, 'bob', NULL)".to_owned(),
        format!(
            "INSERT INTO shop_orders (id, customer_id, payer_id, note, extras, ship_street) VALUES \
             (1, 1, 2, 'soon', '{extras}', 'High St'), (2, 1, NULL, NULL, '[]', 'Low St'), (3, 2, 1, NULL, '[]', 'Mid St')"
        ),
        "INSERT INTO shop_lines (id, order_id, position, amount, weight) VALUES \
         (11, 1, 1, 500, 0.5), (12, 1, 2, 250, 1.0), (21, 2, 1, 99, 2.0)"
            .to_owned(),
        "INSERT INTO shop_notes (id, line_id, text) VALUES (1, 11, 'a'), (2, 11, 'b'), (3, 21, 'c')".to_owned(),
        "INSERT INTO shop_tags (id, name) VALUES (1, 'urgent'), (2, 'gift')".to_owned(),
        "INSERT INTO shop_order_tags (order_id, tag_id) VALUES (1, 1), (1, 2), (2, 2)".to_owned(),
    ] {
        db.execute(&sql).await;
    }
    db.sent();
    db.sessions.repository()
}
