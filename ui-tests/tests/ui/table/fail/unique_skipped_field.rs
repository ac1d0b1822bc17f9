use spakky::Table;

#[derive(Clone, Table)]
#[table(unique(status))]
struct OrderRow {
    #[table(id)]
    id: i64,
    #[table(skip)]
    status: String,
}

fn main() {
    fn row<Row: spakky::schema::Table>() {}
    row::<OrderRow>();
}
