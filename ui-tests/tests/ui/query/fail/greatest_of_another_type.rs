use spakky::prelude::*;

#[derive(Clone, Table)]
struct OrderRow {
    #[table(id)]
    id: i64,
    customer_id: i64,
    note: String,
}

async fn greatest(orders: Repository<OrderRow>) {
    let _ = orders.query().max::<String>(OrderRow::COLUMNS.id).await;
}

fn main() {}
