use spakky::prelude::*;

#[derive(Clone, Table)]
struct OrderRow {
    #[table(id)]
    id: i64,
    customer_id: i64,
    note: String,
}

struct Score(i64);

#[derive(Projection)]
#[projection(row = OrderRow)]
struct OrderView {
    #[projection(load = score)]
    score: Score,
}

async fn score(_: Batch<i64>) -> Result<Vec<(i64, Score)>, spakky::Error> {
    Ok(Vec::new())
}

fn main() {}
