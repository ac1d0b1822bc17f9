#[derive(Clone)]
struct OrderRow {
    id: i64,
}

fn main() {
    fn row<Row: spakky::schema::Table>() {}
    row::<OrderRow>();
}
