use spakky::Mappable;

#[derive(Clone)]
struct Order {
    id: i64,
    total: i64,
}

#[derive(Clone, Mappable)]
#[mappable(domain = Order)]
enum OrderRow {
    Draft,
}

fn main() {
    fn mapped<Row: spakky::mappable::Mappable>() {}
    mapped::<OrderRow>();
}
