//! Walks by cursor over random rows, in random orders, by pages of random sizes.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use spakky::prelude::*;
use spakky::{QueryBuilder, Sort};

use super::{Purchase, Status, prepare, purchase};
use crate::support::{Database, on_each_backend};

on_each_backend![
    walking_forward_and_back_yields_exactly_the_full_ordered_list,
    inserts_and_deletes_in_between_neither_duplicate_nor_drop_an_unchanged_row,
];

type Values = (i64, Option<&'static str>, Option<i32>, usize);

/// Rows with few different values, so that many tie.
fn rows(ids: std::ops::Range<i64>) -> impl Strategy<Value = Vec<Purchase>> {
    let words = prop_oneof![Just(None), Just(Some("")), Just(Some("a")), Just(Some("B"))];
    let values = (0..3_i64, words, proptest::option::of(-1..2_i32), 0..3_usize);
    let made = |(id, (total, note, rank, status)): (i64, Values)| Purchase {
        total: total * i64::from(u32::MAX),
        note: note.map(str::to_owned),
        rank,
        status: [Status::Draft, Status::Paid, Status::Cancelled][status],
        placed_at: purchase(total).placed_at,
        weight: f64::from(rank.unwrap_or(0)) / 3.0,
        ..purchase(id)
    };
    let count = usize::try_from(ids.end - ids.start).unwrap();
    proptest::collection::vec(proptest::option::of(values), count)
        .prop_map(move |rows| ids.clone().zip(rows).filter_map(|(id, row)| Some(made((id, row?)))).collect())
}

fn sorts() -> impl Strategy<Value = Vec<Sort>> {
    let fields = prop_oneof![Just("total"), Just("note"), Just("rank"), Just("status"), Just("placed_at"), Just("id")];
    let key = (fields, any::<bool>(), proptest::option::of(any::<bool>()));
    let key = key.prop_map(|(field, descending, nulls_first)| {
        let sort = if descending { Sort::desc(field) } else { Sort::asc(field) };
        Sort { nulls_first, ..sort }
    });
    proptest::collection::vec(key, 0..4)
}

/// The order by the documentation, worked out in memory.
fn compare(sorts: &[Sort], a: &Purchase, b: &Purchase) -> Ordering {
    fn place<T: Ord>(a: Option<T>, b: Option<T>, sort: &Sort) -> Ordering {
        let nulls_first = sort.nulls_first.unwrap_or(sort.descending);
        match (a, b) {
            (Some(a), Some(b)) if sort.descending => b.cmp(&a),
            (Some(a), Some(b)) => a.cmp(&b),
            (None, None) => Ordering::Equal,
            (None, Some(_)) if nulls_first => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) if nulls_first => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
        }
    }
    let status = |purchase: &Purchase| format!("{:?}", purchase.status).to_lowercase();
    let by_keys = sorts.iter().map(|sort| match sort.field.as_str() {
        "total" => place(Some(a.total), Some(b.total), sort),
        "note" => place(a.note.as_ref(), b.note.as_ref(), sort),
        "rank" => place(a.rank, b.rank, sort),
        "status" => place(Some(status(a)), Some(status(b)), sort),
        "placed_at" => place(Some(a.placed_at), Some(b.placed_at), sort),
        _ => place(Some(a.id), Some(b.id), sort),
    });
    // A field that is given again changes nothing, nor the direction of what comes behind.
    let first = |at: usize| !sorts[..at].iter().any(|earlier| earlier.field == sorts[at].field);
    let last = (0..sorts.len()).rev().find(|&at| first(at));
    let tie = if last.is_some_and(|last| sorts[last].descending) { b.id.cmp(&a.id) } else { a.id.cmp(&b.id) };
    by_keys.fold(Ordering::Equal, Ordering::then).then(tie)
}

/// A walk: its query, and what happens between two pages.
struct Walk<'a, Step: AsyncFnMut()> {
    query: &'a dyn Fn() -> QueryBuilder<Purchase>,
    size: u64,
    between: Step,
}

