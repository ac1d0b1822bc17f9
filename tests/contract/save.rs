//! Rows by key: added, found, saved, put, deleted.

use super::{Purchase, Store, Ticket, TicketRow, ids, on_each_store, purchase};

on_each_store![
    what_was_added_is_found,
    many_come_in_the_order_asked_for,
    a_missing_one_is_named,
    a_save_writes_what_changed_and_counts_the_version,
    an_unchanged_save_writes_nothing,
    an_attached_row_is_saved,
    an_upsert_adds_or_replaces,
    deleted_rows_are_gone,
    batches_are_written_together,
    without_a_transaction_each_write_is_one,
    ids_are_assigned_in_order_and_defaults_filled_in,
    a_session_knows_what_it_has_queued,
    rows_are_streamed,
    a_row_is_locked,
];

async fn what_was_added_is_found(store: Store) {
    let purchases = store.fill([1, 2]).await;
    let expected = Purchase { version: 1, ..purchase(2) };
    assert_eq!(purchases.get(2).await.unwrap(), expected);
    assert_eq!(purchases.find(2).await.unwrap(), Some(expected));
    assert_eq!(purchases.find(3).await.unwrap(), None);
    assert_eq!([purchases.exists(1).await.unwrap(), purchases.exists(3).await.unwrap()], [true, false]);
}

async fn many_come_in_the_order_asked_for(store: Store) {
    let purchases = store.fill(1..=5).await;
    assert_eq!(ids(&purchases.get_many([4, 1, 5, 1]).await.unwrap()), [4, 1, 5, 1]);
    let found = purchases.find_many([9, 2, 8, 3]).await.unwrap();
    let found: Vec<Option<i64>> = found.into_iter().map(|one| one.map(|one| one.id)).collect();
    assert_eq!(found, [None, Some(2), None, Some(3)]);
}

async fn a_missing_one_is_named(store: Store) {
    let purchases = store.fill([1]).await;
    let error = purchases.get(7).await.unwrap_err();
    assert!(error.is_not_found());
    assert_eq!((error.table(), error.ids()), (Some("purchases"), &["7".to_owned()][..]));
    let error = purchases.get_many([1, 8]).await.unwrap_err();
    assert_eq!((error.is_not_found(), error.ids()), (true, &["8".to_owned()][..]));
}

async fn a_save_writes_what_changed_and_counts_the_version(store: Store) {
    let purchases = store.fill([1]).await;
    let other = purchases.autocommit();
    store
        .work(async |_| {
            let mut one = purchases.get(1).await?;
            one.total = 77;
            purchases.save(&mut one)?;
            assert_eq!(one.version, 2);
            Ok(())
        })
        .await
        .unwrap();
    assert_eq!(other.get(1).await.unwrap(), Purchase { total: 77, version: 2, ..purchase(1) });
}

async fn an_unchanged_save_writes_nothing(store: Store) {
    let purchases = store.fill([1]).await;
    store
        .work(async |session| {
            let mut one = purchases.get(1).await?;
            purchases.save(&mut one)?;
            session.flush().await?;
            assert_eq!(session.statistics().rows_written, 0);
            Ok(())
        })
        .await
        .unwrap();
    assert_eq!(store.stored().await[0].version, 1);
}

async fn an_attached_row_is_saved(store: Store) {
    let purchases = store.fill([1, 2]).await;
    store
        .work(async |_| {
            let mut one = Purchase { version: 1, ..purchase(1) };
            purchases.attach(&one, 1)?;
            one.note = Some("attached".into());
            purchases.save(&mut one)?;
            let mut two = Purchase { total: 5, ..purchase(2) };
            purchases.save_if(&mut two, 1)
        })
        .await
        .unwrap();
    let stored = store.stored().await;
    assert_eq!(stored[0], Purchase { note: Some("attached".into()), version: 2, ..purchase(1) });
    assert_eq!(stored[1], Purchase { total: 5, version: 2, ..purchase(2) });
}

async fn an_upsert_adds_or_replaces(store: Store) {
    let purchases = store.fill([1]).await;
    let mut both = [Purchase { total: 1, ..purchase(1) }, Purchase { total: 2, ..purchase(2) }];
    store.work(async |_| purchases.upsert_all(&mut both)).await.unwrap();
    let stored = store.stored().await;
    assert_eq!(stored[0], Purchase { total: 1, version: 2, ..purchase(1) });
    assert_eq!(stored[1], Purchase { total: 2, version: 1, ..purchase(2) });
}

