use spakky::Table;

#[derive(Clone, Table)]
struct OrderRow {
    #[table(id)]
    id: i64,
    #[table(references(LineRow))]
    line: i64,
}

#[derive(Clone, Table)]
struct LineRow {
    #[table(id)]
    order: i64,
    #[table(id)]
    position: i64,
}

fn main() {
    fn row<Row: spakky::schema::Table>() {}
    row::<OrderRow>();
}
