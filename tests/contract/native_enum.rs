//! A native enum is ordered as it is declared, wherever it is stored.

use spakky::prelude::*;
use spakky::query::{Order, Predicate};

use super::{Kind, Store, on_each_store};

on_each_store![
    rows_are_sorted_as_the_enum_is_declared,
    comparisons_go_by_the_declaration,
    requests_sort_and_compare_by_the_declaration,
    pages_by_cursor_follow_the_declaration,
    the_least_and_the_greatest_are_those_of_the_declaration,
    a_value_that_is_not_declared_comes_last,
];

/// Neither the texts nor their lengths are in this order.
#[derive(Debug, Clone, PartialEq, Eq, ColumnValue)]
#[column(pg_type = "urgency")]
enum Urgency {
    Low,
    #[column(rename = "it's normal")]
    Medium,
    High,
    Critical,
    #[column(other)]
    Other(String),
}

use Urgency::{Critical, High, Low, Medium, Other};

/// A newtype of an enum is stored as it.
#[derive(Debug, Clone, PartialEq, Eq, ColumnValue)]
struct Before(Urgency);

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "calls", filterable(urgency, before), sortable(urgency, before))]
#[mappable(domain = Self)]
struct Call {
    #[table(id)]
    id: i64,
    urgency: Urgency,
    before: Option<Before>,
}

const ALL: [Urgency; 4] = [Low, Medium, High, Critical];

async fn calls(store: &Store, rows: impl IntoIterator<Item = (Urgency, Option<Urgency>)>) -> Repository<Call> {
    store.sessions.create_tables(&schema![Call]).await.unwrap();
    let calls = store.of::<Call>();
    let mut rows: Vec<Call> =
        (1..).zip(rows).map(|(id, (urgency, before))| Call { id, urgency, before: before.map(Before) }).collect();
    calls.autocommit().add_all_now(&mut rows).await.unwrap();
    calls
}

/// Of each value a row, in no order, and as many without the second one.
async fn some(store: &Store) -> Repository<Call> {
    let rows = [
        (High, None),
        (Low, Some(Critical)),
        (Critical, Some(Low)),
        (Medium, None),
        (Low, Some(High)),
        (High, Some(Medium)),
    ];
    calls(store, rows).await
}

fn ids(calls: &[Call]) -> Vec<i64> {
    calls.iter().map(|call| call.id).collect()
}

async fn rows_are_sorted_as_the_enum_is_declared(store: Store) {
    let (calls, c) = (some(&store).await, Call::COLUMNS);
    let sorted =
        async |order: Order<Call>| ids(&calls.query().order_by(order).order_by(c.id.asc()).all().await.unwrap());
    assert_eq!(sorted(c.urgency.asc()).await, [2, 5, 4, 1, 6, 3]);
    assert_eq!(sorted(c.urgency.desc()).await, [3, 1, 6, 4, 2, 5]);
    assert_eq!(sorted(c.before.asc()).await, [3, 6, 5, 2, 1, 4]);
    assert_eq!(sorted(c.before.desc().nulls_last()).await, [2, 5, 6, 3, 1, 4]);
}

async fn comparisons_go_by_the_declaration(store: Store) {
    let (calls, c) = (some(&store).await, Call::COLUMNS);
    let stored = calls.query().order_by(c.id.asc()).all().await.unwrap();
    let place = |value: &Urgency| ALL.iter().position(|other| other == value).unwrap();
    for value in ALL {
        let at = place(&value);
        let expected = |holds: fn(usize, usize) -> bool| {
            ids(&stored.iter().filter(|call| holds(place(&call.urgency), at)).cloned().collect::<Vec<_>>())
        };
        let found =
            async |condition: Predicate<Call>| ids(&calls.filter(condition).order_by(c.id.asc()).all().await.unwrap());
        assert_eq!(found(c.urgency.lt(&value)).await, expected(|one, other| one < other), "< {value:?}");
        assert_eq!(found(c.urgency.le(&value)).await, expected(|one, other| one <= other), "<= {value:?}");
        assert_eq!(found(c.urgency.gt(&value)).await, expected(|one, other| one > other), "> {value:?}");
        assert_eq!(found(c.urgency.ge(&value)).await, expected(|one, other| one >= other), ">= {value:?}");
        assert_eq!(found(c.urgency.eq(&value)).await, expected(|one, other| one == other), "= {value:?}");
        assert_eq!(found(!c.urgency.lt(&value)).await, expected(|one, other| one >= other), "not < {value:?}");
    }
    let before = calls.filter(c.before.ge(Before(High))).order_by(c.id.asc()).all().await.unwrap();
    assert_eq!(ids(&before), [2, 5]);
}

