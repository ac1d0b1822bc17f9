use spakky::prelude::*;

#[derive(Clone, Table)]
struct OrderRow {
    #[table(id)]
    id: i64,
    customer_id: i64,
    note: String,
}

#[derive(Projection)]
#[projection(row)]
struct OrderView {
    id: i64,
}

fn main() {}
