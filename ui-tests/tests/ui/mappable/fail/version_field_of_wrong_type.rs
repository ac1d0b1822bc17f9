use spakky::{Mappable, Table};

#[derive(Clone)]
struct Order {
    id: i64,
    total: i64,
    revision: String,
}

#[derive(Clone, Table, Mappable)]
#[mappable(domain = Order)]
struct OrderRow {
    #[table(id)]
    id: i64,
    total: i64,
    #[table(version)]
    #[mappable(field = revision)]
    version: i64,
}

fn main() {
    fn mapped<Row: spakky::mappable::Mappable>() {}
    mapped::<OrderRow>();
}
