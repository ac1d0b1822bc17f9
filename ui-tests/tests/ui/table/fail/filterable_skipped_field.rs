use spakky::Table;

#[derive(Clone, Table)]
#[table(filterable(cached))]
struct OrderRow {
    #[table(id)]
    id: i64,
    #[table(skip)]
    cached: Option<u8>,
}

fn main() {
    fn row<Row: spakky::schema::Table>() {}
    row::<OrderRow>();
}
