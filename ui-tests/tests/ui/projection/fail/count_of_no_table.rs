use spakky::prelude::*;

#[derive(Clone, Table)]
struct OrderRow {
    #[table(id)]
    id: i64,
}

struct Plain;

#[derive(Projection)]
#[projection(row = OrderRow)]
struct OrderView {
    #[projection(count(Plain, by = order_id))]
    lines: i64,
}

fn main() {}
