use spakky::Table;

#[derive(Clone, Table)]
struct OrderRow {
    #[table(id)]
    id: i64,
    #[table(references(Customer))]
    customer: i64,
}

struct Customer;

fn main() {
    fn row<Row: spakky::schema::Table>() {}
    row::<OrderRow>();
}
