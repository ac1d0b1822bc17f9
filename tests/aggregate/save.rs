//! Children are written with their row: what changed, and nothing else.

use spakky::Error;
use spakky::prelude::*;

use super::model::{
    Folder, Order, OrderId, OrderRow, Paper, comment, create, discount, full, invoice, line, order, seen, store,
    through,
};
use crate::support::{Database, Line, on_each_backend, on_postgres};

on_each_backend![
    an_aggregate_is_added_with_all_its_children,
    only_what_changed_is_written,
    an_aggregate_saved_as_it_was_loaded_sends_nothing,
    children_are_inserted_updated_and_deleted_by_difference,
    a_deeper_child_raises_the_versions_above_it,
    a_child_that_counts_for_itself_raises_no_version,
    two_requests_that_each_add_a_child_cannot_both_win,
    a_child_is_replaced_under_a_unique_key,
    what_the_domain_type_does_not_give_stays_in_a_child,
    a_child_moves_from_one_aggregate_to_another,
    a_detached_aggregate_replaces_its_children,
    a_detached_aggregate_cannot_take_the_child_of_another,
    an_upsert_replaces_the_children,
    a_delete_takes_the_children_along,
    a_delete_by_id_takes_the_children_along,
    an_aggregate_that_is_deleted_and_added_again_is_changed,
    two_children_of_one_key_are_refused,
    a_value_that_cannot_be_stored_in_a_child_names_its_column,
    a_failed_child_leaves_nothing_behind,
    ids_that_the_database_assigns_reach_the_children,
    children_whose_ids_are_not_known_are_read_again,
    a_queued_aggregate_without_an_id_gives_its_children_theirs,
    saving_twice_in_one_scope_is_saving_once,
    a_nested_scope_that_is_undone_leaves_the_children_as_they_were,
];

async fn change(db: &Database, change: impl AsyncFn(&Repository<OrderRow>) -> Result<(), Error>) -> Result<(), Error> {
    let orders = db.sessions.repository::<OrderRow>();
    db.sessions.transaction(TransactionOptions::new().name("change"), async |_| change(&orders).await).await
}

const FULL: [&str; 7] = [
    "comment 101 of 1 hello",
    "discount 1 of line 11 10",
    "discount 2 of line 11 20",
    "invoice R1 of 1",
    "line 11 of 1 bolt 5 v1",
    "line 12 of 1 nut 7 v1",
    "order 1 v1",
];

async fn an_aggregate_is_added_with_all_its_children(db: Database) {
    create(&db).await;
    change(&db, async |orders| orders.add(&mut full(1))).await.unwrap();
    assert_eq!(seen(&db).await, FULL);
}

async fn only_what_changed_is_written(db: Database) {
    create(&db).await;
    store(&db, full(1)).await;
    let orders = db.sessions.repository::<OrderRow>();
    db.sessions
        .transaction(TransactionOptions::new(), async |session| {
            let mut order = orders.get(OrderId(1)).await?;
            order.lines[1].quantity = 8;
            db.sent();
            orders.save(&mut order)?;
            session.flush().await
        })
        .await
        .unwrap();
    let writes: Vec<String> = db.sent().into_iter().filter(|sql| sql.contains("UPDATE ")).collect();
    assert_eq!(writes.len(), 2, "{writes:?}");
    assert!(writes[0].contains("\"orders\"") && writes[1].contains("\"order_lines\" SET \"quantity\""), "{writes:?}");
    let mut expected = FULL.map(str::to_owned);
    expected[5] = "line 12 of 1 nut 8 v2".to_owned();
    expected[6] = "order 1 v2".to_owned();
    assert_eq!(seen(&db).await, expected);
}

async fn an_aggregate_saved_as_it_was_loaded_sends_nothing(db: Database) {
    create(&db).await;
    store(&db, full(1)).await;
    change(&db, async |orders| {
        let mut order = orders.get(OrderId(1)).await?;
        // The order of children is not stored.
        order.lines.reverse();
        db.sent();
        orders.save(&mut order)
    })
    .await
    .unwrap();
    assert!(db.sent().iter().all(|sql| !sql.contains("UPDATE")));
    assert_eq!(seen(&db).await, FULL);
}

