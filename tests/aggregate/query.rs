//! Requests and pages of aggregates.

use spakky::{CursorRequest, PageRequest, Query};

use super::model::{OrderRow, create, full, line, order, store, through};
use crate::support::{Database, Line, on_each_backend, on_postgres};

on_each_backend![a_request_asks_for_the_children, pages_come_with_the_children];

async fn a_request_asks_for_the_children(db: Database) {
    let orders = create(&db).await;
    store(&db, full(1)).await;
    store(&db, order(2, vec![line(21, "screw", 100), line(22, "nut", 1)])).await;
    store(&db, order(3, vec![])).await;
    let found = async |text: &str| {
        let query = Query::from_query_string(text).unwrap();
        let found = orders.search(&query).unwrap().order_by(OrderRow::COLUMNS.id.asc()).all().await.unwrap();
        found.into_iter().map(|order| (order.id.0, order.lines.len())).collect::<Vec<_>>()
    };
    assert_eq!(found("lines.sku=nut").await, [(1, 2), (2, 2)]);
    assert_eq!(found("lines.sku=nut&lines.quantity[gt]=50").await, [(2, 2)]);
    assert_eq!(found("lines.sku=nail").await, []);
    let error = orders.search(&Query::from_query_string("lines.id=1").unwrap()).unwrap_err();
    assert!(error.is_invalid_query());
    assert!(error.to_string().contains("allowed: `customer`, `lines.sku`, `lines.quantity`"), "{error}");
}

async fn pages_come_with_the_children(db: Database) {
    let orders = create(&db).await;
    for id in 1..=5 {
        store(&db, full(id)).await;
    }
    let page = orders.query().order_by(OrderRow::COLUMNS.id.asc()).page(PageRequest::new(2).size(2)).await.unwrap();
    let shape = |items: &[super::model::Order]| -> Vec<_> {
        items.iter().map(|order| (order.id.0, order.lines.len(), order.comments.len())).collect()
    };
    assert_eq!(shape(&page.items), [(3, 2, 1), (4, 2, 1)]);
    let mut request = CursorRequest::first(2);
    let mut walked = Vec::new();
    loop {
        let page = orders.query().order_by(OrderRow::COLUMNS.id.desc()).cursor_page(request).await.unwrap();
        walked.extend(shape(&page.items));
        let Some(next) = page.next else { break };
        request = CursorRequest::first(2).at(next);
    }
    assert_eq!(walked, [(5, 2, 1), (4, 2, 1), (3, 2, 1), (2, 2, 1), (1, 2, 1)]);
}

mod server {
    use super::*;

    on_postgres![a_page_with_all_children_is_two_round_trips];

    async fn a_page_with_all_children_is_two_round_trips(db: Database) {
        create(&db).await;
        for id in 1..=5 {
            store(&db, full(id)).await;
        }
        let line = Line::new(&db).await;
        let cost = line.cost(async { through(&line).query().page(PageRequest::new(1).size(3)).await.unwrap() }).await;
        assert_eq!((cost.value.items.len(), cost.value.has_next, cost.round_trips), (3, true, 2));
    }
}
