use spakky::Table;

#[derive(Clone, Table)]
struct OrderRow {
    #[table(id)]
    id: i64,
    #[table(has_many(by = order, order_by = (id, position)))]
    lines: Vec<LineRow>,
}

#[derive(Clone, Table)]
struct LineRow {
    #[table(id)]
    id: i64,
    order: i64,
}

fn main() {
    fn row<Row: spakky::schema::Table>() {}
    row::<OrderRow>();
}
