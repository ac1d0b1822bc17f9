use diesel::prelude::*;
use spakky::prelude::*;

#[derive(Clone, ColumnValue)]
struct Cents(i64);

#[derive(Clone, Table)]
#[table(name = "orders", diesel)]
struct OrderRow {
    #[table(id)]
    id: i64,
    total: Cents,
}

fn main() {
    let _ = orders::table.filter(orders::id.eq(1)).select(orders::total);
}
