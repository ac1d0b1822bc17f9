use spakky::prelude::*;

#[derive(Clone, Table)]
struct LineRow {
    #[table(id)]
    id: i64,
    order_id: i64,
}

#[derive(Projection)]
#[projection(row = LineRow)]
struct LineView {
    id: i64,
}

struct Plain {
    id: i64,
}

#[derive(Projection)]
#[projection(row = Plain)]
struct OrderView {
    id: i64,
    #[projection(column = id)]
    key: i64,
    #[projection(joined(LineRow.order_id, by = line_id))]
    line_order: i64,
    #[projection(belongs_to(by = line_id))]
    line: LineView,
    #[projection(has_many(by = order_id, order_by = (id desc), limit = 3))]
    lines: Vec<LineView>,
    #[projection(count(LineRow, by = order_id))]
    count: i64,
    #[projection(load = score, depends_on(count))]
    score: i64,
}

async fn score(_: Batch<i64>, _: Vec<i64>) -> Result<Vec<(i64, i64)>, spakky::Error> {
    Ok(vec![])
}

fn main() {}
