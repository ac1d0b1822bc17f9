use spakky::prelude::*;

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
    amount: i64,
}

#[derive(Projection)]
#[projection(row = LineRow)]
struct LineView {
    id: i64,
}

#[derive(Projection)]
#[projection(row = OrderRow)]
struct OrderView {
    #[projection(count(LineRow, by = order_id, filter = above))]
    lines: i64,
}

fn above(amount: i64) -> Predicate<LineRow> {
    LineRow::COLUMNS.amount.gt(amount)
}

fn main() {}
