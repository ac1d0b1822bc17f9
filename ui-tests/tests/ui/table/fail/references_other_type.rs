use spakky::Table;

#[derive(Clone, Table)]
struct OrderRow {
    #[table(id)]
    id: i64,
    #[table(references(CustomerRow))]
    customer: String,
}

#[derive(Clone, Table)]
struct CustomerRow {
    #[table(id)]
    id: i64,
}

fn main() {
    fn row<Row: spakky::schema::Table>() {}
    row::<OrderRow>();
}
