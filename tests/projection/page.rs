//! Pages and streams of views.

use futures_util::{StreamExt, TryStreamExt};
use spakky::prelude::*;
use spakky::{CursorRequest, Error, PageRequest, Total};

use super::model::{LineView, OrderId, OrderRow, create};
use crate::support::{Database, Line, on_each_backend, on_postgres};

on_each_backend![
    a_page_has_views_and_the_number_of_all_rows,
    pages_by_cursor_are_walked_forward_and_back,
    a_cursor_of_views_leads_on_in_the_rows_and_the_other_way_round,
    a_page_of_a_query_with_a_limit_is_refused,
    a_search_from_outside_is_a_page_of_views,
    views_are_streamed_in_order_with_what_belongs_to_them,
    a_limit_and_an_offset_hold_for_a_stream_of_views,
    a_stream_of_views_ends_with_its_scope,
];

/// Not the column that it is sorted by.
#[derive(Debug, Clone, PartialEq, Projection)]
#[projection(row = OrderRow)]
struct Listed {
    id: OrderId,
    #[projection(has_many(by = order_id))]
    lines: Vec<LineView>,
}

const ROWS: i64 = 1_103;

/// Three orders with lines, and those after them without.
async fn fill(db: &Database) -> Repository<OrderRow> {
    let orders = create(db).await;
    let numbers = match db.is_sqlite() {
        true => "WITH RECURSIVE s(n) AS (SELECT 4 UNION ALL SELECT n + 1 FROM s WHERE n < 1103) SELECT n FROM s",
        false => "SELECT n FROM generate_series(4, 1103) AS n",
    };
    let columns = "INSERT INTO shop_orders (id, customer_id, note, extras, ship_street)";
    db.execute(&format!("{columns} SELECT n, 1, NULL, '[]', 's' || (n % 3) FROM ({numbers}) AS numbers")).await;
    orders
}

fn ids(views: &[Listed]) -> Vec<i64> {
    views.iter().map(|view| view.id.0).collect()
}

async fn a_page_has_views_and_the_number_of_all_rows(db: Database) {
    let orders = fill(&db).await;
    let o = OrderRow::COLUMNS;
    let page = async |number: u64| {
        let query = orders.project::<Listed>().filter(o.id.le(OrderId(7))).order_by(o.ship.street.asc());
        query.page(PageRequest::new(number).size(3)).await.unwrap()
    };
    let first = page(1).await;
    assert_eq!((ids(&first.items), first.total, first.has_next), (vec![1, 2, 3], Total::Exact(7), true));
    assert_eq!(first.items[0].lines.len(), 2);
    assert_eq!(ids(&page(2).await.items), [6, 4, 7]);
    let last = page(3).await;
    assert_eq!((ids(&last.items), last.has_next), (vec![5], false));
    let behind = page(9).await;
    assert_eq!((ids(&behind.items), behind.total), (vec![], Total::Exact(7)));
}

async fn pages_by_cursor_are_walked_forward_and_back(db: Database) {
    let orders = fill(&db).await;
    let o = OrderRow::COLUMNS;
    let query =
        || orders.project::<Listed>().filter(o.id.le(OrderId(9))).order_by(o.note.asc()).order_by(o.ship.street.desc());
    let whole = ids(&query().order_by(o.id.desc()).all().await.unwrap());
    let mut request = CursorRequest::first(4);
    let mut walked = Vec::new();
    let last;
    loop {
        let page = query().cursor_page(request).await.unwrap();
        assert!(page.items.iter().all(|view| (view.id.0 <= 2) != view.lines.is_empty()));
        walked.extend(ids(&page.items));
        let Some(next) = page.next.clone() else {
            last = page;
            break;
        };
        request = CursorRequest::first(4).at(next);
    }
    assert_eq!(walked, whole);
    let back = CursorRequest::first(4).at(last.previous.unwrap());
    let page = query().cursor_page(back).await.unwrap();
    assert_eq!(ids(&page.items), whole[4..8]);
    let back = CursorRequest::first(4).at(page.previous.unwrap());
    let page = query().cursor_page(back).await.unwrap();
    assert_eq!((ids(&page.items), page.previous), (whole[..4].to_vec(), None));
}

async fn a_cursor_of_views_leads_on_in_the_rows_and_the_other_way_round(db: Database) {
    let orders = fill(&db).await;
    let o = OrderRow::COLUMNS;
    let views = || orders.project::<Listed>().filter(o.id.lt(OrderId(100))).order_by(o.id.desc());
    let first = views().cursor_page(CursorRequest::first(2)).await.unwrap();
    let next = CursorRequest::first(2).at(first.next.unwrap());
    #[derive(Debug, PartialEq, Projection)]
    #[projection(row = OrderRow)]
    struct Other {
        #[projection(column = id)]
        number: OrderId,
    }
    let other = orders.project::<Other>().filter(o.id.lt(OrderId(100))).order_by(o.id.desc());
    let page = other.cursor_page(next.clone()).await.unwrap();
    assert_eq!(page.items.iter().map(|view| view.number.0).collect::<Vec<_>>(), [97, 96]);
    // Of another query it is none.
    let error = orders.project::<Listed>().cursor_page(next).await.unwrap_err();
    assert!(error.is_invalid_cursor());
}

