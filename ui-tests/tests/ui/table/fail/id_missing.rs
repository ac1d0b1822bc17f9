use spakky::Table;

#[derive(Clone, Table)]
struct OrderRow {
    status: String,
}

fn main() {
    fn row<Row: spakky::schema::Table>() {}
    row::<OrderRow>();
}