async fn deleted_rows_are_gone(store: Store) {
    let purchases = store.fill(1..=6).await;
    store
        .work(async |_| {
            let mut one = purchases.get(1).await?;
            purchases.delete(&mut one)?;
            purchases.delete_by_id(2)?;
            let mut more = purchases.get_many([3, 4]).await?;
            purchases.delete_all(&mut more)?;
            purchases.delete_all_by_id([5])
        })
        .await
        .unwrap();
    assert_eq!(ids(&store.stored().await), [6]);
}

async fn batches_are_written_together(store: Store) {
    let purchases = store.fill(1..=50).await;
    store
        .work(async |_| {
            let mut all = purchases.get_many(1..=50).await?;
            for one in &mut all {
                one.total += 1;
            }
            purchases.save_all(&mut all)
        })
        .await
        .unwrap();
    let expected: Vec<Purchase> =
        (1..=50).map(|id| Purchase { total: id * 10 + 1, version: 2, ..purchase(id) }).collect();
    assert_eq!(store.stored().await, expected);
}

async fn without_a_transaction_each_write_is_one(store: Store) {
    let purchases = store.fill([1]).await.autocommit();
    let mut two = purchase(2);
    purchases.add_now(&mut two).await.unwrap();
    two.total = 3;
    purchases.save_now(&mut two).await.unwrap();
    purchases.upsert_now(&mut Purchase { total: 4, ..purchase(3) }).await.unwrap();
    purchases.delete_by_id_now(1).await.unwrap();
    let stored: Vec<_> = store.stored().await.into_iter().map(|one| (one.id, one.total, one.version)).collect();
    assert_eq!(stored, [(2, 3, 2), (3, 4, 1)]);
}

async fn ids_are_assigned_in_order_and_defaults_filled_in(store: Store) {
    let tickets = store.of::<TicketRow>();
    let ticket = |title: &str| Ticket { id: 0, title: title.to_owned() };
    let mut all = [ticket("a"), ticket("b"), ticket("c")];
    store.work(async |_| tickets.add_all_now(&mut all).await).await.unwrap();
    assert_eq!(all.each_ref().map(|ticket| ticket.id), [1, 2, 3]);
    store.work(async |_| tickets.add(&mut ticket("d"))).await.unwrap();
    let t = TicketRow::COLUMNS;
    let filled = tickets.filter(t.state.eq("new").and(t.rank.eq(7))).count().await.unwrap();
    assert_eq!(filled, 4);
    assert_eq!(tickets.filter(t.id.eq(4)).one().await.unwrap().title, "d");
}

async fn a_session_knows_what_it_has_queued(store: Store) {
    let purchases = store.fill([1]).await;
    store
        .work(async |_| {
            purchases.add(&mut purchase(2))?;
            assert_eq!(purchases.get(2).await?.total, 20);
            assert_eq!(ids(&purchases.filter(Purchase::COLUMNS.total.ge(20)).all().await?), [2]);
            purchases.delete_by_id(1)?;
            assert_eq!(purchases.find(1).await?, None);
            assert_eq!(purchases.autocommit().query().count().await?, 1);
            Ok(())
        })
        .await
        .unwrap();
    assert_eq!(ids(&store.stored().await), [2]);
}

async fn rows_are_streamed(store: Store) {
    use futures_util::TryStreamExt;
    let purchases = store.fill(1..=9).await;
    let stream = purchases.query().order_by(Purchase::COLUMNS.id.desc()).stream().await.unwrap();
    let rows: Vec<Purchase> = stream.try_collect().await.unwrap();
    assert_eq!(ids(&rows), [9, 8, 7, 6, 5, 4, 3, 2, 1]);
}

async fn a_row_is_locked(store: Store) {
    let purchases = store.fill([1]).await;
    store
        .work(async |_| {
            let mut one = purchases.lock(1).await?;
            one.total = 9;
            purchases.save(&mut one)
        })
        .await
        .unwrap();
    assert_eq!(store.stored().await[0].total, 9);
}
