use spakky::Table;

#[derive(Clone, Table)]
#[table(filterable(tags))]
struct OrderRow {
    #[table(id)]
    id: i64,
    tags: Vec<String>,
}

fn main() {
    fn row<Row: spakky::schema::Table>() {}
    row::<OrderRow>();
}
