use spakky::{Mappable, Table};

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
    #[mappable(try_with = total)]
    total: i64,
}

struct Refused;

mod total {
    pub fn from_domain(total: &i64) -> i64 {
        *total
    }

    pub fn to_domain(total: i64) -> Result<i64, super::Refused> {
        Ok(total)
    }
}

fn main() {
    fn mapped<Row: spakky::mappable::Mappable>() {}
    mapped::<OrderRow>();
}