async fn children_are_inserted_updated_and_deleted_by_difference(db: Database) {
    create(&db).await;
    store(&db, full(1)).await;
    change(&db, async |orders| {
        let mut order = orders.get(OrderId(1)).await?;
        order.lines[0].discounts = vec![discount(2, 25), discount(3, 30)];
        order.lines.pop();
        order.lines.push(line(13, "screw", 1));
        order.invoice = invoice("R2");
        order.comments.clear();
        orders.save(&mut order)
    })
    .await
    .unwrap();
    assert_eq!(
        seen(&db).await,
        [
            "discount 2 of line 11 25",
            "discount 3 of line 11 30",
            "invoice R2 of 1",
            "line 11 of 1 bolt 5 v2",
            "line 13 of 1 screw 1 v1",
            "order 1 v2",
        ]
    );
}

async fn a_deeper_child_raises_the_versions_above_it(db: Database) {
    create(&db).await;
    store(&db, full(1)).await;
    let mut copy = db.sessions.repository::<OrderRow>().get(OrderId(1)).await.unwrap();
    change(&db, async |orders| {
        let mut order = orders.get(OrderId(1)).await?;
        order.lines[0].discounts.pop();
        orders.save(&mut order)?;
        assert_eq!(order.revision.version(), Some(2));
        Ok(())
    })
    .await
    .unwrap();
    let after = seen(&db).await;
    assert_eq!(after[2..], ["invoice R1 of 1", "line 11 of 1 bolt 5 v2", "line 12 of 1 nut 7 v1", "order 1 v2"]);
    let line = line!() + 1;
    let error = db.sessions.repository::<OrderRow>().autocommit().save_now(&mut copy).await.unwrap_err();
    assert!(error.is_conflict());
    let expected = "save to `orders` with id 1: its version is no longer 1, or it is gone";
    assert_eq!(error.to_string(), format!("{expected} (queued at {}:{line})", file!()));
    assert_eq!(seen(&db).await, after);
}

async fn a_child_that_counts_for_itself_raises_no_version(db: Database) {
    create(&db).await;
    store(&db, full(1)).await;
    change(&db, async |orders| {
        let mut order = orders.get(OrderId(1)).await?;
        order.comments.push(comment(102, "more"));
        order.comments[0].text = "bye".to_owned();
        orders.save(&mut order)?;
        assert_eq!(order.revision.version(), Some(1));
        Ok(())
    })
    .await
    .unwrap();
    let after = seen(&db).await;
    assert_eq!(after[..2], ["comment 101 of 1 bye", "comment 102 of 1 more"]);
    assert_eq!(after[after.len() - 1], "order 1 v1");
}

async fn two_requests_that_each_add_a_child_cannot_both_win(db: Database) {
    let orders = create(&db).await;
    store(&db, order(1, vec![])).await;
    let add = async |id: i64, sku: &str, loaded: Order| {
        let mut order = loaded;
        order.lines.push(line(id, sku, 1));
        orders.autocommit().save_if_now(&mut order, 1).await
    };
    let (one, other) = (orders.get(OrderId(1)).await.unwrap(), orders.get(OrderId(1)).await.unwrap());
    add(11, "bolt", one).await.unwrap();
    assert!(add(12, "nut", other).await.unwrap_err().is_conflict());
    assert_eq!(seen(&db).await, ["line 11 of 1 bolt 1 v1", "order 1 v2"]);

    // The same inside scopes that overlap.
    let first = db.sessions.begin();
    let second = db.sessions.begin();
    for (transaction, id, sku) in [(&first, 13, "screw"), (&second, 14, "nail")] {
        let orders = orders.in_session(transaction.session());
        let mut order = orders.get(OrderId(1)).await.unwrap();
        order.lines.push(line(id, sku, 1));
        orders.save(&mut order).unwrap();
    }
    first.commit().await.unwrap();
    assert!(second.commit().await.unwrap_err().is_conflict());
    assert_eq!(seen(&db).await, ["line 11 of 1 bolt 1 v1", "line 13 of 1 screw 1 v1", "order 1 v3"]);
}

async fn a_child_is_replaced_under_a_unique_key(db: Database) {
    create(&db).await;
    store(&db, full(1)).await;
    change(&db, async |orders| {
        let mut order = orders.get(OrderId(1)).await?;
        order.lines = vec![line(14, "bolt", 1)];
        order.invoice = invoice("R1");
        orders.save(&mut order)
    })
    .await
    .unwrap();
    let after = seen(&db).await;
    assert_eq!(after, ["comment 101 of 1 hello", "invoice R1 of 1", "line 14 of 1 bolt 1 v1", "order 1 v2"]);
}

