use diesel::prelude::*;
use spakky::prelude::*;

#[derive(Debug, Clone, ColumnValue)]
#[column(diesel)]
struct Cents(i64);

#[derive(Clone, Table)]
#[table(name = "orders", diesel)]
struct OrderRow {
    #[table(id)]
    id: i64,
    note: String,
}

fn main() {
    let _ = orders::table.filter(orders::note.eq(Cents(1)));
}
