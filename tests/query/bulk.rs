//! Writes by condition, and the short forms of queries that need nothing else.

use spakky::prelude::*;

use super::{Purchase, Status, prepare, purchase};
use crate::support::{Database, on_each_backend};

on_each_backend![
    rows_are_updated_deleted_counted_and_asked_for_by_condition,
    a_write_by_condition_is_one_statement,
    a_write_by_condition_outside_a_scope_is_refused,
];

async fn rows_are_updated_deleted_counted_and_asked_for_by_condition(db: Database) {
    let purchases = prepare(&db, (1..=6).map(purchase)).await;
    let p = Purchase::COLUMNS;
    assert_eq!(purchases.count_where(p.gift.eq(true)).await.unwrap(), 3);
    assert!(purchases.exists_where(p.total.eq(60)).await.unwrap());
    assert!(!purchases.exists_where(p.total.gt(60)).await.unwrap());

    let work = db.sessions.transaction(TransactionOptions::new(), async |_| {
        let loaded = purchases.get(2).await?;
        assert_eq!(purchases.update_where(p.gift.eq(true), p.total.set(p.total + 5)).await?, 3);
        // What the session knew is read again.
        assert_eq!(purchases.get(2).await?.total, loaded.total + 5);
        let both = [p.status.set(Status::Paid), p.note.set("checked")];
        assert_eq!(purchases.update_where(p.id.le(2), both).await?, 2);
        assert_eq!(purchases.delete_where(p.status.ne(Status::Paid)).await?, 3);
        assert_eq!(purchases.count_where(p.id.gt(0)).await?, 3);
        Ok::<_, spakky::Error>(())
    });
    work.await.unwrap();
    assert_eq!(db.numbers("SELECT total FROM purchases ORDER BY id").await, [10, 25, 45]);
}

async fn a_write_by_condition_is_one_statement(db: Database) {
    let purchases = prepare(&db, (1..=6).map(purchase)).await.autocommit();
    let p = Purchase::COLUMNS;
    db.sent();
    purchases.update_where(p.id.gt(2), p.total.set(0)).await.unwrap();
    let sent = db.sent();
    let updates: Vec<_> = sent.iter().filter(|sql| sql.starts_with("UPDATE")).collect();
    assert_eq!(updates.len(), 1, "{sent:?}");
    assert_eq!(db.numbers("SELECT total FROM purchases ORDER BY id").await, [10, 20, 0, 0, 0, 0]);
}

async fn a_write_by_condition_outside_a_scope_is_refused(db: Database) {
    let purchases = prepare(&db, [purchase(1)]).await;
    let p = Purchase::COLUMNS;
    assert!(purchases.update_where(p.id.eq(1), p.total.set(0)).await.unwrap_err().is_no_session());
    assert!(purchases.delete_where(p.id.eq(1)).await.unwrap_err().is_no_session());
}