async fn what_the_domain_type_does_not_give_stays_in_a_child(db: Database) {
    create(&db).await;
    store(&db, full(1)).await;
    db.execute("UPDATE order_lines SET remark = 'fragile' WHERE id = 12").await;
    change(&db, async |orders| {
        let mut order = orders.get(OrderId(1)).await?;
        order.lines[1].quantity = 70;
        orders.save(&mut order)
    })
    .await
    .unwrap();
    // Also where nothing was loaded: the child's row is there, and keeps it.
    let mut put = full(1);
    put.lines[1].quantity = 71;
    db.sessions.repository::<OrderRow>().autocommit().save_if_now(&mut put, 2).await.unwrap();
    let remarks: Vec<(i64, i32, Option<String>)> =
        db.observer().sql("SELECT id, quantity, remark FROM order_lines ORDER BY id").fetch_all().await.unwrap();
    assert_eq!(remarks, [(11, 5, None), (12, 71, Some("fragile".to_owned()))]);
}

async fn a_child_moves_from_one_aggregate_to_another(db: Database) {
    create(&db).await;
    store(&db, order(1, vec![line(11, "bolt", 1), line(12, "nut", 2)])).await;
    store(&db, order(2, vec![])).await;
    change(&db, async |orders| {
        let (mut from, mut to) = (orders.get(OrderId(1)).await?, orders.get(OrderId(2)).await?);
        to.lines.push(from.lines.remove(0));
        orders.save(&mut to)?;
        orders.save(&mut from)
    })
    .await
    .unwrap();
    assert_eq!(seen(&db).await, ["line 11 of 2 bolt 1 v2", "line 12 of 1 nut 2 v1", "order 1 v2", "order 2 v2"]);
}

async fn a_detached_aggregate_replaces_its_children(db: Database) {
    create(&db).await;
    store(&db, full(1)).await;
    store(&db, full(2)).await;
    let mut put = full(1);
    put.lines = vec![line(12, "nut", 8), line(13, "screw", 1)];
    put.lines[0].discounts = vec![discount(1, 5)];
    put.comments.clear();
    db.sessions.repository::<OrderRow>().autocommit().save_if_now(&mut put, 1).await.unwrap();
    // The other aggregate is as it was.
    assert_eq!(
        seen(&db).await,
        [
            "comment 201 of 2 hello",
            "discount 1 of line 12 5",
            "discount 1 of line 21 10",
            "discount 2 of line 21 20",
            "invoice R1 of 1",
            "invoice R2 of 2",
            "line 12 of 1 nut 8 v2",
            "line 13 of 1 screw 1 v1",
            "line 21 of 2 bolt 5 v1",
            "line 22 of 2 nut 7 v1",
            "order 1 v2",
            "order 2 v1",
        ]
    );
}

async fn a_detached_aggregate_cannot_take_the_child_of_another(db: Database) {
    create(&db).await;
    store(&db, order(1, vec![])).await;
    store(&db, order(2, vec![line(21, "bolt", 1)])).await;
    let before = seen(&db).await;
    let mut put = order(1, vec![line(21, "gold", 100)]);
    let line = line!() + 1;
    let error = db.sessions.repository::<OrderRow>().autocommit().save_if_now(&mut put, 1).await.unwrap_err();
    assert!(error.is_unique_violation());
    let expected = "save to `order_lines` with id 21: it is part of another aggregate";
    assert_eq!(error.to_string(), format!("{expected} (queued at {}:{line})", file!()));
    assert_eq!(seen(&db).await, before);
}

async fn an_upsert_replaces_the_children(db: Database) {
    create(&db).await;
    change(&db, async |orders| orders.upsert(&mut full(1))).await.unwrap();
    assert_eq!(seen(&db).await, FULL);
    change(&db, async |orders| orders.upsert(&mut order(1, vec![line(12, "nut", 9)]))).await.unwrap();
    assert_eq!(seen(&db).await, ["line 12 of 1 nut 9 v2", "order 1 v2"]);
}

async fn a_delete_takes_the_children_along(db: Database) {
    create(&db).await;
    store(&db, full(1)).await;
    store(&db, order(2, vec![])).await;
    change(&db, async |orders| {
        let mut order = orders.get(OrderId(1)).await?;
        orders.delete(&mut order)
    })
    .await
    .unwrap();
    assert_eq!(seen(&db).await, ["order 2 v1"]);
}

async fn a_delete_by_id_takes_the_children_along(db: Database) {
    create(&db).await;
    store(&db, full(1)).await;
    store(&db, full(2)).await;
    store(&db, full(3)).await;
    change(&db, async |orders| orders.delete_all_by_id([OrderId(2), OrderId(3)])).await.unwrap();
    assert_eq!(seen(&db).await, FULL);
}

