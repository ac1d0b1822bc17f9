use spakky::Table;

#[derive(Clone, Table)]
#[table(name = "orders", diesel = "orders")]
struct OrderRow {
    #[table(id)]
    id: i64,
}

fn main() {}
