use spakky::{Mappable, Table};

#[derive(Clone)]
struct Order {
    id: i64,
    total: i64,
}

#[derive(Clone, Table, Mappable)]
#[mappable(domain = Order, construct = Order::new)]
struct OrderRow {
    #[table(id)]
    id: i64,
    total: i64,
}

impl Order {
    fn new(id: i64, total: String) -> Self {
        Order { id, total: total.len() as i64 }
    }
}

fn main() {
    fn mapped<Row: spakky::mappable::Mappable>() {}
    mapped::<OrderRow>();
}
