use diesel::prelude::*;
use spakky::prelude::*;

#[derive(Clone, Table)]
#[table(name = "orders", diesel)]
struct OrderRow {
    #[table(id)]
    id: i64,
    #[table(has_many(by = order_id))]
    lines: Vec<LineRow>,
}

#[derive(Clone, Table)]
#[table(name = "lines", diesel)]
struct LineRow {
    #[table(id)]
    id: i64,
    order_id: i64,
}

fn main() {
    let _ = orders::table.select(<OrderRow as Selectable<diesel::pg::Pg>>::construct_selection());
}
