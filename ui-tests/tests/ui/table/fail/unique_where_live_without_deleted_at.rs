use spakky::Table;

#[derive(Clone, Table)]
#[table(unique(email, where = live))]
struct CustomerRow {
    #[table(id)]
    id: i64,
    email: String,
}

fn main() {
    fn row<Row: spakky::schema::Table>() {}
    row::<CustomerRow>();
}
