//! Pages by cursor: what a cursor belongs to, and what becomes of one that does not.

use spakky::prelude::*;

use super::{Purchase, ids, prepare, purchase, query};
use crate::support::{Database, on_each_backend};

on_each_backend![
    cursors_lead_forward_and_back,
    a_cursor_walks_down_ties_and_secondary_keys,
    a_cursor_is_bound_to_its_filters_sort_keys_and_table,
    a_cursor_is_bound_to_the_tenant,
    a_bad_cursor_is_one_clear_error,
    an_unsigned_cursor_can_name_no_column,
    the_first_key_signs_and_all_are_accepted,
    a_cursor_goes_on_where_its_row_was_deleted,
    a_request_with_a_page_number_has_no_cursor_page,
    a_cursor_needs_keys_that_it_can_hold,
    a_cursor_page_is_what_the_request_asks_for,
];

const REFUSED: &str = "read the cursor: it is not one of this query; start again from the first page, and change filters, \
                       sort keys and tenant only without a cursor";

async fn cursors_lead_forward_and_back(db: Database) {
    let purchases = prepare(&db, (1..=5).map(purchase)).await;
    let page = async |request: CursorRequest| purchases.query().cursor_page(request).await.unwrap();
    let first = page(CursorRequest::first(2)).await;
    assert_eq!((ids(&first.items), first.page_size, first.has_previous()), (vec![1, 2], 2, false));
    let second = page(CursorRequest::first(2).at(first.next.unwrap())).await;
    assert_eq!((ids(&second.items), second.has_next(), second.has_previous()), (vec![3, 4], true, true));
    let third = page(CursorRequest::first(2).at(second.next.clone().unwrap())).await;
    assert_eq!((ids(&third.items), third.has_next()), (vec![5], false));
    let back = page(CursorRequest::first(2).at(third.previous.unwrap())).await;
    assert_eq!(back, second);
    let start = page(CursorRequest::first(2).at(back.previous.unwrap())).await;
    assert_eq!((ids(&start.items), start.has_next(), start.has_previous()), (vec![1, 2], true, false));
    // A page of another size goes on from the same place.
    let rest = page(CursorRequest::first(50).at(start.next.unwrap())).await;
    assert_eq!((ids(&rest.items), rest.has_next()), (vec![3, 4, 5], false));
}

/// Six rows with three totals, walked down by two sort keys.
async fn a_cursor_walks_down_ties_and_secondary_keys(db: Database) {
    let tied = |id: i64| Purchase { total: (id - 1) / 2, ..purchase(id) };
    let purchases = prepare(&db, (1..=6).map(tied)).await;
    let p = Purchase::COLUMNS;
    for (query, expected) in [
        (purchases.query().order_by(p.total.desc()), [6, 5, 4, 3, 2, 1]),
        (purchases.query().order_by(p.total.desc()).order_by(p.placed_at.asc()), [5, 6, 3, 4, 1, 2]),
        (purchases.query().order_by(p.status.asc()).order_by(p.total.desc()), [5, 2, 6, 3, 4, 1]),
    ] {
        let rows = query.all().await.unwrap();
        assert_eq!(rows.len(), expected.len());
    }
    let walk = async |asked: &str| {
        let (mut seen, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let mut request = query(asked).page_size(1);
            if let Some(cursor) = cursor.take() {
                request = request.cursor(cursor);
            }
            let page = purchases.search(&request).unwrap().cursor_page(&request).await.unwrap();
            seen.extend(ids(&page.items));
            match page.next {
                Some(next) => cursor = Some(next),
                None => return seen,
            }
        }
    };
    assert_eq!(walk("sort=-total").await, [6, 5, 4, 3, 2, 1]);
    assert_eq!(walk("sort=-total,placed_at").await, [5, 6, 3, 4, 1, 2]);
    // cancelled: 2, 5; draft: 3, 6; paid: 1, 4.
    assert_eq!(walk("sort=status,-total").await, [5, 2, 6, 3, 4, 1]);
}

