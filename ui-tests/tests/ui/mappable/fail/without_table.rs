use spakky::Mappable;

#[derive(Clone)]
struct Order {
    id: i64,
    total: i64,
}

#[derive(Clone, Mappable)]
#[mappable(domain = Order)]
struct OrderRow {
    id: i64,
    total: i64,
}

fn main() {
    fn mapped<Row: spakky::mappable::Mappable>() {}
    mapped::<OrderRow>();
}
