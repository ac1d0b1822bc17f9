use spakky::Table;

#[derive(Clone, Copy, Table)]
union OrderRow {
    id: i64,
}

fn main() {
    fn row<Row: spakky::schema::Table>() {}
    row::<OrderRow>();
}