async fn a_cursor_is_bound_to_its_filters_sort_keys_and_table(db: Database) {
    let purchases = prepare(&db, (1..=9).map(purchase)).await;
    let asked = "total[gte]=20&sort=-total";
    let next = {
        let query = query(asked).page_size(2);
        purchases.search(&query).unwrap().cursor_page(&query).await.unwrap().next.unwrap()
    };
    let page = async |asked: &str| {
        let query = query(asked).cursor(next.clone());
        purchases.search(&query).unwrap().cursor_page(&query).await
    };
    assert_eq!(ids(&page(asked).await.unwrap().items), [7, 6, 5, 4, 3, 2]);
    for other in [
        "total[gte]=30&sort=-total",
        "total[gt]=20&sort=-total",
        "sort=-total",
        "total[gte]=20&sort=total",
        "total[gte]=20&sort=-total,note",
        "total[gte]=20",
        "total[gte]=20&gift=true&sort=-total",
    ] {
        let error = page(other).await.unwrap_err();
        assert!(error.is_invalid_cursor(), "{other}");
        assert_eq!(error.to_string(), REFUSED);
    }
    let accounts = db.sessions.repository::<crate::support::AccountRow>();
    assert!(accounts.query().cursor_page(CursorRequest::first(1).at(next)).await.unwrap_err().is_invalid_cursor());
}

async fn a_cursor_is_bound_to_the_tenant(db: Database) {
    let purchases = prepare(&db, (1..=3).map(purchase)).await;
    let acme = || RequestContext::new().tenant("acme");
    let page = async |request: CursorRequest| purchases.query().cursor_page(request).await;
    let next = acme().scope(page(CursorRequest::first(1))).await.unwrap().next.unwrap();
    let at = || CursorRequest::first(1).at(next.clone());
    assert_eq!(ids(&acme().actor("ann").scope(page(at())).await.unwrap().items), [2]);
    for context in [RequestContext::new(), RequestContext::new().tenant("globex"), RequestContext::new().tenant("")] {
        assert!(context.scope(page(at())).await.unwrap_err().is_invalid_cursor());
    }
}

async fn a_bad_cursor_is_one_clear_error(db: Database) {
    let purchases = prepare(&db, (1..=3).map(purchase)).await;
    let page = async |cursor: String| purchases.query().cursor_page(CursorRequest::first(1).at(cursor)).await;
    let good = purchases.query().cursor_page(CursorRequest::first(1)).await.unwrap().next.unwrap();
    db.sent();
    let mut bad: Vec<String> =
        ["", "x", "====", "äöü", "{\"id\":1}", "AQ", "\0"].into_iter().map(str::to_owned).collect();
    bad.push("A".repeat(100_000));
    bad.push(format!("{good}A"));
    bad.push(good[..good.len() - 1].to_owned());
    // One that differs in any one place.
    for at in 0..good.len() {
        let other = if good.as_bytes()[at] == b'A' { "B" } else { "A" };
        bad.push(format!("{}{other}{}", &good[..at], &good[at + 1..]));
    }
    for cursor in bad {
        let error = page(cursor.clone()).await.unwrap_err();
        assert!(error.is_invalid_cursor(), "{cursor}");
        assert_eq!(error.to_string(), REFUSED, "{cursor}");
        assert!(std::error::Error::source(&error).is_none());
    }
    assert_eq!(db.sent(), [""; 0]);
    assert_eq!(ids(&page(good).await.unwrap().items), [2]);
}

/// What the predecessors took: base64 of JSON with a column's name.
async fn an_unsigned_cursor_can_name_no_column(db: Database) {
    let purchases = prepare(&db, (1..=3).map(purchase)).await;
    // {"secret":"h"}
    let request = CursorRequest::first(1).at("eyJzZWNyZXQiOiJoIn0");
    assert!(purchases.query().cursor_page(request).await.unwrap_err().is_invalid_cursor());
}

