use spakky::prelude::*;

#[derive(Clone, Table)]
struct OrderRow {
    #[table(id)]
    id: i64,
    customer_id: i64,
}

struct Customer {
    id: i64,
}

#[derive(Projection)]
#[projection(row = OrderRow)]
struct OrderView {
    #[projection(belongs_to(by = customer_id, profile = brief))]
    customer: Customer,
}

fn main() {}
