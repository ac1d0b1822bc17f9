use chrono::{DateTime, Utc};
use spakky::Table;

#[derive(Clone, Table)]
struct OrderRow {
    #[table(id)]
    id: i64,
    #[table(deleted_at)]
    deleted_at: Option<DateTime<Utc>>,
    #[table(deleted_by)]
    deleted_by: String,
}

fn main() {
    fn row<Row: spakky::schema::Table>() {}
    row::<OrderRow>();
}
