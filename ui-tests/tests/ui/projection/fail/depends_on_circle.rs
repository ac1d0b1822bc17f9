use spakky::prelude::*;

#[derive(Clone, Table)]
struct OrderRow {
    #[table(id)]
    id: i64,
    customer_id: i64,
    note: String,
}

#[derive(Projection)]
#[projection(row = OrderRow)]
struct OrderView {
    #[projection(load = a, depends_on(b))]
    a: i64,
    #[projection(load = b, depends_on(c))]
    b: i64,
    #[projection(load = c, depends_on(a))]
    c: i64,
}

fn main() {}
