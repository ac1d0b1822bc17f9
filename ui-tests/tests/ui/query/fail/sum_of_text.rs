use spakky::prelude::*;

#[derive(Clone, Table)]
struct OrderRow {
    #[table(id)]
    id: i64,
    customer_id: i64,
    note: String,
}

async fn notes(orders: Repository<OrderRow>) {
    let _ = orders.query().sum(OrderRow::COLUMNS.note).await;
}

fn main() {}
