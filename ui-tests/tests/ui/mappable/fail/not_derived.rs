#[derive(Clone)]
struct OrderRow {
    id: i64,
    total: i64,
}

fn main() {
    fn mapped<Row: spakky::mappable::Mappable>() {}
    mapped::<OrderRow>();
}
