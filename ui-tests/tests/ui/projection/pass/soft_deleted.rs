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
#[projection(row = OrderRow, profiles(list))]
struct OrderView {
    #[projection(joined(CustomerRow.name, by = customer_id))]
    name: Option<String>,
    #[projection(joined(CustomerRow.nick, by = customer_id))]
    nick: Option<String>,
    #[projection(joined(CustomerRow.name, by = customer_id), profiles(list))]
    loaded: Loaded<Option<String>>,
    #[projection(belongs_to(by = customer_id))]
    customer: Option<CustomerView>,
    #[projection(has_one(by = order_id))]
    invoice: Option<InvoiceView>,
    #[projection(belongs_to(by = customer_id), profiles(list))]
    loaded_customer: Loaded<Option<CustomerView>>,
}

fn main() {}
