use spakky::{Mappable, Table};

struct Order {
    id: i64,
    lines: Vec<Line>,
}

struct Line {
    id: i64,
}

#[derive(Clone, Table, Mappable)]
#[mappable(domain = Order)]
struct OrderRow {
    #[table(id)]
    id: i64,
    #[table(has_many(by = order))]
    lines: Vec<LineRow>,
}

#[derive(Clone, Table, Mappable)]
#[mappable(domain = Line)]
struct LineRow {
    #[table(id)]
    id: i64,
    #[mappable(parent = order)]
    order: i64,
}

fn main() {
    fn mapped<Row: spakky::Mappable>() {}
    mapped::<OrderRow>();
}
