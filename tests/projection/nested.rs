//! Loaders and sums inside views of views, and views of rows whose key has several columns.

use std::sync::atomic::{AtomicUsize, Ordering};

use spakky::Error;
use spakky::prelude::*;

use super::model::{LineRow, OrderId, OrderRow, OrderTagRow, TagRow, create};
use crate::support::{Database, on_each_backend};

on_each_backend![
    a_loader_of_an_inner_view_is_called_once,
    a_loader_that_fails_fails_the_query,
    a_row_of_a_composite_key_has_views,
    a_sum_that_overflows_is_an_error,
    an_order_by_a_name_of_both_tables_is_that_of_the_target,
];

static CALLS: AtomicUsize = AtomicUsize::new(0);

#[derive(Debug, PartialEq, Projection)]
#[projection(row = TagRow)]
struct LoadedTag {
    #[projection(load = shout)]
    loud: String,
}

/// The same tag belongs to several orders, and is asked for once.
async fn shout(batch: Batch<i64>) -> Result<Vec<(i64, String)>, Error> {
    CALLS.fetch_add(1, Ordering::SeqCst);
    let mut ids = batch.ids().to_vec();
    ids.sort_unstable();
    assert_eq!(ids, [1, 2]);
    Ok(ids.into_iter().map(|id| (id, format!("TAG {id}"))).collect())
}

#[derive(Debug, PartialEq, Projection)]
#[projection(row = OrderRow)]
struct TaggedOrder {
    id: OrderId,
    #[projection(many_to_many(through = OrderTagRow, from = order_id, to = tag_id))]
    tags: Vec<LoadedTag>,
}

async fn a_loader_of_an_inner_view_is_called_once(db: Database) {
    let orders = create(&db).await;
    let found = orders.project::<TaggedOrder>().order_by(OrderRow::COLUMNS.id.asc()).all().await.unwrap();
    let loud: Vec<Vec<&str>> =
        found.iter().map(|order| order.tags.iter().map(|tag| tag.loud.as_str()).collect()).collect();
    assert_eq!(loud, [vec!["TAG 1", "TAG 2"], vec!["TAG 2"], vec![]]);
    // Once on each backend.
    assert!((1..=2).contains(&CALLS.load(Ordering::SeqCst)));
}

#[derive(Debug, Projection)]
#[projection(row = OrderRow)]
struct Failing {
    #[projection(load = fail)]
    _value: i64,
}

async fn fail(batch: Batch<OrderId>) -> Result<Vec<(OrderId, i64)>, Error> {
    let missing = batch.repository::<TagRow>().project::<LoadedTag>().get(99).await;
    missing.map(|_| Vec::new())
}

async fn a_loader_that_fails_fails_the_query(db: Database) {
    let orders = create(&db).await;
    let error = orders.project::<Failing>().all().await.unwrap_err();
    assert!(error.is_not_found());
    assert_eq!(error.to_string(), "find `TagRow` with id 99 in `shop_tags`");
}

#[derive(Debug, PartialEq, Projection)]
#[projection(row = OrderTagRow)]
struct Link {
    tag_id: i64,
    #[projection(joined(TagRow.name, by = tag_id))]
    name: String,
}

async fn a_row_of_a_composite_key_has_views(db: Database) {
    create(&db).await;
    let links = db.sessions.repository::<OrderTagRow>();
    let gift = Link { tag_id: 2, name: "gift".to_owned() };
    assert_eq!(links.project::<Link>().get((OrderId(2), 2)).await.unwrap(), gift);
    assert_eq!(links.project::<Link>().find((OrderId(2), 1)).await.unwrap(), None);
}

#[derive(Debug, Projection)]
#[projection(row = OrderRow)]
struct Total {
    #[projection(sum(LineRow.amount, by = order_id))]
    _total: i64,
}

async fn a_sum_that_overflows_is_an_error(db: Database) {
    let orders = create(&db).await;
    db.execute(&format!("UPDATE shop_lines SET amount = {} WHERE order_id = 1", i64::MAX)).await;
    assert!(orders.project::<Total>().get(OrderId(1)).await.is_err());
    assert!(orders.project::<Total>().get(OrderId(2)).await.is_ok());
}

/// A link with a column of the target's name.
#[derive(Debug, Clone, Table)]
#[table(name = "ranked_tags")]
struct RankedTagRow {
    #[table(id)]
    order_id: OrderId,
    #[table(id)]
    tag_id: i64,
    name: String,
}

#[derive(Debug, PartialEq, Projection)]
#[projection(row = TagRow)]
struct Named {
    name: String,
}

#[derive(Debug, PartialEq, Projection)]
#[projection(row = OrderRow)]
struct Ranked {
    #[projection(many_to_many(through = RankedTagRow, from = order_id, to = tag_id, order_by = name desc))]
    tags: Vec<Named>,
}

async fn an_order_by_a_name_of_both_tables_is_that_of_the_target(db: Database) {
    let orders = create(&db).await;
    db.observer().create_tables(&schema![RankedTagRow]).await.unwrap();
    db.execute("INSERT INTO ranked_tags (order_id, tag_id, name) VALUES (1, 1, 'a'), (1, 2, 'z')").await;
    let names = ["urgent", "gift"].map(|name| Named { name: name.to_owned() });
    assert_eq!(orders.project::<Ranked>().get(OrderId(1)).await.unwrap().tags, names);
}
