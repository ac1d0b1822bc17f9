use spakky::prelude::*;

struct Vec<T>(T);

#[derive(Clone, Table)]
struct OrderRow {
    #[table(id)]
    id: i64,
}

#[derive(Clone, Table)]
struct LineRow {
    #[table(id)]
    id: i64,
    order_id: i64,
}

#[derive(Projection)]
#[projection(row = LineRow, profiles(brief))]
struct LineView {
    id: i64,
}

#[derive(Projection)]
#[projection(row = OrderRow)]
struct OrderView {
    #[projection(has_many(by = order_id, order_by = (id desc), limit = 3, profile = brief))]
    lines: Vec<LineView>,
}

fn main() {}
