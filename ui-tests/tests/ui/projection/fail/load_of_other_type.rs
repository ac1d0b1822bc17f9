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

async fn score(_: Batch<i64>) -> Result<Vec<(i64, bool)>, spakky::Error> {
    Ok(Vec::new())
}

fn main() {}
