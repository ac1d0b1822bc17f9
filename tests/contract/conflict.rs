//! Writes that find another version than they expect.

use super::{Purchase, Store, ids, on_each_store, purchase};
use spakky::Error;

on_each_store![
    a_stale_save_is_refused_and_leaves_nothing_behind,
    a_batch_names_those_that_it_missed,
    a_row_that_is_gone_is_a_conflict,
    a_stale_copy_is_refused_before_it_is_sent,
    a_stale_version_of_an_attached_row_is_refused,
    a_delete_of_a_stale_row_is_refused,
    a_delete_by_id_of_a_missing_row_is_none,
    a_batch_of_deletes_names_those_that_it_missed,
    a_write_under_any_version_needs_the_row_alone,
];

/// Changes a purchase as somebody else.
async fn disturb(store: &Store, id: i64) -> Result<(), Error> {
    let purchases = store.of::<Purchase>();
    store
        .elsewhere(async |_| {
            let mut one = purchases.get(id).await?;
            one.weight += 1.0;
            purchases.save(&mut one)
        })
        .await
}

async fn a_stale_save_is_refused_and_leaves_nothing_behind(store: Store) {
    let purchases = store.fill([1, 2]).await;
    let mut line = 0;
    let answer = store.work(async |_| {
        let mut one = purchases.get(1).await?;
        disturb(&store, 1).await?;
        purchases.add(&mut purchase(3))?;
        one.total = 0;
        line = line!() + 1;
        purchases.save(&mut one)
    });
    let error = answer.await.unwrap_err();
    assert!(error.is_conflict());
    assert_eq!(
        (error.table(), error.ids(), error.expected_version()),
        (Some("purchases"), &["1".to_owned()][..], Some(1))
    );
    let expected = format!(
        "save to `purchases` with id 1: its version is no longer 1, or it is gone (queued at {}:{line})",
        file!()
    );
    assert_eq!(error.to_string(), expected);
    let stored: Vec<_> = store.stored().await.into_iter().map(|one| (one.id, one.total, one.version)).collect();
    assert_eq!(stored, [(1, 10, 2), (2, 20, 1)]);
}

async fn a_batch_names_those_that_it_missed(store: Store) {
    let purchases = store.fill(1..=20).await;
    let answer = store.work(async |_| {
        let mut all = purchases.get_many(1..=20).await?;
        disturb(&store, 3).await?;
        disturb(&store, 20).await?;
        store.elsewhere(async |_| purchases.delete_by_id(11)).await?;
        for one in &mut all {
            one.total += 1;
        }
        purchases.save_all(&mut all)
    });
    let error = answer.await.unwrap_err();
    assert_eq!((error.is_conflict(), error.ids()), (true, &["3", "11", "20"].map(str::to_owned)[..]));
    assert!(store.stored().await.iter().all(|one| one.total == one.id * 10));
}

async fn a_row_that_is_gone_is_a_conflict(store: Store) {
    let purchases = store.fill([1]).await;
    let answer = store.work(async |_| {
        let mut one = purchases.get(1).await?;
        store.elsewhere(async |_| purchases.delete_by_id(1)).await?;
        one.total = 0;
        purchases.save_now(&mut one).await
    });
    assert!(answer.await.unwrap_err().is_conflict());
    assert_eq!(store.stored().await, []);
}

async fn a_stale_copy_is_refused_before_it_is_sent(store: Store) {
    let purchases = store.fill([1]).await;
    let answer = store.work(async |_| {
        let mut one = purchases.get(1).await?;
        let mut copy = one.clone();
        one.total = 1;
        purchases.save(&mut one)?;
        copy.total = 2;
        purchases.save(&mut copy)
    });
    assert!(answer.await.unwrap_err().is_stale_copy());
    assert_eq!(store.stored().await, [Purchase { version: 1, ..purchase(1) }]);
}

async fn a_stale_version_of_an_attached_row_is_refused(store: Store) {
    let purchases = store.fill([1]).await;
    disturb(&store, 1).await.unwrap();
    let answer = store.work(async |_| purchases.save_if(&mut Purchase { total: 0, ..purchase(1) }, 1));
    let error = answer.await.unwrap_err();
    assert_eq!((error.is_conflict(), error.expected_version()), (true, Some(1)));
}

async fn a_delete_of_a_stale_row_is_refused(store: Store) {
    let purchases = store.fill([1, 2]).await;
    let answer = store.work(async |_| {
        let mut both = purchases.get_many([1, 2]).await?;
        disturb(&store, 2).await?;
        purchases.delete_all(&mut both)
    });
    let error = answer.await.unwrap_err();
    assert_eq!((error.is_conflict(), error.ids()), (true, &["2".to_owned()][..]));
    assert_eq!(ids(&store.stored().await), [1, 2]);
}

async fn a_delete_by_id_of_a_missing_row_is_none(store: Store) {
    let purchases = store.fill([1]).await;
    store.work(async |_| purchases.delete_by_id(7)).await.unwrap();
    assert_eq!(ids(&store.stored().await), [1]);
}

async fn a_batch_of_deletes_names_those_that_it_missed(store: Store) {
    let purchases = store.fill(1..=300).await;
    let answer = store.work(async |_| {
        let mut all = purchases.get_many(1..=300).await?;
        disturb(&store, 3).await?;
        disturb(&store, 299).await?;
        purchases.delete_all(&mut all)
    });
    let error = answer.await.unwrap_err();
    assert!(error.is_conflict());
    assert_eq!(error.ids(), ["3", "299"]);
    assert_eq!(store.stored().await.len(), 300);
    let purchases = store.of::<Purchase>();
    let all = store.work(async |_| {
        let mut all = purchases.get_many(1..=300).await?;
        purchases.delete_all(&mut all)
    });
    all.await.unwrap();
    assert_eq!(store.stored().await.len(), 0);
}

/// `If-Match: *`.
async fn a_write_under_any_version_needs_the_row_alone(store: Store) {
    let any = spakky::http::ETag::ANY.version();
    let purchases = store.fill([1, 2]).await;
    disturb(&store, 1).await.unwrap();
    let written = store.work(async |_| purchases.save_if(&mut Purchase { total: 5, ..purchase(1) }, any));
    written.await.unwrap();
    purchases.autocommit().save_if_now(&mut Purchase { total: 6, ..purchase(2) }, any).await.unwrap();
    let seen =
        async || -> Vec<_> { store.stored().await.into_iter().map(|one| (one.id, one.total, one.version)).collect() };
    assert_eq!(seen().await, [(1, 5, 3), (2, 6, 2)]);

    // One that the session has loaded is written under the version that it was loaded with.
    let answer = store.work(async |_| {
        let mut one = purchases.get(1).await?;
        disturb(&store, 1).await?;
        one.total = 7;
        purchases.save_if(&mut one, any)
    });
    assert!(answer.await.unwrap_err().is_conflict());
    for written in [
        store.work(async |_| purchases.save_if(&mut purchase(9), any)).await,
        purchases.autocommit().save_if_now(&mut purchase(9), any).await,
    ] {
        let error = written.unwrap_err();
        assert!(error.is_conflict());
        assert!(error.to_string().starts_with("save to `purchases` with id 9: no such row"), "{error}");
    }
    assert_eq!(seen().await, [(1, 5, 4), (2, 6, 2)]);
}
