use spakky::Table;

#[derive(Clone, Table)]
struct OrderRow(i64);

fn main() {
    fn row<Row: spakky::schema::Table>() {}
    row::<OrderRow>();
}
