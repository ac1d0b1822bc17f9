use spakky::prelude::*;

#[derive(Clone, Table)]
struct OrderRow {
    #[table(id)]
    id: i64,
    customer_id: i64,
    note: String,
}

#[derive(Clone, Table)]
struct LineRow {
    #[table(id)]
    id: i64,
    order_id: i64,
    amount: i64,
    text: String,
}

#[derive(Projection)]
#[projection(row = LineRow)]
struct LineView {
    id: i64,
}

#[derive(Projection)]
#[projection(row = OrderRow)]
struct OrderView {
    #[projection(has_one(by = order_id, offset = 1))]
    line: Option<LineView>,
}

fn main() {}
