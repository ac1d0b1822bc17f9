use spakky::Table;

#[derive(Clone, Table)]
#[table(filterable(picture))]
struct OrderRow {
    #[table(id)]
    id: i64,
    picture: Vec<u8>,
}

fn main() {
    fn row<Row: spakky::schema::Table>() {}
    row::<OrderRow>();
}
