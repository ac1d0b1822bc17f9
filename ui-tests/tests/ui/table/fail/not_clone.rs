use spakky::Table;

#[derive(Table)]
struct OrderRow {
    #[table(id)]
    id: i64,
}

fn main() {
    fn row<Row: spakky::schema::Table>() {}
    row::<OrderRow>();
}
