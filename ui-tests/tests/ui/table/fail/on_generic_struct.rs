use spakky::Table;

#[derive(Clone, Table)]
struct OrderRow<T> {
    #[table(id)]
    id: T,
}

fn main() {
    fn row<Row: spakky::schema::Table>() {}
    row::<OrderRow<i64>>();
}
