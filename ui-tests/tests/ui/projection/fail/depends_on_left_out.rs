use spakky::prelude::*;

#[derive(Clone, Table)]
struct OrderRow {
    #[table(id)]
    id: i64,
    customer_id: i64,
    note: String,
}

#[derive(Projection)]
#[projection(row = OrderRow, profiles(list, detail))]
struct OrderView {
    #[projection(profiles(list))]
    note: Loaded<String>,
    #[projection(load = a, depends_on(note), profiles(detail))]
    a: Loaded<i64>,
}

fn main() {}
