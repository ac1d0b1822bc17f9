use spakky::Table;

#[derive(Clone, Table)]
struct OrderRow {
    #[table(id, generated)]
    id: String,
}

fn main() {
    fn row<Row: spakky::schema::Table>() {}
    row::<OrderRow>();
}
