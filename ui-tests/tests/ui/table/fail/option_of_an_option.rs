use spakky::Table;

#[derive(Clone, Table)]
struct OrderRow {
    #[table(id)]
    id: i64,
    note: Option<Option<String>>,
    #[table(json)]
    document: Option<std::option::Option<Vec<i64>>>,
}

fn main() {
    fn row<Row: spakky::schema::Table>() {}
    row::<OrderRow>();
}