async fn an_aggregate_that_is_deleted_and_added_again_is_changed(db: Database) {
    create(&db).await;
    store(&db, full(1)).await;
    change(&db, async |orders| {
        let mut old = orders.get(OrderId(1)).await?;
        orders.delete(&mut old)?;
        orders.add(&mut order(1, vec![line(12, "nut", 9)]))
    })
    .await
    .unwrap();
    let after = seen(&db).await;
    assert_eq!(after.len(), 2, "{after:?}");
    assert_eq!(after[1], "order 1 v2");
    assert!(after[0].starts_with("line 12 of 1 nut 9"), "{after:?}");
}

async fn two_children_of_one_key_are_refused(db: Database) {
    create(&db).await;
    let error = change(&db, async |orders| orders.add(&mut order(1, vec![line(5, "a", 1), line(5, "b", 1)]))).await;
    let error = error.unwrap_err();
    assert!(error.is_unique_violation());
    assert_eq!(error.to_string(), "write `orders`: two rows of `order_lines` have the id 5");
    assert_eq!(error.constraint(), Some("pk_order_lines"));
}

async fn a_value_that_cannot_be_stored_in_a_child_names_its_column(db: Database) {
    create(&db).await;
    let error = change(&db, async |orders| orders.add(&mut order(1, vec![line(5, "a\0b", 1)]))).await.unwrap_err();
    assert!(error.is_mapping());
    assert!(error.to_string().contains("column `sku` of `order_lines`"), "{error}");
}

async fn a_failed_child_leaves_nothing_behind(db: Database) {
    create(&db).await;
    store(&db, full(1)).await;
    let error = change(&db, async |orders| {
        orders.add(&mut order(2, vec![line(21, "a", 1)]))?;
        let mut order = orders.get(OrderId(1)).await?;
        order.lines.push(line(13, "nut", 1));
        orders.save(&mut order)
    })
    .await
    .unwrap_err();
    assert!(error.is_unique_violation());
    assert_eq!(error.table(), Some("order_lines"));
    assert_eq!(seen(&db).await, FULL);
}

fn folder(title: &str, texts: &[&str]) -> Folder {
    let papers = texts.iter().map(|text| Paper { id: 0, folder_id: 0, text: (*text).to_owned() }).collect();
    Folder { id: 0, title: title.to_owned(), papers, version: 0 }
}

fn texts(folder: &Folder) -> Vec<&str> {
    folder.papers.iter().map(|paper| paper.text.as_str()).collect()
}

async fn ids_that_the_database_assigns_reach_the_children(db: Database) {
    create(&db).await;
    let folders = db.sessions.repository::<Folder>().autocommit();
    let (mut one, mut other) = (folder("taxes", &["a", "b"]), folder("letters", &["c"]));
    folders.add_all_now([&mut one, &mut other]).await.unwrap();
    assert!(one.id > 0 && other.id > one.id);
    assert_eq!([&one, &other], [&folders.get(one.id).await.unwrap(), &folders.get(other.id).await.unwrap()]);
    let (stored, second) = (folders.get(one.id).await.unwrap(), folders.get(other.id).await.unwrap());
    assert_eq!((texts(&stored), texts(&second)), (vec!["a", "b"], vec!["c"]));
    assert!(stored.papers.iter().all(|paper| paper.id > 0 && paper.folder_id == one.id));
}

async fn children_whose_ids_are_not_known_are_read_again(db: Database) {
    create(&db).await;
    let folders = db.sessions.repository::<Folder>();
    let mut first = folder("taxes", &["a"]);
    folders.autocommit().add_now(&mut first).await.unwrap();
    db.sessions
        .transaction(TransactionOptions::new(), async |session| {
            let mut taxes = folders.get(first.id).await?;
            taxes.papers.push(Paper { id: 0, folder_id: 0, text: "b".to_owned() });
            taxes.papers.push(Paper { id: 0, folder_id: 0, text: "c".to_owned() });
            folders.save(&mut taxes)?;
            session.flush().await?;
            let mut again = folders.get(first.id).await?;
            assert_eq!(texts(&again), ["a", "b", "c"]);
            assert!(again.papers.iter().all(|paper| paper.id > 0));
            again.papers.remove(1);
            folders.save(&mut again)
        })
        .await
        .unwrap();
    let stored = folders.get(first.id).await.unwrap();
    assert_eq!((texts(&stored), stored.version), (vec!["a", "c"], 3));
}

