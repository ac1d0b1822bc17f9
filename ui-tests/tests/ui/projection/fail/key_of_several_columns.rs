use spakky::prelude::*;

#[derive(Clone, Table)]
struct PairRow {
    #[table(id)]
    left: i64,
    #[table(id)]
    right: i64,
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
#[projection(row = PairRow)]
struct PairView {
    #[projection(count(LineRow, by = order_id))]
    lines: i64,
}

fn main() {}
