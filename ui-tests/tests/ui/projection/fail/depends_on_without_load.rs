use spakky::prelude::*;

#[derive(Clone, Table)]
struct OrderRow {
    #[table(id)]
    id: i64,
    customer_id: i64,
    note: String,
}

#[derive(Projection)]
#[projection(row = OrderRow)]
struct OrderView {
    id: i64,
    #[projection(depends_on(id))]
    note: String,
}

fn main() {}
