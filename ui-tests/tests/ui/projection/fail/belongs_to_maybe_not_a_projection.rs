use spakky::prelude::*;

#[derive(Clone, Table)]
struct OrderRow {
    #[table(id)]
    id: i64,
    customer_id: i64,
    note: Option<String>,
}

#[derive(Projection)]
#[projection(row = OrderRow)]
struct OrderView {
    #[projection(belongs_to(by = customer_id))]
    line: Option<String>,
}

fn main() {}
