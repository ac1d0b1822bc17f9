use spakky::Table;

#[derive(Clone, Table)]
#[table(name = "orders", diesel)]
struct OrderRow {
    #[table(id)]
    id: i64,
    table: String,
    orders: i32,
}

fn main() {}
