use spakky::{Mappable, Table};

#[derive(Clone)]
struct Order {
    id: i64,
    total: i64,
}

#[derive(Clone, Table, Mappable)]
#[mappable(domian = Order, domain = Order, access = fast)]
struct OrderRow {
    #[table(id)]
    id: i64,
    #[mappable(into, nested)]
    total: i64,
    #[mappable(field = total)]
    sum: i64,
}

fn main() {
    fn mapped<Row: spakky::mappable::Mappable>() {}
    mapped::<OrderRow>();
}