async fn the_first_key_signs_and_all_are_accepted(db: Database) {
    prepare(&db, (1..=3).map(purchase)).await;
    let [old, new] = ["the old secret, of 32 bytes at least", "the new secret, of 32 bytes at least"];
    let with =
        async |keys: Vec<&'static str>| db.connect(|config| config.cursor_keys(keys)).await.repository::<Purchase>();
    let (before, between, after) = (with(vec![old]).await, with(vec![new, old]).await, with(vec![new]).await);
    let first = async |purchases: &Repository<Purchase>| {
        purchases.query().cursor_page(CursorRequest::first(1)).await.unwrap().next.unwrap()
    };
    let read = async |purchases: &Repository<Purchase>, cursor: &str| {
        purchases.query().cursor_page(CursorRequest::first(1).at(cursor)).await
    };
    let (of_old, of_new) = (first(&before).await, first(&between).await);
    assert_eq!(ids(&read(&between, &of_old).await.unwrap().items), [2]);
    assert_eq!(ids(&read(&after, &of_new).await.unwrap().items), [2]);
    assert!(read(&after, &of_old).await.unwrap_err().is_invalid_cursor());
    assert!(read(&before, &of_new).await.unwrap_err().is_invalid_cursor());
    // Without keys the process has its own.
    let (one, other) = (with(vec![]).await, with(vec![]).await);
    assert_eq!(ids(&read(&other, &first(&one).await).await.unwrap().items), [2]);
    assert!(read(&one, &of_old).await.unwrap_err().is_invalid_cursor());
}

async fn a_cursor_goes_on_where_its_row_was_deleted(db: Database) {
    let purchases = prepare(&db, (1..=4).map(purchase)).await;
    let page = async |request: CursorRequest| purchases.query().cursor_page(request).await.unwrap();
    let next = page(CursorRequest::first(2)).await.next.unwrap();
    db.execute("DELETE FROM purchases WHERE id > 2").await;
    // Nothing is left behind it; the way back leads to the row at the cursor.
    let empty = page(CursorRequest::first(2).at(next)).await;
    assert_eq!((ids(&empty.items), empty.has_next()), (vec![], false));
    let back = page(CursorRequest::first(2).at(empty.previous.unwrap())).await;
    assert_eq!((ids(&back.items), back.has_previous()), (vec![1, 2], false));
    db.execute("DELETE FROM purchases WHERE id = 2").await;
    let none = page(CursorRequest::first(2).at(back.next.unwrap())).await;
    assert_eq!(ids(&none.items), [0; 0]);
    let back = page(CursorRequest::first(2).at(none.previous.unwrap())).await;
    assert_eq!(ids(&back.items), [1]);
}

async fn a_request_with_a_page_number_has_no_cursor_page(db: Database) {
    let purchases = prepare(&db, []).await;
    let error = purchases.query().cursor_page(&Query::new().page_number(2)).await.unwrap_err();
    assert!(error.is_invalid_query());
    assert_eq!(
        error.to_string(),
        "find a page: the request names a page by its number, which `cursor_page` does not know; use `page`"
    );
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "bags")]
#[mappable(domain = Self)]
struct Bag {
    #[table(id)]
    id: i64,
    tags: Vec<String>,
}

async fn a_cursor_needs_keys_that_it_can_hold(db: Database) {
    db.sessions.create_tables(&schema![Bag]).await.unwrap();
    let bags = db.sessions.repository::<Bag>();
    let query = bags.query().order_by(Bag::COLUMNS.tags.asc());
    let error = query.cursor_page(CursorRequest::first(1)).await.unwrap_err();
    assert!(error.is_invalid_query());
    assert_eq!(
        error.to_string(),
        "find a page of `bags`: a cursor cannot hold column `tags`, which is an array, JSON or of a type that only the \
         database knows"
    );
}

async fn a_cursor_page_is_what_the_request_asks_for(db: Database) {
    let purchases = prepare(&db, (1..=9).map(purchase)).await;
    let first = query("gift=true&sort=-placed_at&page_size=2");
    let page = purchases.search(&first).unwrap().cursor_page(&first).await.unwrap();
    assert_eq!(ids(&page.items), [8, 6]);
    // As a link holds it.
    let link = first.cursor(page.next.unwrap()).to_query_string();
    let second = query(&link);
    let page = purchases.search(&second).unwrap().cursor_page(&second).await.unwrap();
    assert_eq!((ids(&page.items), page.has_next()), (vec![4, 2], false));
}
