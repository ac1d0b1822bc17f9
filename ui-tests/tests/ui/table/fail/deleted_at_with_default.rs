use chrono::{DateTime, Utc};
use spakky::Table;

#[derive(Clone, Table)]
struct OrderRow {
    #[table(id)]
    id: i64,
    #[table(deleted_at, default = "now()")]
    deleted_at: Option<DateTime<Utc>>,
}

fn main() {
    fn row<Row: spakky::schema::Table>() {}
    row::<OrderRow>();
}
