//! Pages by number.

use spakky::prelude::*;
use spakky::{QueryBuilder, Total, TotalMode};

use super::{Purchase, ids, prepare, purchase, query};
use crate::support::{Database, on_each_backend, on_postgres};

on_each_backend![
    pages_by_number_have_items_number_size_total_and_whether_there_is_a_next,
    a_page_past_the_end_has_the_right_total,
    an_offset_page_has_the_id_as_its_tie_breaker,
    the_count_keeps_no_order_by,
    the_limit_of_a_page_is_checked_before_the_query_runs,
    the_program_pages_as_it_likes_and_requests_as_its_rules_say,
    a_total_is_exact_up_to_the_threshold,
    a_total_can_be_skipped,
    a_page_is_what_the_request_asks_for,
    a_page_sees_what_is_pending,
    a_page_of_a_query_with_a_limit_or_a_lock_is_refused,
    a_page_is_written_as_json,
];

async fn pages_by_number_have_items_number_size_total_and_whether_there_is_a_next(db: Database) {
    let purchases = prepare(&db, (1..=7).map(purchase)).await;
    let p = Purchase::COLUMNS;
    for (number, expected, has_next) in [(1, vec![7, 6, 5], true), (2, vec![4, 3, 2], true), (3, vec![1], false)] {
        let page = purchases.query().order_by(p.total.desc()).page(PageRequest::new(number).size(3)).await.unwrap();
        assert_eq!((ids(&page.items), page.has_next), (expected, has_next));
        assert_eq!((page.page, page.page_size, page.total), (number, 3, Total::Exact(7)));
        assert_eq!((page.total_pages(), page.has_previous()), (Some(3), number > 1));
    }
}

async fn a_page_past_the_end_has_the_right_total(db: Database) {
    let purchases = prepare(&db, (1..=7).map(purchase)).await;
    for number in [4, 1_000, u64::MAX] {
        let page = purchases.query().page(PageRequest::new(number).size(3)).await.unwrap();
        assert_eq!((page.items.len(), page.total, page.has_next), (0, Total::Exact(7), false));
    }
    let none = purchases.filter(Purchase::COLUMNS.id.gt(100)).page(PageRequest::new(1)).await.unwrap();
    assert_eq!((none.items.len(), none.total, none.total_pages()), (0, Total::Exact(0), Some(0)));
}

async fn an_offset_page_has_the_id_as_its_tie_breaker(db: Database) {
    let tied = |id| Purchase { total: 5, ..purchase(id) };
    let purchases = prepare(&db, [3, 1, 4, 2, 5].map(tied)).await;
    let p = Purchase::COLUMNS;
    let walk = async |order: spakky::query::Order<Purchase>| {
        let mut seen = Vec::new();
        for number in 1..=3 {
            let page = purchases.query().order_by(order.clone()).page(PageRequest::new(number).size(2)).await.unwrap();
            seen.extend(ids(&page.items));
        }
        seen
    };
    assert_eq!(walk(p.total.asc()).await, [1, 2, 3, 4, 5]);
    assert_eq!(walk(p.total.desc()).await, [5, 4, 3, 2, 1]);
}

