use spakky::Table;

#[derive(Clone, Table)]
struct OrderRow {
    #[table(id, tenant)]
    tenant: String,
    #[table(id)]
    id: i64,
}

fn main() {
    fn row<Row: spakky::schema::Table>() {}
    row::<OrderRow>();
}
