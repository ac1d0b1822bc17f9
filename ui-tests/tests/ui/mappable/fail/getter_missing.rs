use spakky::{Mappable, Table};

#[derive(Clone)]
struct Order {
    id: i64,
    total: i64,
}

#[derive(Clone, Table, Mappable)]
#[mappable(domain = Order, construct = Order::new, access = getters)]
struct OrderRow {
    #[table(id)]
    id: i64,
    total: i64,
}

impl Order {
    fn new(id: i64, total: i64) -> Self {
        Order { id, total }
    }

    fn id(&self) -> i64 {
        self.id
    }
}

fn main() {
    fn mapped<Row: spakky::mappable::Mappable>() {}
    mapped::<OrderRow>();
}
