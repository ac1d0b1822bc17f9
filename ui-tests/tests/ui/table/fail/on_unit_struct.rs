use spakky::Table;

#[derive(Clone, Table)]
struct OrderRow;

fn main() {
    fn row<Row: spakky::schema::Table>() {}
    row::<OrderRow>();
}
