use spakky::Table;

#[derive(Clone, Table)]
#[table(filterable(status), filterable(id))]
struct OrderRow {
    #[table(id)]
    id: i64,
    status: String,
}

fn main() {
    fn row<Row: spakky::schema::Table>() {}
    row::<OrderRow>();
}
