use spakky::Table;

#[derive(Clone, Table)]
#[table(name = "orders", diesel)]
struct OrderRow {
    #[table(id)]
    id: i64,
}

fn main() {}
