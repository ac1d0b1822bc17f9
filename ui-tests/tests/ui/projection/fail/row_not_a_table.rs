use spakky::prelude::*;

#[derive(Clone, Table)]
struct OrderRow {
    #[table(id)]
    id: i64,
    customer_id: i64,
    note: String,
}

struct Plain;

#[derive(Projection)]
#[projection(row = Plain)]
struct OrderView {
    #[projection(load = f)]
    id: i64,
}

async fn f(_: Batch<i64>) -> Result<Vec<(i64, i64)>, spakky::Error> {
    Ok(vec![])
}

fn main() {}
