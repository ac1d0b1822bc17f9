use spakky::Table;

#[derive(Clone, Table)]
struct OrderRow {
    #[table(id)]
    id: i64,
    #[table(flatten, column = "ship")]
    ship: Address,
}

#[derive(Clone, Table)]
#[table(embedded)]
struct Address {
    street: String,
}

fn main() {
    fn row<Row: spakky::schema::Table>() {}
    row::<OrderRow>();
}
