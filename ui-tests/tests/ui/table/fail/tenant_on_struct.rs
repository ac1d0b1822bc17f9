use spakky::Table;

#[derive(Clone, Table)]
#[table(tenant)]
struct OrderRow {
    #[table(id)]
    id: i64,
    tenant: String,
}

fn main() {
    fn row<Row: spakky::schema::Table>() {}
    row::<OrderRow>();
}
