use spakky::Table;

#[derive(Clone, Table)]
#[table(unique(ship.stret))]
struct OrderRow {
    #[table(id)]
    id: i64,
    #[table(flatten)]
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
