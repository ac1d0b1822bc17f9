use spakky::prelude::*;

diesel::table! {
    orders (id) {
        id -> BigInt,
    }
}

#[derive(Clone, Table)]
#[table(name = "orders", diesel = orders)]
struct OrderRow {
    #[table(id)]
    id: i64,
    total: i64,
}

fn main() {}
