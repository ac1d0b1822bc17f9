use spakky::Table;

#[derive(Clone, Table)]
struct OrderRow {
    #[table(id, generated)]
    id: i64,
    #[table(id)]
    line: i64,
}

fn main() {
    fn row<Row: spakky::schema::Table>() {}
    row::<OrderRow>();
}
