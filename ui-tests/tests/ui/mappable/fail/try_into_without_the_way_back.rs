use spakky::{Mappable, Table};

#[derive(Clone)]
struct Cents(i64);

impl From<Cents> for i64 {
    fn from(cents: Cents) -> i64 {
        cents.0
    }
}

#[derive(Clone)]
struct Order {
    id: i64,
    total: Cents,
}

#[derive(Clone, Table, Mappable)]
#[mappable(domain = Order)]
struct OrderRow {
    #[table(id)]
    id: i64,
    #[mappable(try_into)]
    total: i64,
}

fn main() {
    fn mapped<Row: spakky::mappable::Mappable>() {}
    mapped::<OrderRow>();
}
