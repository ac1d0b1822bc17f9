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
    #[projection(load = score)]
    score: i64,
}

fn score(_: Batch<i64>) -> Vec<(i64, i64)> {
    Vec::new()
}

fn main() {}
