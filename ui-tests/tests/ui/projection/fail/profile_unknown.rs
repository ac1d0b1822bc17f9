use spakky::prelude::*;

#[derive(Clone, Table)]
struct OrderRow {
    #[table(id)]
    id: i64,
    customer_id: i64,
    note: String,
}

#[derive(Projection)]
#[projection(row = OrderRow, profiles(list))]
struct OrderView {
    #[projection(profiles(lsit))]
    id: Loaded<i64>,
}

fn main() {}
