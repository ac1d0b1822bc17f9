use spakky::{Mappable, Table};

mod order {
    #[derive(Clone)]
    pub struct Order {
        pub id: i64,
        total: i64,
    }
}

use order::Order;

#[derive(Clone, Table, Mappable)]
#[mappable(domain = Order)]
struct OrderRow {
    #[table(id)]
    id: i64,
    total: i64,
}

fn main() {
    fn mapped<Row: spakky::mappable::Mappable>() {}
    mapped::<OrderRow>();
}
