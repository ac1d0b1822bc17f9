use chrono::{DateTime, Utc};
use spakky::Table;

#[derive(Clone, Table)]
struct OrderRow {
    #[table(id)]
    id: i64,
    #[table(created_at, created_by)]
    created: DateTime<Utc>,
}

fn main() {
    fn row<Row: spakky::schema::Table>() {}
    row::<OrderRow>();
}