impl<Step: AsyncFnMut()> Walk<'_, Step> {
    /// The rows seen on the way to the end, and those seen on the way back.
    async fn run(mut self) -> [Vec<Purchase>; 2] {
        let mut forward = Vec::new();
        let mut page = (self.query)().cursor_page(CursorRequest::first(self.size)).await.unwrap();
        loop {
            assert!(page.items.len() as u64 <= self.size);
            forward.extend(page.items.clone());
            (self.between)().await;
            let Some(next) = page.next.clone() else { break };
            page = self.at(&next).await;
        }
        let mut back: Vec<Purchase> = page.items.iter().rev().cloned().collect();
        while let Some(previous) = page.previous.clone() {
            (self.between)().await;
            page = self.at(&previous).await;
            back.extend(page.items.iter().rev().cloned());
        }
        back.reverse();
        [forward, back]
    }

    async fn at(&self, cursor: &str) -> CursorPage<Purchase> {
        (self.query)().cursor_page(CursorRequest::first(self.size).at(cursor)).await.unwrap()
    }
}

fn builder(purchases: &Repository<Purchase>, sorts: &[Sort]) -> QueryBuilder<Purchase> {
    let query = sorts.iter().cloned().fold(Query::new(), Query::sort);
    purchases.search(&query).unwrap()
}

async fn walking_forward_and_back_yields_exactly_the_full_ordered_list(db: Database) {
    let purchases = prepare(&db, []).await.autocommit();
    let mut runner = TestRunner::deterministic();
    let cases = (rows(0..16), proptest::collection::vec((sorts(), 1..6_u64), 6));
    for _ in 0..25 {
        let (mut rows, walks) = cases.new_tree(&mut runner).unwrap().current();
        purchases.delete_where(Purchase::COLUMNS.id.ge(0)).await.unwrap();
        db.sessions.transaction(TransactionOptions::new(), async |_| purchases.add_all(&mut rows)).await.unwrap();
        for (sorts, size) in walks {
            rows.sort_by(|a, b| compare(&sorts, a, b));
            let walk = Walk { query: &|| builder(&purchases, &sorts), size, between: async || {} };
            let [forward, back] = walk.run().await;
            assert_eq!(forward, rows, "{sorts:?} {size}");
            assert_eq!(back, rows, "{sorts:?} {size}");
        }
    }
}

async fn inserts_and_deletes_in_between_neither_duplicate_nor_drop_an_unchanged_row(db: Database) {
    let purchases = prepare(&db, []).await.autocommit();
    let mut runner = TestRunner::deterministic();
    let others = proptest::collection::vec(any::<proptest::sample::Index>(), 40);
    let cases = (rows(0..16), rows(16..56), others, sorts(), 1..4_u64);
    for _ in 0..25 {
        let (mut rows, mut coming, deleted, sorts, size) = cases.new_tree(&mut runner).unwrap().current();
        purchases.delete_where(Purchase::COLUMNS.id.ge(0)).await.unwrap();
        // Every second row may go.
        let (mut staying, going): (Vec<_>, Vec<_>) = rows.iter().cloned().partition(|row| row.id % 2 == 0);
        let mut going: BTreeMap<i64, Purchase> = going.into_iter().map(|row| (row.id, row)).collect();
        db.sessions.transaction(TransactionOptions::new(), async |_| purchases.add_all(&mut rows)).await.unwrap();
        let mut deleted = deleted.into_iter();
        let between = async || {
            let ids: Vec<i64> = going.keys().copied().collect();
            if let (Some(index), false) = (deleted.next(), ids.is_empty()) {
                let id = ids[index.index(ids.len())];
                going.remove(&id);
                purchases.delete_by_id_now(id).await.unwrap();
            }
            if let Some(mut row) = coming.pop() {
                purchases.add_now(&mut row).await.unwrap();
            }
        };
        let [forward, back] = Walk { query: &|| builder(&purchases, &sorts), size, between }.run().await;
        staying.sort_by(|a, b| compare(&sorts, a, b));
        for seen in [forward, back] {
            let mut once: Vec<i64> = seen.iter().map(|row| row.id).collect();
            once.sort_unstable();
            once.dedup();
            assert_eq!(once.len(), seen.len(), "{sorts:?} {size}");
            assert!(seen.is_sorted_by(|a, b| compare(&sorts, a, b).is_lt()), "{sorts:?} {size}");
            let stayed: Vec<_> = seen.into_iter().filter(|row| row.id < 16 && row.id % 2 == 0).collect();
            assert_eq!(stayed, staying, "{sorts:?} {size}");
        }
    }
}
