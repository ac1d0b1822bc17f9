use spakky::Table;

#[derive(Clone, Table)]
#[table(name = "the orders", diesel)]
struct OrderRow {
    #[table(id)]
    id: i64,
}

fn main() {}
