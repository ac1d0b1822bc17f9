use spakky::prelude::*;

#[derive(Clone, Table)]
struct OrderRow {
    #[table(id)]
    id: i64,
    customer_id: i64,
    note: String,
}

#[derive(Clone, Table)]
struct LineRow {
    #[table(id)]
    id: i64,
    order_id: i64,
    amount: i64,
    text: String,
}

#[derive(Clone, Table)]
struct PairRow {
    #[table(id)]
    left: i64,
    #[table(id)]
    right: i64,
}

#[derive(Projection)]
#[projection(row = LineRow, profiles(brief))]
struct LineView {
    id: i64,
    #[projection(profiles(brief))]
    text: Loaded<String>,
}

#[derive(Projection)]
#[projection(row = OrderRow, profiles(list, detail))]
struct OrderView {
    id: i64,
    #[projection(column = note)]
    text: Option<String>,
    #[projection(belongs_to(by = customer_id, profile = brief), profiles(detail))]
    line: Loaded<Option<LineView>>,
    #[projection(has_one(by = order_id))]
    one: Option<LineView>,
    #[projection(has_many(by = order_id, order_by = (text desc, id)))]
    lines: Vec<LineView>,
    #[projection(many_to_many(through = PairRow, from = left, to = right, order_by = text))]
    linked: Vec<LineView>,
    #[projection(joined(LineRow.text, by = customer_id))]
    joined: Option<String>,
    #[projection(count(LineRow, by = order_id))]
    count: i64,
    #[projection(exists(LineRow, by = order_id))]
    exists: bool,
    #[projection(sum(LineRow.amount, by = order_id))]
    r#sum: i64,
    #[projection(has_many(by = order_id, filter = loaders::dear, order_by = id desc, limit = 3), profiles(detail))]
    top: Loaded<Vec<LineView>>,
    #[projection(has_one(by = order_id, filter = loaders::dear))]
    dear: Option<LineView>,
    #[projection(many_to_many(through = PairRow, from = left, to = right, filter = loaders::dear, limit = 1))]
    first: Vec<LineView>,
    #[projection(count(LineRow, by = order_id, filter = loaders::dear))]
    dear_count: i64,
    #[projection(exists(LineRow, by = order_id, filter = loaders::dear))]
    is_dear: bool,
    #[projection(sum(LineRow.amount, by = order_id, filter = loaders::dear))]
    dear_sum: i64,
    #[projection(load = score, depends_on(count, r#type))]
    score: Option<u8>,
    #[projection(load = loaders::kind)]
    r#type: String,
}

async fn score(
    batch: Batch<i64>,
    counts: Vec<i64>,
    types: Vec<String>,
) -> Result<std::collections::HashMap<i64, Option<u8>>, spakky::Error> {
    let _ = (counts, types);
    Ok(batch.ids().iter().map(|id| (*id, None)).collect())
}

mod loaders {
    pub fn dear() -> spakky::prelude::Predicate<super::LineRow> {
        super::LineRow::COLUMNS.amount.gt(100)
    }

    pub async fn kind(_: spakky::Batch<i64>) -> Result<[(i64, String); 0], spakky::Error> {
        Ok([])
    }
}

fn main() {
    let _ = (OrderView::LIST, OrderView::DETAIL, LineView::BRIEF);
}
