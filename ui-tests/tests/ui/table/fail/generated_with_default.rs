use spakky::Table;

#[derive(Clone, Table)]
struct OrderRow {
    #[table(id, generated, default = "1")]
    id: i64,
}

fn main() {
    fn row<Row: spakky::schema::Table>() {}
    row::<OrderRow>();
}
