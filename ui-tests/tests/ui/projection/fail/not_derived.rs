use spakky::prelude::*;

#[derive(Clone, Table)]
struct OrderRow {
    #[table(id)]
    id: i64,
    customer_id: i64,
    note: String,
}

struct OrderView;

fn views(orders: &Repository<OrderRow>) {
    let _ = orders.project::<OrderView>();
}

fn main() {}