async fn requests_sort_and_compare_by_the_declaration(store: Store) {
    let calls = some(&store).await;
    for (query, expected) in [
        ("sort=urgency,-before", &[2, 5, 4, 1, 6, 3][..]),
        ("sort=-urgency,before&urgency[gte]=it's%20normal", &[3, 6, 1, 4]),
        ("urgency[lt]=high&sort=before", &[5, 2, 4]),
        ("urgency[between]=low,it's%20normal&sort=-urgency,before", &[4, 5, 2]),
        ("urgency[in]=critical,low&sort=-urgency,before", &[3, 5, 2]),
    ] {
        let query = Query::from_query_string(query).unwrap();
        let found = calls.search(&query).unwrap().all().await.unwrap();
        assert_eq!(ids(&found), expected, "{query:?}");
    }
}

async fn pages_by_cursor_follow_the_declaration(store: Store) {
    let (calls, c) = (some(&store).await, Call::COLUMNS);
    let orders: [&[Order<Call>]; 4] = [
        &[c.urgency.asc()],
        &[c.urgency.desc(), c.id.desc()],
        &[c.urgency.asc(), c.id.desc()],
        &[c.before.asc(), c.urgency.desc()],
    ];
    for order in orders {
        let query = || order.iter().fold(calls.query(), |query, order| query.order_by(order.clone()));
        let whole = ids(&query().cursor_page(CursorRequest::first(10)).await.unwrap().items);
        for size in [1, 2, 4] {
            let mut page = query().cursor_page(CursorRequest::first(size)).await.unwrap();
            let mut walked = ids(&page.items);
            while let Some(next) = page.next.clone() {
                page = query().cursor_page(CursorRequest::first(size).at(next)).await.unwrap();
                walked.extend(ids(&page.items));
            }
            assert_eq!(walked, whole, "{order:?} by {size}");
        }
    }
}

async fn the_least_and_the_greatest_are_those_of_the_declaration(store: Store) {
    let (calls, c) = (some(&store).await, Call::COLUMNS);
    assert_eq!(calls.query().min(c.urgency).await.unwrap(), Some(Low));
    assert_eq!(calls.query().max(c.urgency).await.unwrap(), Some(Critical));
    assert_eq!(calls.filter(c.id.eq(6).or(c.id.eq(4))).max(c.urgency).await.unwrap(), Some(High));
}

/// PostgreSQL has no such value, unless a newer program has given it its place.
async fn a_value_that_is_not_declared_comes_last(store: Store) {
    if store.kind == Kind::Postgres {
        return;
    }
    let other = |name: &str| Other(name.to_owned());
    let calls = calls(&store, [(other("b"), None), (Critical, None), (other("a"), None), (Low, None)]).await;
    let c = Call::COLUMNS;
    let sorted = calls.query().order_by(c.urgency.asc()).all().await.unwrap();
    assert_eq!(ids(&sorted), [4, 2, 3, 1]);
    assert_eq!(ids(&calls.filter(c.urgency.gt(Critical)).order_by(c.id.asc()).all().await.unwrap()), [1, 3]);
    assert_eq!(ids(&calls.filter(c.urgency.lt(other("b"))).order_by(c.id.asc()).all().await.unwrap()), [2, 3, 4]);
}
