use chrono::{DateTime, Utc};
use spakky::Table;

#[derive(Clone, Table)]
struct OrderRow {
    #[table(id)]
    id: i64,
    #[table(updated_at)]
    updated_at: DateTime<Utc>,
    #[table(updated_at)]
    changed_at: DateTime<Utc>,
}

fn main() {
    fn row<Row: spakky::schema::Table>() {}
    row::<OrderRow>();
}