async fn a_queued_aggregate_without_an_id_gives_its_children_theirs(db: Database) {
    create(&db).await;
    let folders = db.sessions.repository::<Folder>();
    let work = db.sessions.transaction(TransactionOptions::new(), async |_| {
        folders.add(&mut folder("taxes", &["a", "b"]))?;
        folders.add(&mut folder("letters", &["c"]))
    });
    work.await.unwrap();
    let seen = db.numbers("SELECT folder_id FROM papers ORDER BY text").await;
    assert_eq!(seen, [1, 1, 2]);
    let (taxes, letters) = (folders.get(1).await.unwrap(), folders.get(2).await.unwrap());
    assert_eq!((texts(&taxes), texts(&letters)), (vec!["a", "b"], vec!["c"]));
}

async fn saving_twice_in_one_scope_is_saving_once(db: Database) {
    create(&db).await;
    store(&db, full(1)).await;
    change(&db, async |orders| {
        let mut order = orders.get(OrderId(1)).await?;
        order.lines.push(line(13, "screw", 1));
        orders.save(&mut order)?;
        order.lines.pop();
        order.lines[0].quantity = 6;
        orders.save(&mut order)?;
        // And once more behind a flush.
        orders.query().count().await?;
        order.lines[0].quantity = 50;
        orders.save(&mut order)
    })
    .await
    .unwrap();
    let mut expected = FULL.map(str::to_owned);
    expected[4] = "line 11 of 1 bolt 50 v3".to_owned();
    expected[6] = "order 1 v3".to_owned();
    assert_eq!(seen(&db).await, expected);
}

async fn a_nested_scope_that_is_undone_leaves_the_children_as_they_were(db: Database) {
    create(&db).await;
    store(&db, full(1)).await;
    change(&db, async |orders| {
        let nested = TransactionOptions::new().propagation(Propagation::Nested);
        let undone = db.sessions.transaction(nested, async |part| {
            let orders = orders.in_session(&part);
            let mut order = orders.get(OrderId(1)).await?;
            order.lines.clear();
            orders.save_now(&mut order).await?;
            orders.get(OrderId(9)).await.map(drop)
        });
        assert!(undone.await.unwrap_err().is_not_found());
        let mut order = orders.get(OrderId(1)).await?;
        assert_eq!(order.lines.len(), 2);
        order.lines[1].quantity = 8;
        orders.save(&mut order)
    })
    .await
    .unwrap();
    let mut expected = FULL.map(str::to_owned);
    expected[5] = "line 12 of 1 nut 8 v2".to_owned();
    expected[6] = "order 1 v2".to_owned();
    assert_eq!(seen(&db).await, expected);
}

mod server {
    use super::*;

    on_postgres![
        loading_and_saving_with_children_is_two_round_trips,
        adding_with_any_number_of_children_is_one_round_trip,
        a_detached_save_with_children_is_one_round_trip,
    ];

    async fn loading_and_saving_with_children_is_two_round_trips(db: Database) {
        create(&db).await;
        store(&db, full(1)).await;
        let wire = Line::new(&db).await;
        let orders = through(&wire);
        let cost = wire
            .cost(wire.sessions.transaction(TransactionOptions::new(), async |_| {
                let mut order = orders.get(OrderId(1)).await?;
                order.lines[0].discounts.push(discount(7, 7));
                order.lines.push(line(13, "screw", 1));
                order.lines.remove(1);
                order.invoice = None;
                orders.save(&mut order)
            }))
            .await;
        cost.value.unwrap();
        assert_eq!(cost.round_trips, 2);
    }

    async fn adding_with_any_number_of_children_is_one_round_trip(db: Database) {
        create(&db).await;
        let wire = Line::new(&db).await;
        let orders = through(&wire);
        let cost = wire
            .cost(wire.sessions.transaction(TransactionOptions::new(), async |_| {
                for id in 1..=100 {
                    orders.add(&mut full(id))?;
                }
                Ok::<_, Error>(())
            }))
            .await;
        cost.value.unwrap();
        assert_eq!(cost.round_trips, 1);
        assert_eq!(seen(&db).await.len(), 700);
    }

    async fn a_detached_save_with_children_is_one_round_trip(db: Database) {
        create(&db).await;
        store(&db, full(1)).await;
        let wire = Line::new(&db).await;
        let cost = wire.cost(async { through(&wire).autocommit().save_if_now(&mut full(1), 1).await }).await;
        cost.value.unwrap();
        assert_eq!(cost.round_trips, 1);
    }
}