async fn a_page_of_a_query_with_a_limit_is_refused(db: Database) {
    let orders = create(&db).await;
    let error = orders.project::<Listed>().limit(3).page(PageRequest::new(1)).await.unwrap_err();
    assert_eq!(error.to_string(), "find a page of `shop_orders` by a query with a limit: leave it out of `page`");
    let error = orders.project::<Listed>().offset(3).cursor_page(CursorRequest::first(1)).await.unwrap_err();
    assert!(error.is_invalid_query());
    let error = orders.project::<Listed>().page(PageRequest::new(0)).await.unwrap_err();
    assert!(error.is_invalid_query());
    let locked = orders.query().for_update(LockWait::Wait).project::<Listed>().all().await.unwrap_err();
    assert_eq!(
        locked.to_string(),
        "query `shop_orders`: a view is read without a lock; leave it out, or lock the rows by their repository"
    );
}

async fn a_search_from_outside_is_a_page_of_views(db: Database) {
    let orders = fill(&db).await;
    let query: Query = serde_json::from_str(r#"{"page": {"number": 2, "size": 2}}"#).unwrap();
    let found = orders.search(&query).unwrap().order_by(OrderRow::COLUMNS.id.asc());
    let page = found.project::<Listed>().page(&query).await.unwrap();
    assert_eq!(ids(&page.items), [3, 4]);
}

async fn views_are_streamed_in_order_with_what_belongs_to_them(db: Database) {
    let orders = fill(&db).await;
    let o = OrderRow::COLUMNS;
    let query = || orders.project::<Listed>().order_by(o.ship.street.asc());
    let whole = ids(&query().order_by(o.id.asc()).all().await.unwrap());
    db.sent();
    let mut views = query().stream().await.unwrap();
    let mut seen = Vec::new();
    let mut sent = Vec::new();
    while let Some(view) = views.next().await {
        let view = view.unwrap();
        assert_eq!(view.lines.len(), [0, 2, 1].get(view.id.0 as usize).copied().unwrap_or_default());
        seen.push(view.id.0);
        sent.push(db.sent().len());
    }
    assert_eq!(seen, whole);
    // Orders, lines, and notes where there are lines, for each 500.
    let of_chunk = |chunk: usize| if chunk == 0 { 3 } else { 2 };
    let expected: Vec<usize> = (0..ROWS as usize).map(|at| if at % 500 == 0 { of_chunk(at) } else { 0 }).collect();
    assert_eq!(sent, expected);
}

async fn a_limit_and_an_offset_hold_for_a_stream_of_views(db: Database) {
    let orders = fill(&db).await;
    let o = OrderRow::COLUMNS;
    let views = orders.project::<Listed>().order_by(o.id.asc()).limit(600).offset(7).stream().await.unwrap();
    let found: Vec<Listed> = views.try_collect().await.unwrap();
    assert_eq!(ids(&found), (8..608).collect::<Vec<_>>());
    let error = orders.project::<Listed>().order_by(o.extras.asc()).stream().await.unwrap_err();
    assert!(error.is_invalid_query());
}

async fn a_stream_of_views_ends_with_its_scope(db: Database) {
    let orders = fill(&db).await;
    let work = db.sessions.transaction(TransactionOptions::new(), async |_| {
        let mut views = orders.project::<Listed>().order_by(OrderRow::COLUMNS.id.asc()).stream().await?;
        assert_eq!(views.next().await.unwrap()?.id, OrderId(1));
        Ok::<_, Error>(views)
    });
    let error = work.await.unwrap().try_collect::<Vec<_>>().await.unwrap_err();
    assert!(error.is_no_session(), "{error:?}");
}

mod server {
    use super::*;

    on_postgres![a_page_is_as_many_round_trips_as_levels];

    async fn a_page_is_as_many_round_trips_as_levels(db: Database) {
        create(&db).await;
        let line = Line::new(&db).await;
        let orders = line.sessions.repository::<OrderRow>();
        let page = orders.project::<Listed>().page(PageRequest::new(1).size(2));
        let cost = line.cost(page).await;
        // Orders with their number; lines; notes.
        assert_eq!((cost.value.unwrap().total, cost.round_trips), (Total::Exact(3), 3));
        let cost = line.cost(orders.project::<Listed>().cursor_page(CursorRequest::first(2))).await;
        assert_eq!((cost.value.unwrap().items.len(), cost.round_trips), (2, 3));
    }
}
