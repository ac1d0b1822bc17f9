use spakky::Table;

#[derive(Clone, Table)]
#[table(nam = "orders", index(stauts), check(positive))]
struct OrderRow {
    #[table(id, generatd)]
    id: i64,
    #[table(length = 0)]
    status: String,
    #[table(version, json)]
    version: i64,
}

fn main() {
    fn row<Row: spakky::schema::Table<Id = i64>>() {}
    row::<OrderRow>();
    let _ = OrderRow::COLUMNS.status.name();
}
