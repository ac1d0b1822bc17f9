//! Rows with their children, one by one.

use futures_util::{StreamExt, TryStreamExt};
use spakky::Error;
use spakky::prelude::*;

use super::model::{OrderId, OrderRow, create, line, order};
use crate::support::{Database, on_each_backend};

on_each_backend![
    every_row_comes_once_in_order_with_its_children,
    a_chunk_of_rows_costs_one_query_for_each_relation,
    a_limit_and_an_offset_hold_over_all_chunks,
    the_session_can_be_used_between_chunks,
    a_stream_of_rows_with_children_ends_with_its_scope,
];

const WORK: TransactionOptions = TransactionOptions::new().name("work");
const ROWS: i64 = 1_203;

/// Orders of four customers in turn, each with a line.
async fn fill(db: &Database) -> Repository<OrderRow> {
    let orders = create(db).await;
    let numbers = match db.is_sqlite() {
        true => "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 1203) SELECT n FROM s",
        false => "SELECT n FROM generate_series(1, 1203) AS n",
    };
    db.execute(&format!(
        "INSERT INTO orders (id, customer, version) SELECT n, 'c' || (n % 4), 1 FROM ({numbers}) AS ns"
    ))
    .await;
    let lines = "INSERT INTO order_lines (id, order_id, sku, quantity, version) SELECT n * 10, n, 'bolt', n, 1 FROM";
    db.execute(&format!("{lines} ({numbers}) AS ns")).await;
    orders
}

fn expected() -> Vec<i64> {
    let mut ids: Vec<i64> = (1..=ROWS).collect();
    ids.sort_by_key(|id| (-(id % 4), -id));
    ids
}

fn by_customer(orders: &Repository<OrderRow>) -> spakky::repository::QueryBuilder<OrderRow> {
    orders.query().order_by(OrderRow::COLUMNS.customer.desc())
}

async fn every_row_comes_once_in_order_with_its_children(db: Database) {
    let orders = fill(&db).await;
    let found: Vec<_> = by_customer(&orders).stream().await.unwrap().try_collect().await.unwrap();
    assert_eq!(found.iter().map(|order| order.id.0).collect::<Vec<_>>(), expected());
    assert!(found.iter().all(|order| order.lines == [line(order.id.0 * 10, "bolt", order.id.0 as i32)]));
    assert!(found.iter().all(|order| order.revision == Revision::loaded(1)));
    assert_eq!(db.sessions.status().in_use, 0);
}

async fn a_chunk_of_rows_costs_one_query_for_each_relation(db: Database) {
    let orders = fill(&db).await;
    db.sent();
    let mut rows = by_customer(&orders).stream().await.unwrap();
    // Read as they are asked for: 500 at a time.
    let mut sent = Vec::new();
    for _ in 0..ROWS {
        rows.next().await.unwrap().unwrap();
        sent.push(db.sent().len());
    }
    assert!(rows.next().await.is_none());
    assert!(rows.next().await.is_none());
    // Of orders, lines, their discounts, invoices and comments.
    let mut expected = vec![0; ROWS as usize];
    (expected[0], expected[500], expected[1_000]) = (5, 5, 5);
    assert_eq!(sent, expected);
    assert_eq!(db.sent(), Vec::<String>::new());
}

async fn a_limit_and_an_offset_hold_over_all_chunks(db: Database) {
    let orders = fill(&db).await;
    let ids = async |limit, offset| -> Vec<i64> {
        let query = by_customer(&orders).limit(limit).offset(offset);
        query.stream().await.unwrap().map_ok(|order| order.id.0).try_collect().await.unwrap()
    };
    assert_eq!(ids(700, 5).await, expected()[5..705]);
    assert_eq!(ids(500, 1_000).await, expected()[1_000..]);
    assert_eq!(ids(1_000, 0).await, expected()[..1_000]);
    assert_eq!(ids(0, 0).await, [0; 0]);
}

async fn the_session_can_be_used_between_chunks(db: Database) {
    let orders = fill(&db).await;
    let work = db.sessions.transaction(WORK, async |_| {
        orders.add(&mut order(ROWS + 1, vec![line(1, "nut", 1)]))?;
        let mut rows = orders.query().order_by(OrderRow::COLUMNS.id.asc()).stream().await?;
        let mut seen = 0;
        while let Some(row) = rows.next().await {
            let mut row = row?;
            seen += 1;
            assert_eq!(row.id.0, seen);
            if row.id.0 % 400 == 0 {
                // A streamed copy holds its version, so that it can be saved.
                row.lines[0].quantity = 0;
                orders.save_now(&mut row).await?;
            }
        }
        assert_eq!(seen, ROWS + 1, "pending writes included");
        Ok::<_, Error>(())
    });
    work.await.unwrap();
    assert_eq!(db.numbers("SELECT order_id FROM order_lines WHERE quantity = 0 ORDER BY id").await, [400, 800, 1_200]);
    assert_eq!(db.numbers("SELECT count(*) FROM orders WHERE version = 2").await, [3]);
}

async fn a_stream_of_rows_with_children_ends_with_its_scope(db: Database) {
    let orders = fill(&db).await;
    let work = db.sessions.transaction(WORK, async |_| {
        let mut rows = by_customer(&orders).stream().await?;
        assert_eq!(rows.next().await.unwrap()?.id, OrderId(expected()[0]));
        Ok::<_, Error>(rows)
    });
    let rows = work.await.unwrap();
    let error = rows.try_collect::<Vec<_>>().await.unwrap_err();
    assert!(error.is_no_session(), "{error:?}");
    db.is_at_rest().await;
}
