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
#[projection(row = OrderRow, profiles(a, a))]
struct OrderView {
    #[projection(colum = id)]
    id: i64,
    #[projection(count(LineRow))]
    lines: i64,
}

fn main() {}
