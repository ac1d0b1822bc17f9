use chrono::{DateTime, Utc};
use spakky::Table;

#[derive(Clone, Table)]
#[table(unique(email, where = "deleted_at IS NULL"), unique(phone, where = lively))]
struct CustomerRow {
    #[table(id)]
    id: i64,
    email: String,
    phone: String,
    #[table(deleted_at)]
    deleted_at: Option<DateTime<Utc>>,
}

fn main() {
    fn row<Row: spakky::schema::Table>() {}
    row::<CustomerRow>();
}
