use spakky::prelude::*;

#[derive(Clone, Table, Mappable)]
#[mappable(domain = Self)]
struct OrderRow {
    #[table(id)]
    id: i64,
}

fn delete(orders: &Repository<OrderRow>, order: &mut OrderRow) -> Result<(), spakky::Error> {
    orders.soft_delete(order)
}

fn main() {}
