use spakky::Table;

#[derive(Clone, Table)]
struct OrderRow {
    #[table(id)]
    id: i64,
    #[table(diesel)]
    name: String,
}

fn main() {}
