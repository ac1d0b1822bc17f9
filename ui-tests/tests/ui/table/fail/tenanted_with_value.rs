use spakky::Table;

#[derive(Clone, Table)]
#[table(tenanted = "tenant")]
struct OrderRow {
    #[table(id)]
    id: i64,
    #[table(tenant)]
    tenant: String,
}

fn main() {
    fn row<Row: spakky::schema::Table>() {}
    row::<OrderRow>();
}
