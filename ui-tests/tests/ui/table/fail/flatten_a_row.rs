use spakky::Table;

#[derive(Clone, Table)]
struct OrderRow {
    #[table(id)]
    id: i64,
    #[table(flatten)]
    ship: AddressRow,
}

#[derive(Clone, Table)]
struct AddressRow {
    #[table(id)]
    street: String,
}

fn main() {
    fn row<Row: spakky::schema::Table>() {}
    row::<OrderRow>();
}
