use spakky::{Mappable, Table};

#[derive(Clone)]
struct Order {
    id: i64,
    total: i64,
}

#[derive(Clone, Table, Mappable)]
#[mappable(domain = Self)]
struct OrderRow {
    #[table(id)]
    id: i64,
    #[mappable(field = sum)]
    total: i64,
}

fn main() {
    fn mapped<Row: spakky::mappable::Mappable>() {}
    mapped::<OrderRow>();
}
