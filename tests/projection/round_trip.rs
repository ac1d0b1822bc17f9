//! How often a projection goes over the line.

use spakky::prelude::*;

use super::model::{LineView, OrderId, OrderRow, TagView, create};
use crate::support::{Database, Line, on_postgres};

on_postgres![round_trips_are_the_levels];

/// Orders with lines and tags, whose lines have notes.
#[derive(Debug, Projection)]
#[projection(row = OrderRow)]
struct Levels {
    #[projection(has_many(by = order_id))]
    lines: Vec<LineView>,
    #[projection(many_to_many(through = super::model::OrderTagRow, from = order_id, to = tag_id))]
    tags: Vec<TagView>,
    #[projection(count(super::model::LineRow, by = order_id))]
    count: i64,
}

async fn round_trips_are_the_levels(db: Database) {
    create(&db).await;
    let line = Line::new(&db).await;
    let orders = line.sessions.repository::<OrderRow>();
    let cost = line.warm_cost(async || orders.project::<Levels>().get(OrderId(1)).await.unwrap()).await;
    let found = &cost.value;
    assert_eq!((found.lines.len(), found.tags.len(), found.count), (2, 2, 2));
    // The order; lines, tags and number of lines; notes.
    assert_eq!((cost.round_trips, cost.run().len()), (3, 5));
}
