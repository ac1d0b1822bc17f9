use spakky::Table;

#[derive(Clone, Table)]
#[table(filterable(document))]
struct OrderRow {
    #[table(id)]
    id: i64,
    #[table(json)]
    document: Vec<(i64, String)>,
}

fn main() {
    fn row<Row: spakky::schema::Table>() {}
    row::<OrderRow>();
}
