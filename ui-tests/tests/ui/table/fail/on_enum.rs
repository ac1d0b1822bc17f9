use spakky::Table;

#[derive(Clone, Table)]
enum OrderRow {
    Draft,
}

fn main() {
    fn row<Row: spakky::schema::Table>() {}
    row::<OrderRow>();
}
