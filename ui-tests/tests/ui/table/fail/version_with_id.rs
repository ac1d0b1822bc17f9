use spakky::Table;

#[derive(Clone, Table)]
struct OrderRow {
    #[table(id, version)]
    id: i64,
}

fn main() {
    fn row<Row: spakky::schema::Table>() {}
    row::<OrderRow>();
}
