use spakky::Table;

#[derive(Clone)]
struct Vec<T>(T);

#[derive(Clone, Table)]
struct OrderRow {
    #[table(id)]
    id: i64,
    #[table(has_many(by = order))]
    lines: Vec<LineRow>,
}

#[derive(Clone, Table)]
struct LineRow {
    #[table(id)]
    id: i64,
    order: i64,
}

fn main() {}
