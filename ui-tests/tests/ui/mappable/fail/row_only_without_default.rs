use spakky::{ColumnValue, Mappable, Table};

#[derive(Clone, ColumnValue)]
struct Money(i64);

#[derive(Clone)]
struct Order {
    id: i64,
    total: i64,
}

#[derive(Clone, Table, Mappable)]
#[mappable(domain = Order)]
struct OrderRow {
    #[table(id)]
    id: i64,
    total: i64,
    #[mappable(row_only)]
    money: Money,
}

fn main() {
    fn mapped<Row: spakky::mappable::Mappable>() {}
    mapped::<OrderRow>();
}
