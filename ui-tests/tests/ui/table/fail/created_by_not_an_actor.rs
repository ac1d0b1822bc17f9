use spakky::Table;

#[derive(Clone, Table)]
struct OrderRow {
    #[table(id)]
    id: i64,
    #[table(created_by)]
    created_by: bool,
}

fn main() {
    fn row<Row: spakky::schema::Table>() {}
    row::<OrderRow>();
}
