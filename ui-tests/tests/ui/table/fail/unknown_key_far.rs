use spakky::Table;

#[derive(Clone, Table)]
#[table(partition = "orders")]
struct OrderRow {
    #[table(id)]
    id: i64,
    status: String,
}

fn main() {
    fn row<Row: spakky::schema::Table>() {}
    row::<OrderRow>();
}
