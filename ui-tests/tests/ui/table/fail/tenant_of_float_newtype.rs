use spakky::{ColumnValue, Table};

#[derive(Clone, ColumnValue)]
struct Tenant(f64);

#[derive(Clone, Table)]
struct OrderRow {
    #[table(id)]
    id: i64,
    #[table(tenant)]
    tenant: Tenant,
}

fn main() {
    fn row<Row: spakky::schema::Table>() {}
    row::<OrderRow>();
}
