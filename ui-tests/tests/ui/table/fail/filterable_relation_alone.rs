use spakky::Table;

#[derive(Clone, Table)]
struct CustomerRow {
    #[table(id)]
    id: i64,
    name: String,
}

#[derive(Clone, Table)]
#[table(filterable(customer))]
struct OrderRow {
    #[table(id)]
    id: i64,
    #[table(references(CustomerRow))]
    customer_id: i64,
}

fn main() {
    fn row<Row: spakky::schema::Table>() {}
    row::<OrderRow>();
}
