use chrono::{DateTime, Utc};
use spakky::prelude::*;

#[derive(Clone, Table)]
struct CustomerRow {
    #[table(id)]
    id: i64,
    name: String,
    nick: Option<String>,
    #[table(deleted_at)]
    gone: Option<DateTime<Utc>>,
}

#[derive(Clone, Table)]
struct OrderRow {
    #[table(id)]
    id: i64,
    customer_id: i64,
}

#[derive(Clone, Table)]
struct InvoiceRow {
    #[table(id)]
    id: i64,
    order_id: i64,
    #[table(deleted_at)]
    gone: Option<DateTime<Utc>>,
}

#[derive(Projection)]
#[projection(row = CustomerRow)]
struct CustomerView {
    name: String,
}

#[derive(Projection)]
#[projection(row = InvoiceRow)]
struct InvoiceView {
    id: i64,
}

#[derive(Projection)]
#[projection(row = OrderRow)]
struct OrderView {
    #[projection(has_one(by = order_id))]
    invoice: InvoiceView,
}

fn main() {}