async fn the_count_keeps_no_order_by(db: Database) {
    let purchases = prepare(&db, (1..=3).map(purchase)).await;
    db.sent();
    let p = Purchase::COLUMNS;
    purchases.filter(p.gift.eq(true)).order_by(p.total.desc()).page(PageRequest::new(1)).await.unwrap();
    let sent = db.sent();
    assert_eq!(sent.len(), 2, "{sent:?}");
    assert!(sent[0].ends_with(r#" ORDER BY "total" DESC, "id" DESC LIMIT $1"#.replace("$1", bind(&db, 2)).as_str()));
    assert_eq!(sent[1], format!(r#"SELECT count(*) FROM "purchases" WHERE "gift" = {}"#, bind(&db, 1)));
}

fn bind(db: &Database, number: usize) -> &'static str {
    match (db.is_sqlite(), number) {
        (true, 1) => "?1",
        (true, _) => "?2",
        (false, 1) => "$1",
        (false, _) => "$2",
    }
}

async fn the_limit_of_a_page_is_checked_before_the_query_runs(db: Database) {
    let purchases = prepare(&db, [purchase(1)]).await;
    db.sent();
    for size in [0, u64::MAX] {
        let message = format!("find a page: the page size must be between 1 and 9223372036854775806, found {size}");
        let error = purchases.query().page(PageRequest::new(1).size(size)).await.unwrap_err();
        assert!(error.is_invalid_query());
        assert_eq!(error.to_string(), message);
        let error = purchases.query().cursor_page(CursorRequest::first(size)).await.unwrap_err();
        assert_eq!(error.to_string(), message);
    }
    let error = purchases.query().page(PageRequest::new(0)).await.unwrap_err();
    assert_eq!(error.to_string(), "find a page: pages are counted from 1, found 0");
    assert_eq!(db.sent(), [""; 0]);
}

/// What a page of `asked` is refused with, or how many rows a full one has, by number and by cursor.
async fn sizes(
    query: impl Fn() -> QueryBuilder<Purchase>,
    by_number: PageRequest,
    by_cursor: CursorRequest,
) -> [Result<u64, String>; 2] {
    let number = query().page(by_number).await.map(|page| page.page_size);
    let cursor = query().cursor_page(by_cursor).await.map(|page| page.page_size);
    [number.map_err(|error| error.to_string()), cursor.map_err(|error| error.to_string())]
}

async fn the_program_pages_as_it_likes_and_requests_as_its_rules_say(db: Database) {
    let purchases = prepare(&db, (1..=250).map(purchase)).await;
    let own = |size| (PageRequest::new(1).size(size), CursorRequest::first(size));
    let plain = || purchases.query();
    for size in [1, 200, 201, 100_000] {
        let (number, cursor) = own(size);
        assert_eq!(sizes(plain, number, cursor).await, [Ok(size), Ok(size)]);
    }
    assert_eq!(plain().page(PageRequest::new(1).size(240)).await.unwrap().items.len(), 240);
    // A request that no rules were asked about is one of anybody.
    let asked = query("page_size=201");
    let refused =
        |most: u64, found: u64| Err(format!("find a page: the page size must be between 1 and {most}, found {found}"));
    let [number, cursor] = sizes(plain, (&asked).into(), (&asked).into()).await;
    assert_eq!([number, cursor], [refused(200, 201), refused(200, 201)]);

    for most in [10, 500] {
        let rules = QueryRules::new().limits(|limits| limits.page_size = most);
        let asked = query(&format!("page_size={most}"));
        let search = |asked: &Query| purchases.search_within(asked, &rules);
        let within = || search(&asked).unwrap();
        assert_eq!(sizes(within, (&asked).into(), (&asked).into()).await, [Ok(most), Ok(most)]);
        let (number, cursor) = own(most);
        assert_eq!(sizes(within, number, cursor).await, [Ok(most), Ok(most)]);
        let (number, cursor) = own(most + 1);
        assert_eq!(sizes(within, number, cursor).await, [refused(most, most + 1), refused(most, most + 1)]);
        let error = search(&query(&format!("page_size={}", most + 1))).map(drop).unwrap_err();
        let (text, found) = (error.to_string(), most + 1);
        assert_eq!(text, format!("read the query: the page size must be between 1 and {most}, found {found}"));
        // Unless somebody asks for more, a page has 20 rows, or as many as the rules allow.
        let unsaid = Query::new();
        let within = || search(&unsaid).unwrap();
        let usual = most.min(20);
        assert_eq!(sizes(within, (&unsaid).into(), (&unsaid).into()).await, [Ok(usual), Ok(usual)]);
        assert_eq!(within().page(PageRequest::new(1)).await.unwrap().items.len() as u64, usual);
        // The strictest rules hold.
        let stricter = QueryRules::new().limits(|limits| limits.page_size = 5);
        let twice = || within().apply(&unsaid, &stricter).unwrap();
        let (number, cursor) = own(6);
        assert_eq!(sizes(twice, number, cursor).await, [refused(5, 6), refused(5, 6)]);
    }
}

async fn a_total_is_exact_up_to_the_threshold(db: Database) {
    let purchases = prepare(&db, (1..=9).map(purchase)).await;
    let total = async |most: u64, number: u64| {
        let request = PageRequest::new(number).size(2).total(TotalMode::EstimateAbove(most));
        purchases.query().page(request).await.unwrap().total
    };
    assert_eq!(total(9, 1).await, Total::Exact(9));
    assert_eq!(total(100, 1).await, Total::Exact(9));
    if db.is_sqlite() {
        assert_eq!(total(4, 1).await, Total::AtLeast(5));
        // The page itself shows that there are more.
        assert_eq!(total(4, 4).await, Total::AtLeast(9));
    } else {
        assert!(matches!(total(4, 1).await, Total::Estimated(rows) if rows >= 5));
    }
}

async fn a_total_can_be_skipped(db: Database) {
    let purchases = prepare(&db, (1..=5).map(purchase)).await;
    db.sent();
    let page = purchases.query().page(PageRequest::new(1).size(4).total(TotalMode::Skip)).await.unwrap();
    assert_eq!((page.items.len(), page.has_next, page.total), (4, true, Total::Skipped));
    assert_eq!((page.total.count(), page.total_pages()), (None, None));
    assert_eq!(db.sent().len(), 1);
}

async fn a_page_is_what_the_request_asks_for(db: Database) {
    let purchases = prepare(&db, (1..=9).map(purchase)).await;
    let asked = query("total[gte]=30&sort=-total&page=2&page_size=3");
    let page = purchases.search(&asked).unwrap().page(&asked).await.unwrap();
    assert_eq!((ids(&page.items), page.total, page.has_next), (vec![6, 5, 4], Total::Exact(7), true));
    let page = purchases.search(&Query::new()).unwrap().page(&Query::new()).await.unwrap();
    assert_eq!((page.items.len(), page.page, page.page_size), (9, 1, 20));

    let message = "find a page: the request has a cursor, which leads to a page of `cursor_page`, not of `page`";
    let error = purchases.query().page(&Query::new().cursor("x")).await.unwrap_err();
    assert_eq!(error.to_string(), message);
}

async fn a_page_sees_what_is_pending(db: Database) {
    let purchases = prepare(&db, (1..=2).map(purchase)).await;
    let work = db.sessions.transaction(TransactionOptions::new(), async |_| {
        purchases.add(&mut purchase(3))?;
        let page = purchases.query().page(PageRequest::new(1)).await?;
        assert_eq!((ids(&page.items), page.total), (vec![1, 2, 3], Total::Exact(3)));
        let page = purchases.query().cursor_page(CursorRequest::first(5)).await?;
        assert_eq!(ids(&page.items), [1, 2, 3]);
        Ok::<_, spakky::Error>(())
    });
    work.await.unwrap();
}

async fn a_page_of_a_query_with_a_limit_or_a_lock_is_refused(db: Database) {
    let purchases = prepare(&db, [purchase(1)]).await;
    let queries =
        || [purchases.query().limit(5), purchases.query().offset(5), purchases.query().for_update(LockWait::Wait)];
    let message = |method: &str| {
        format!("find a page of `purchases` by a query with a limit or a lock: leave them out of `{method}`")
    };
    for query in queries() {
        assert_eq!(query.page(PageRequest::new(1)).await.unwrap_err().to_string(), message("page"));
    }
    for query in queries() {
        let error = query.cursor_page(CursorRequest::first(1)).await.unwrap_err();
        assert_eq!(error.to_string(), message("cursor_page"));
    }
}

async fn a_page_is_written_as_json(db: Database) {
    let purchases = prepare(&db, (1..=3).map(purchase)).await;
    let page = purchases.query().page(PageRequest::new(1).size(2)).await.unwrap().map(|purchase| purchase.id);
    assert_eq!(
        serde_json::to_value(&page).unwrap(),
        serde_json::json!({
            "items": [1, 2], "page": 1, "page_size": 2, "total": 3, "total_accuracy": "exact", "has_next": true,
            "has_previous": false
        })
    );
    let page = purchases.query().cursor_page(CursorRequest::first(5)).await.unwrap().map(|purchase| purchase.id);
    assert_eq!(
        serde_json::to_value(&page).unwrap(),
        serde_json::json!({"items": [1, 2, 3], "page_size": 5, "next": null, "previous": null})
    );
}

mod on_postgres {
    use super::*;

    on_postgres![a_total_above_the_threshold_is_what_the_planner_expects];

    async fn a_total_above_the_threshold_is_what_the_planner_expects(db: Database) {
        let purchases = prepare(&db, (1..=1_000).map(purchase)).await;
        db.execute("ANALYZE purchases").await;
        let p = Purchase::COLUMNS;
        let mode = TotalMode::EstimateAbove(10);
        let page = purchases.query().page(PageRequest::new(1).total(mode)).await.unwrap();
        assert_eq!(page.total, Total::Estimated(1_000));
        // With values bound in the filter, too.
        let half = purchases.filter(p.gift.eq(true).and(p.total.gt(0)));
        let page = half.page(PageRequest::new(1).total(mode)).await.unwrap();
        assert!(matches!(page.total, Total::Estimated(450..=550)), "{:?}", page.total);
    }
}
