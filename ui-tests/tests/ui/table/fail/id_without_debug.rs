use spakky::{ColumnValue, Table};

#[derive(Clone, Table)]
struct OrderRow {
    #[table(id)]
    id: OrderId,
}

#[derive(Clone, ColumnValue)]
struct OrderId(i64);

fn main() {
    fn row<Row: spakky::schema::Table>() {}
    row::<OrderRow>();
}
