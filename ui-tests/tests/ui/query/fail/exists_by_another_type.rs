use spakky::prelude::*;

#[derive(Clone, Table)]
struct OrderRow {
    #[table(id)]
    id: i64,
    customer_id: i64,
    note: String,
}

fn main() {
    OrderRow::COLUMNS.note.exists_in(OrderRow::COLUMNS.id, OrderRow::COLUMNS.id.eq(1));
}
