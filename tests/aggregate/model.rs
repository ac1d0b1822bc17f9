//! Orders with lines, whose lines have discounts; an invoice each; comments that count for themselves.

use spakky::prelude::*;
use spakky::schema::SchemaRegistry;

use crate::support::{Database, Line as Wire};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ColumnValue)]
pub(super) struct OrderId(pub(super) i64);

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Order {
    pub(super) id: OrderId,
    pub(super) customer: String,
    pub(super) lines: Vec<OrderLine>,
    pub(super) invoice: Option<Invoice>,
    pub(super) comments: Vec<Comment>,
    pub(super) revision: Revision,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct OrderLine {
    pub(super) id: i64,
    pub(super) sku: String,
    pub(super) quantity: i32,
    pub(super) discounts: Vec<Discount>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Discount {
    pub(super) number: i32,
    pub(super) percent: i32,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Invoice {
    pub(super) number: String,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Comment {
    pub(super) id: i64,
    pub(super) text: String,
}

#[derive(Debug, Clone, Table, Mappable)]
#[table(name = "orders", filterable(customer, lines.sku, lines.quantity), sortable(customer))]
#[mappable(domain = Order)]
pub(super) struct OrderRow {
    #[table(id)]
    id: OrderId,
    customer: String,
    #[table(has_many(by = order_id, order_by = sku))]
    lines: Vec<OrderLineRow>,
    #[table(has_one(by = order_id))]
    invoice: Option<InvoiceRow>,
    #[table(has_many(by = order_id, order_by = id desc, unversioned))]
    comments: Vec<CommentRow>,
    #[table(version)]
    #[mappable(field = revision)]
    version: i64,
}

#[derive(Debug, Clone, Table, Mappable)]
#[table(name = "order_lines", unique(order_id, sku))]
#[mappable(domain = OrderLine)]
pub(super) struct OrderLineRow {
    #[table(id)]
    id: i64,
    #[table(references(OrderRow))]
    #[mappable(parent)]
    order_id: OrderId,
    sku: String,
    quantity: i32,
    #[mappable(row_only)]
    remark: Option<String>,
    #[table(has_many(by = line_id, order_by = (percent desc, number)))]
    discounts: Vec<DiscountRow>,
    #[table(version)]
    version: i64,
}

/// Its key holds that of its line.
#[derive(Debug, Clone, Table, Mappable)]
#[table(name = "discounts")]
#[mappable(domain = Discount)]
pub(super) struct DiscountRow {
    #[table(id, references(OrderLineRow))]
    #[mappable(parent)]
    line_id: i64,
    #[table(id)]
    number: i32,
    percent: i32,
}

#[derive(Debug, Clone, Table, Mappable)]
#[table(name = "invoices")]
#[mappable(domain = Invoice)]
pub(super) struct InvoiceRow {
    #[table(id, references(OrderRow, on_delete = cascade))]
    #[mappable(parent)]
    order_id: OrderId,
    #[table(unique)]
    number: String,
}

#[derive(Debug, Clone, Table, Mappable)]
#[table(name = "comments")]
#[mappable(domain = Comment)]
pub(super) struct CommentRow {
    #[table(id)]
    id: i64,
    #[table(references(OrderRow))]
    #[mappable(parent)]
    order_id: OrderId,
    text: String,
}

/// The database assigns its id and those of its papers.
#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "folders")]
#[mappable(domain = Self)]
pub(super) struct Folder {
    #[table(id, generated)]
    pub(super) id: i64,
    pub(super) title: String,
    #[table(has_many(by = folder_id))]
    pub(super) papers: Vec<Paper>,
    #[table(version)]
    pub(super) version: i64,
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "papers")]
#[mappable(domain = Self)]
pub(super) struct Paper {
    #[table(id, generated)]
    pub(super) id: i64,
    #[table(references(Folder))]
    pub(super) folder_id: i64,
    pub(super) text: String,
}

fn tables() -> SchemaRegistry {
    schema![OrderRow, OrderLineRow, DiscountRow, InvoiceRow, CommentRow, Folder, Paper]
}

pub(super) async fn create(db: &Database) -> Repository<OrderRow> {
    db.observer().create_tables(&tables()).await.unwrap();
    db.sessions.repository()
}

pub(super) fn through(line: &Wire) -> Repository<OrderRow> {
    line.sessions.repository()
}

pub(super) fn order(id: i64, lines: Vec<OrderLine>) -> Order {
    Order {
        id: OrderId(id),
        customer: "ann".to_owned(),
        lines,
        invoice: None,
        comments: Vec::new(),
        revision: Revision::default(),
    }
}

pub(super) fn line(id: i64, sku: &str, quantity: i32) -> OrderLine {
    OrderLine { id, sku: sku.to_owned(), quantity, discounts: Vec::new() }
}

pub(super) fn discount(number: i32, percent: i32) -> Discount {
    Discount { number, percent }
}

pub(super) fn invoice(number: &str) -> Option<Invoice> {
    Some(Invoice { number: number.to_owned() })
}

pub(super) fn comment(id: i64, text: &str) -> Comment {
    Comment { id, text: text.to_owned() }
}

/// Two lines, one with two discounts; an invoice; a comment.
pub(super) fn full(id: i64) -> Order {
    let mut first = line(id * 10 + 1, "bolt", 5);
    first.discounts = vec![discount(2, 20), discount(1, 10)];
    let mut full = order(id, vec![first, line(id * 10 + 2, "nut", 7)]);
    full.invoice = invoice(&format!("R{id}"));
    full.comments = vec![comment(id * 100 + 1, "hello")];
    full
}

/// Stores an order as somebody else did before.
pub(super) async fn store(db: &Database, mut order: Order) {
    let orders = db.observer().repository::<OrderRow>().autocommit();
    orders.add_now(&mut order).await.unwrap();
}

/// What others see: orders with their versions, lines with quantity and version, discounts, invoices, comments.
pub(super) async fn seen(db: &Database) -> Vec<String> {
    let text = if db.is_sqlite() { "TEXT" } else { "text" };
    let cast = |column: &str| format!("CAST({column} AS {text})");
    let sql = [
        format!("SELECT 'order ' || {} || ' v' || {} FROM orders", cast("id"), cast("version")),
        format!(
            "SELECT 'line ' || {} || ' of ' || {} || ' ' || sku || ' ' || {} || ' v' || {} FROM order_lines",
            cast("id"),
            cast("order_id"),
            cast("quantity"),
            cast("version")
        ),
        format!(
            "SELECT 'discount ' || {} || ' of line ' || {} || ' ' || {} FROM discounts",
            cast("number"),
            cast("line_id"),
            cast("percent")
        ),
        format!("SELECT 'invoice ' || number || ' of ' || {} FROM invoices", cast("order_id")),
        format!("SELECT 'comment ' || {} || ' of ' || {} || ' ' || text FROM comments", cast("id"), cast("order_id")),
    ]
    .join(" UNION ALL ");
    let rows: Vec<(String,)> = db.observer().sql(&sql).fetch_all().await.unwrap();
    let mut rows: Vec<String> = rows.into_iter().map(|(row,)| row).collect();
    rows.sort();
    rows
}
