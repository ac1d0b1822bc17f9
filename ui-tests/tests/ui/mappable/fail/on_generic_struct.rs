use spakky::Mappable;

#[derive(Clone)]
struct Order {
    id: i64,
    total: i64,
}

#[derive(Clone, Mappable)]
#[mappable(domain = Order)]
struct OrderRow<T> {
    id: T,
}

fn main() {
    fn mapped<Row: spakky::mappable::Mappable>() {}
    mapped::<OrderRow<i64>>();
}
