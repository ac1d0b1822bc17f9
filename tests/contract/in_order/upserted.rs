//! Upserts take their turn, too, though the session does not know what becomes of their rows.

use super::*;

on_each_store![
    a_child_moves_from_an_owner_that_is_upserted,
    an_upsert_by_a_key_is_overtaken_by_nothing,
    a_copy_read_before_an_upsert_by_a_key_is_saved_over_it,
    a_row_that_is_deleted_and_added_behind_an_upsert_is_told_its_version,
];

async fn a_child_moves_from_an_owner_that_is_upserted(store: Store) {
    let roots = prepare(&store).await;
    let with_part = |id| Kid { parts: vec![part(id + 10)], ..kid(id) };
    for (now, [moved, kept]) in
        [(false, [kid(4), kid(5)]), (true, [kid(6), with_part(7)]), (false, [with_part(8), with_part(9)])]
    {
        let id = moved.id;
        store
            .work(async |_| {
                let mut one = root(id, [moved.clone(), kept.clone()]);
                if now {
                    roots.add_now(&mut one).await?
                } else {
                    roots.add(&mut one)?
                }
                let nested = store.sessions.transaction(NESTED, async |_| {
                    let mut two = root(id + 100, []);
                    roots.add(&mut two)?;
                    let inner = store.sessions.transaction(NESTED, async |_| {
                        two.kids.push(moved.clone());
                        roots.save(&mut two)?;
                        roots.upsert(&mut root(id, [kept.clone()]))
                    });
                    inner.await
                });
                nested.await
            })
            .await
            .unwrap();
    }
    // One that is saved, too, and whose child is left out again where it came to.
    roots.autocommit().add_all_now(&mut [root(201, [kid(202)]), root(205, [])]).await.unwrap();
    store
        .work(async |_| {
            let (mut one, mut five) = (roots.get(201).await?, roots.get(205).await?);
            let mut old = five.clone();
            five.kids.append(&mut one.kids);
            roots.save_all([&mut one, &mut five, &mut old])?;
            roots.upsert(&mut one)
        })
        .await
        .unwrap();
    let expected = ["4: 5 k []", "6: 7 k [17]", "8: 9 k [19]", "104: 4 k []", "106: 6 k []", "108: 8 k [18]"];
    assert_eq!(stored(&store).await, expected);
}

async fn an_upsert_by_a_key_is_overtaken_by_nothing(store: Store) {
    prepare(&store).await;
    let items = store.sessions.repository::<StockItem>();
    let bolt = |id, quantity| StockItem { id, sku: "bolt".into(), quantity, version: 0 };
    items.autocommit().add_now(&mut bolt(1, 1)).await.unwrap();
    store
        .work(async |_| {
            items.upsert_by(StockItem::UQ_SKU, &mut bolt(8, 9))?;
            let mut row = items.get(1).await?;
            assert_eq!((row.quantity, row.version), (9, 2));
            row.quantity = 11;
            items.save(&mut row)?;
            items.upsert_by(StockItem::UQ_SKU, &mut bolt(8, 12))?;
            assert_eq!(
                items.find_many([1, 8]).await?.iter().flatten().map(|row| row.quantity).collect::<Vec<_>>(),
                [12]
            );
            Ok(())
        })
        .await
        .unwrap();
    assert_eq!(items.get(1).await.unwrap().quantity, 12);
}

async fn a_copy_read_before_an_upsert_by_a_key_is_saved_over_it(store: Store) {
    prepare(&store).await;
    let items = store.sessions.repository::<StockItem>();
    let bolt = |id, quantity| StockItem { id, sku: "bolt".into(), quantity, version: 0 };
    items.autocommit().add_now(&mut bolt(1, 1)).await.unwrap();
    store
        .work(async |_| {
            let mut row = items.get(1).await?;
            items.upsert_by(StockItem::UQ_SKU, &mut bolt(8, 9))?;
            row.quantity = 5;
            items.save(&mut row)
        })
        .await
        .unwrap();
    let row = items.get(1).await.unwrap();
    assert_eq!((row.quantity, row.version), (5, 3));
}

async fn a_row_that_is_deleted_and_added_behind_an_upsert_is_told_its_version(store: Store) {
    prepare(&store).await;
    let items = store.sessions.repository::<StockItem>();
    let bolt = |quantity| StockItem { id: 1, sku: "bolt".into(), quantity, version: 0 };
    for (is_nested, is_by_id) in [(true, false), (true, true), (false, false), (false, true)] {
        items.autocommit().upsert_now(&mut bolt(1)).await.unwrap();
        let (mut row, mut again) = (items.get(1).await.unwrap(), bolt(9));
        let seen = store
            .work(async |_| {
                match is_nested {
                    true => store.sessions.transaction(NESTED, async |_| items.upsert(&mut row)).await?,
                    false => items.upsert(&mut row)?,
                }
                if is_by_id {
                    items.delete_by_id(1)?
                } else {
                    items.delete(&mut row)?
                }
                items.add(&mut again)?;
                items.get(1).await
            })
            .await
            .unwrap();
        let stored = items.get(1).await.unwrap().version;
        assert_eq!((seen.version, again.version), (stored, stored), "{is_nested} {is_by_id}");
        again.quantity = 10;
        items.autocommit().save_now(&mut again).await.unwrap();
    }
}
