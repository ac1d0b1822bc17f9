//! Writes by condition.

use super::{Purchase, Status, Store, ids, on_each_store, purchase};

on_each_store![
    an_update_writes_what_fulfils_its_condition,
    an_update_calculates,
    a_delete_removes_what_fulfils_its_condition,
    a_copy_loaded_before_is_stale,
    a_result_that_does_not_fit_is_refused,
];

async fn an_update_writes_what_fulfils_its_condition(store: Store) {
    let purchases = store.fill(1..=4).await.autocommit();
    let p = Purchase::COLUMNS;
    let set = [p.status.set(Status::Paid), p.note.set("paid")];
    assert_eq!(purchases.update_where(p.status.eq(Status::Draft), set).await.unwrap(), 2);
    let paid = |id| Purchase { status: Status::Paid, note: Some("paid".into()), version: 2, ..purchase(id) };
    let same = |id| Purchase { version: 1, ..purchase(id) };
    assert_eq!(store.stored().await, [paid(1), same(2), paid(3), same(4)]);
}

async fn an_update_calculates(store: Store) {
    let purchases = store.fill(1..=3).await.autocommit();
    let p = Purchase::COLUMNS;
    let set = [p.total.set(p.total * 2 - p.id), p.weight.set(p.weight + 0.5), p.rank.set(p.rank + 1)];
    assert_eq!(purchases.query().update(set).await.unwrap(), 3);
    let expected = |id: i64| Purchase {
        total: id * 19,
        weight: id as f64 / 4.0 + 0.5,
        rank: Some(id as i32 + 1),
        version: 2,
        ..purchase(id)
    };
    assert_eq!(store.stored().await, [expected(1), expected(2), expected(3)]);
}

async fn a_delete_removes_what_fulfils_its_condition(store: Store) {
    let purchases = store.fill(1..=6).await.autocommit();
    let p = Purchase::COLUMNS;
    assert_eq!(purchases.delete_where(p.total.between(20, 40)).await.unwrap(), 3);
    assert_eq!(ids(&store.stored().await), [1, 5, 6]);
    assert_eq!(purchases.query().delete().await.unwrap(), 3);
    assert_eq!(store.stored().await, []);
}

async fn a_copy_loaded_before_is_stale(store: Store) {
    let purchases = store.fill([1]).await.autocommit();
    let p = Purchase::COLUMNS;
    let mut one = purchases.get(1).await.unwrap();
    purchases.update_where(p.id.eq(1), p.gift.set(true)).await.unwrap();
    one.total = 0;
    let answer = store.work(async |_| purchases.save(&mut one)).await;
    assert!(answer.unwrap_err().is_conflict());
}

async fn a_result_that_does_not_fit_is_refused(store: Store) {
    let purchases = store.fill([1]).await.autocommit();
    let p = Purchase::COLUMNS;
    assert!(purchases.update_where(p.id.eq(1), p.total.set(p.total + i64::MAX)).await.is_err());
    assert_eq!(store.stored().await[0].total, 10);
}
