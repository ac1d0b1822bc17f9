use spakky::prelude::*;

#[derive(Clone, Table)]
#[table(name = "orders", diesel = crate::tables::orders)]
struct OrderRow {
    #[table(id)]
    id: i64,
    total: i64,
}

fn main() {}
