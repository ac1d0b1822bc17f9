use spakky::{ColumnValue, Table};

#[derive(Debug, Clone, PartialEq, ColumnValue)]
struct Note(Option<String>);

#[derive(Clone, Table)]
struct OrderRow {
    #[table(id)]
    id: i64,
    note: Option<Note>,
}

fn main() {
    fn row<Row: spakky::schema::Table>() {}
    row::<OrderRow>();
}
