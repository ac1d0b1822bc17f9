use spakky::{Mappable, Table};

#[derive(Clone)]
struct Order {
    id: i64,
    total: i64,
}

#[derive(Clone, Table, Mappable)]
#[mappable(domain = Order, construct = Order::new, try_construct = Order::new)]
struct OrderRow {
    #[table(id)]
    id: i64,
    total: i64,
}

fn main() {
    fn mapped<Row: spakky::mappable::Mappable>() {}
    mapped::<OrderRow>();
}
