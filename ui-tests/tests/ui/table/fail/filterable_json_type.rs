use spakky::Table;

#[derive(Clone, Table)]
#[table(filterable(document))]
struct OrderRow {
    #[table(id)]
    id: i64,
    document: spakky::Json<Vec<i64>>,
}

fn main() {
    fn row<Row: spakky::schema::Table>() {}
    row::<OrderRow>();
}
