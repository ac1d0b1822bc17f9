use spakky::Table;

#[derive(Clone, Table)]
#[table(filterable(customer.name))]
struct OrderRow {
    #[table(id)]
    id: i64,
    customer_id: i64,
}

fn main() {
    fn row<Row: spakky::schema::Table>() {}
    row::<OrderRow>();
}
