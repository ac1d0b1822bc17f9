use spakky::Table;

#[derive(Clone, Table)]
struct OrderRow {
    #[table(id = true)]
    id: i64,
}

fn main() {
    fn row<Row: spakky::schema::Table>() {}
    row::<OrderRow>();
}
