//! What must hold among rows.

use spakky::ErrorKind;

use super::{Buyer, Kind, Purchase, Store, buyer, ids, on_each_store, purchase};

on_each_store![
    a_taken_value_names_constraint_and_table,
    a_taken_key_names_the_primary_key,
    a_unique_key_is_free_again_after_a_delete,
    a_reference_to_nothing_is_refused,
    a_row_that_is_referred_to_is_not_deleted,
    a_text_that_is_too_long_is_refused,
    a_failed_write_outside_a_transaction_leaves_nothing_behind,
];

async fn a_taken_value_names_constraint_and_table(store: Store) {
    let purchases = store.fill([1]).await;
    let taken = Purchase { code: "c1".into(), buyer_id: 1, ..purchase(2) };
    let error = store.work(async |_| purchases.add(&mut taken.clone())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UniqueViolation);
    assert_eq!((error.table(), error.constraint()), (Some("purchases"), Some("uq_purchases_buyer_id_code")));
    if store.kind != Kind::Postgres {
        // Not part of what PostgreSQL answers.
        assert_eq!(error.columns(), ["buyer_id", "code"]);
    }
    let expected = "write a value on `purchases` that is taken: unique constraint `uq_purchases_buyer_id_code`";
    assert!(error.to_string().starts_with(expected), "{error}");
    assert_eq!(ids(&store.stored().await), [1]);
}

async fn a_taken_key_names_the_primary_key(store: Store) {
    let purchases = store.fill([1]).await;
    let mut taken = Purchase { code: "other".into(), ..purchase(1) };
    let error = purchases.autocommit().add_now(&mut taken).await.unwrap_err();
    assert_eq!((error.kind(), error.constraint()), (ErrorKind::UniqueViolation, Some("pk_purchases")));
}

async fn a_unique_key_is_free_again_after_a_delete(store: Store) {
    let purchases = store.fill([1]).await;
    store
        .work(async |session| {
            purchases.delete_by_id(1)?;
            session.flush().await?;
            purchases.add(&mut Purchase { id: 2, ..purchase(1) })
        })
        .await
        .unwrap();
    assert_eq!(ids(&store.stored().await), [2]);
}

async fn a_reference_to_nothing_is_refused(store: Store) {
    let purchases = store.fill([1]).await;
    let error = store.work(async |_| purchases.add(&mut Purchase { buyer_id: 9, ..purchase(2) })).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ForeignKeyViolation);
    assert_eq!((error.table(), error.constraint()), (Some("purchases"), Some("fk_purchases_buyer_id")));
    assert_eq!(ids(&store.stored().await), [1]);
}

async fn a_row_that_is_referred_to_is_not_deleted(store: Store) {
    let _ = store.fill([1]).await;
    let buyers = store.of::<Buyer>();
    let error = store.work(async |_| buyers.delete_by_id(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ForeignKeyViolation);
    if store.kind != Kind::Sqlite {
        // SQLite does not say which it was.
        assert!(matches!(error.table(), Some("purchases" | "buyers")), "{error}");
    }
    assert_eq!(buyers.query().count().await.unwrap(), 3);
    // Nobody refers to Cid.
    store.work(async |_| buyers.delete_by_id(3)).await.unwrap();
    assert_eq!(buyers.query().count().await.unwrap(), 2);
}

async fn a_text_that_is_too_long_is_refused(store: Store) {
    let purchases = store.fill([1]).await;
    let mut long = Purchase { code: "ä23456789".into(), ..purchase(2) };
    let error = purchases.autocommit().add_now(&mut long).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Mapping);
    let mut fits = Purchase { code: "ä2345678".into(), ..purchase(2) };
    purchases.autocommit().add_now(&mut fits).await.unwrap();
}

async fn a_failed_write_outside_a_transaction_leaves_nothing_behind(store: Store) {
    let _ = store.fill([1]).await;
    let buyers = store.of::<Buyer>().autocommit();
    let mut new = [buyer(7, "Eve"), buyer(8, "Ann")];
    let error = buyers.add_all_now(&mut new).await.unwrap_err();
    assert_eq!(error.constraint(), Some("uq_buyers_name"));
    assert_eq!(buyers.query().count().await.unwrap(), 3);
}
