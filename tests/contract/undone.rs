//! What is undone leaves nothing behind: not in what a session knows, not in the versions that values hold.

use spakky::prelude::*;
use spakky::{Propagation, RetryOn, RetryPolicy};

use super::{Failure, Store, WORK, on_each_store};

on_each_store![
    an_undone_scope_leaves_no_old_row_behind,
    what_failed_leaves_the_version_of_before,
    a_revision_is_what_it_was_before_what_was_undone,
    a_revision_of_a_nested_scope_shares_the_fate_of_those_around_it,
    a_number_from_a_unit_that_was_undone_is_refused,
    a_number_that_another_writer_has_reached_is_refused_all_the_same,
    a_number_that_came_with_new_ids_is_refused_too,
    what_was_read_behind_a_write_is_spent_when_that_is_undone,
    a_number_that_was_read_behind_an_upsert_is_refused_too,
    a_number_that_was_loaded_is_good_again,
    a_version_that_came_to_be_all_the_same_is_good,
    a_retry_saves_a_value_that_it_did_not_load,
];

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "undone_users")]
#[mappable(domain = Self)]
struct User {
    #[table(id)]
    id: i64,
    #[table(unique)]
    name: String,
    #[table(version)]
    version: i64,
}

#[derive(Debug, Clone, PartialEq)]
struct Widget {
    id: i64,
    name: String,
    revision: Revision,
}

#[derive(Debug, Clone, Table, Mappable)]
#[table(name = "undone_widgets")]
#[mappable(domain = Widget)]
struct WidgetRow {
    #[table(id)]
    id: i64,
    #[table(unique)]
    name: String,
    #[table(version)]
    #[mappable(field = revision)]
    version: i64,
}

/// Without a version.
#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "undone_accounts")]
#[mappable(domain = Self)]
struct Account {
    #[table(id)]
    id: i64,
    balance: i64,
    note: String,
}

/// The database assigns the ids of its slots, so that `add_now` gives back all of it.
#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "undone_racks")]
#[mappable(domain = Self)]
struct Rack {
    #[table(id)]
    id: i64,
    name: String,
    #[table(has_many(by = rack_id))]
    slots: Vec<Slot>,
    #[table(version)]
    version: i64,
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "undone_slots")]
#[mappable(domain = Self)]
struct Slot {
    #[table(id, generated)]
    id: i64,
    #[table(references(Rack))]
    rack_id: i64,
}

const NESTED: TransactionOptions = TransactionOptions::new().name("nested").propagation(Propagation::Nested);

fn user(id: i64, name: &str) -> User {
    User { id, name: name.into(), version: 0 }
}

fn widget(id: i64, name: &str) -> Widget {
    Widget { id, name: name.into(), revision: Revision::default() }
}

async fn prepare(store: &Store) -> (Repository<User>, Repository<WidgetRow>) {
    store.sessions.create_tables(&schema![User, WidgetRow, Account]).await.unwrap();
    let (users, widgets) = (store.sessions.repository::<User>(), store.sessions.repository::<WidgetRow>());
    users.autocommit().add_all_now([&mut user(1, "one"), &mut user(2, "two")]).await.unwrap();
    widgets.autocommit().add_all_now([&mut widget(1, "one"), &mut widget(2, "two")]).await.unwrap();
    (users, widgets)
}

async fn an_undone_scope_leaves_no_old_row_behind(store: Store) {
    prepare(&store).await;
    let (accounts, c) = (store.sessions.repository::<Account>(), Account::COLUMNS);
    accounts.autocommit().add_now(&mut Account { id: 1, balance: 10, note: "a".into() }).await.unwrap();
    store
        .work(async |_| {
            let mut x = accounts.get(1).await?;
            x.note = "b".into();
            accounts.save(&mut x)?;
            store
                .undone(NESTED, async |_| {
                    let mut x = accounts.get(1).await?;
                    x.note = "c".into();
                    accounts.save(&mut x)?;
                    accounts.query().count().await.map(drop)
                })
                .await;
            accounts.update_where(c.id.eq(1), c.balance.set(c.balance + 100)).await?;
            let mut got = accounts.get(1).await?;
            let others = [accounts.lock(1).await?, accounts.query().one().await?];
            assert_eq!([got.balance, others[0].balance, others[1].balance], [110; 3]);
            assert_eq!(got.note, "b");
            got.balance += 1;
            accounts.save(&mut got)
        })
        .await
        .unwrap();
    let stored = accounts.get(1).await.unwrap();
    assert_eq!((stored.balance, stored.note.as_str()), (111, "b"));
}

async fn what_failed_leaves_the_version_of_before(store: Store) {
    let (users, widgets) = prepare(&store).await;
    let users = users.autocommit();
    let mut two = users.get(2).await.unwrap();
    two.name = "one".into();
    for wrong_version in [None, Some(9)] {
        let refused = match wrong_version {
            None => users.save_now(&mut two).await.unwrap_err(),
            Some(version) => users.save_if_now(&mut two, version).await.unwrap_err(),
        };
        assert!(refused.is_unique_violation() || refused.is_conflict(), "{refused:?}");
        assert_eq!(two.version, 1);
    }
    users.save_all_now([&mut two]).await.unwrap_err();
    users.upsert_now(&mut two).await.unwrap_err();
    assert_eq!(two.version, 1);
    two.name = "second".into();
    users.save_now(&mut two).await.unwrap();
    assert_eq!((two.version, users.get(2).await.unwrap()), (2, two));

    // In a scope that goes on, too.
    let mut two = widgets.get(2).await.unwrap();
    store
        .work(async |_| {
            two.name = "one".into();
            let failed = store.sessions.transaction(NESTED, async |_| widgets.save_now(&mut two).await).await;
            assert!(failed.unwrap_err().is_unique_violation());
            assert_eq!(two.revision.version(), Some(1));
            two.name = "second".into();
            widgets.save_now(&mut two).await
        })
        .await
        .unwrap();
    assert_eq!(two.revision.version(), Some(2));
}

async fn a_revision_is_what_it_was_before_what_was_undone(store: Store) {
    let (_, widgets) = prepare(&store).await;
    let mut two = widgets.get(2).await.unwrap();
    for name in ["third", "fourth"] {
        store
            .undone(WORK, async |_| {
                two.name = name.into();
                widgets.save(&mut two)?;
                widgets.save_now(&mut two).await?;
                assert_eq!(two.revision.version(), Some(2));
                widgets.save(&mut two)
            })
            .await;
        assert_eq!(two.revision.version(), Some(1));
    }
    widgets.autocommit().save_now(&mut two).await.unwrap();
    assert_eq!(widgets.get(2).await.unwrap(), two);
    assert_eq!(two.revision.version(), Some(2));
}

async fn a_revision_of_a_nested_scope_shares_the_fate_of_those_around_it(store: Store) {
    let (_, widgets) = prepare(&store).await;
    let (mut one, mut two) = (widgets.get(1).await.unwrap(), widgets.get(2).await.unwrap());
    store
        .undone(WORK, async |_| {
            store
                .undone(NESTED, async |_| {
                    one.name = "a".into();
                    widgets.save(&mut one)
                })
                .await;
            assert_eq!(one.revision.version(), Some(1));
            widgets.save(&mut one)?;
            let kept = store.sessions.transaction(NESTED, async |_| {
                two.name = "b".into();
                widgets.save(&mut two)
            });
            kept.await?;
            assert_eq!((one.revision.version(), two.revision.version()), (Some(2), Some(2)));
            Ok(())
        })
        .await;
    assert_eq!((one.revision.version(), two.revision.version()), (Some(1), Some(1)));
    widgets.autocommit().save_all_now([&mut one, &mut two]).await.unwrap();
    assert_eq!(widgets.get_many([1, 2]).await.unwrap(), [one, two]);
}

/// A user whose version was given by a unit of work that was undone.
async fn spent(store: &Store, users: &Repository<User>) -> User {
    let mut two = users.get(2).await.unwrap();
    store
        .undone(WORK, async |_| {
            two.name = "third".into();
            users.save(&mut two)
        })
        .await;
    assert_eq!(two.version, 2);
    two
}

const REFUSED: &str = "`undone_users` with id 2: this copy got version 2 from a unit of work that was undone; load it again, or \
                       hold a `Revision` in the domain type, which knows of that";

async fn a_number_from_a_unit_that_was_undone_is_refused(store: Store) {
    let (users, _) = prepare(&store).await;
    let mut two = spent(&store, &users).await;
    let users = users.autocommit();
    let refusals = [
        ("save", users.save_now(&mut two).await),
        ("save", users.save_all_now([&mut two]).await),
        ("delete", users.delete_now(&mut two).await),
        ("attach", users.save_if_now(&mut two, 2).await),
    ];
    for (verb, refused) in refusals {
        let refused = refused.unwrap_err();
        assert!(refused.is_stale_copy(), "{refused:?}");
        assert_eq!(refused.to_string(), format!("{verb} {REFUSED}"));
    }
    assert_eq!(users.get(2).await.unwrap(), User { version: 1, ..user(2, "two") });
    // A version that the row had is nobody's to refuse.
    users.save_if_now(&mut two, 1).await.unwrap();
}

async fn a_number_that_another_writer_has_reached_is_refused_all_the_same(store: Store) {
    let (users, _) = prepare(&store).await;
    let mut two = spent(&store, &users).await;
    store
        .work(async |_| {
            let mut other = users.get(2).await?;
            other.name = "by another".into();
            users.save(&mut other)
        })
        .await
        .unwrap();
    let refused = users.autocommit().save_now(&mut two).await.unwrap_err();
    assert_eq!(refused.to_string(), format!("save {REFUSED}"));
    assert_eq!(users.get(2).await.unwrap(), User { version: 2, ..user(2, "by another") });
}

async fn a_number_that_came_with_new_ids_is_refused_too(store: Store) {
    store.sessions.create_tables(&schema![Rack, Slot]).await.unwrap();
    let racks = store.sessions.repository::<Rack>();
    let rack = |name: &str| Rack { id: 7, name: name.into(), slots: vec![Slot { id: 0, rack_id: 0 }], version: 0 };
    let mut undone = rack("undone");
    store.undone(WORK, async |_| racks.add_now(&mut undone).await).await;
    assert_eq!(undone.version, 1);
    racks.autocommit().add_now(&mut rack("by another")).await.unwrap();
    undone.slots.clear();
    let refused = racks.autocommit().save_now(&mut undone).await.unwrap_err();
    assert!(refused.is_stale_copy(), "{refused:?}");
    let stored = racks.get(7).await.unwrap();
    assert_eq!((stored.name.as_str(), stored.slots.len(), stored.version), ("by another", 1, 1));
}

async fn what_was_read_behind_a_write_is_spent_when_that_is_undone(store: Store) {
    let (_, widgets) = prepare(&store).await;
    let c = WidgetRow::COLUMNS;
    for (way, verb) in ["save", "upsert", "upsert_by_now", "upsert_by", "update_where"].into_iter().enumerate() {
        let id = 10 + way as i64;
        let mut mine = widget(id, verb);
        widgets.autocommit().add_now(&mut mine.clone()).await.unwrap();
        let mut held = None;
        let work = async |_| {
            held = Some(match verb {
                "save" => {
                    let mut saved = widgets.get(id).await?;
                    saved.name = format!("{verb}, saved");
                    widgets.save(&mut saved)?;
                    widgets.get(id).await?
                }
                "upsert" => {
                    widgets.upsert(&mut mine)?;
                    widgets.get(id).await?
                }
                "upsert_by_now" => {
                    widgets.upsert_by_now(WidgetRow::UQ_NAME, &mut mine).await?;
                    mine
                }
                "upsert_by" => {
                    widgets.upsert_by(WidgetRow::UQ_NAME, &mut mine)?;
                    widgets.filter(c.id.eq(id)).one().await?
                }
                _ => {
                    widgets.update_where(c.id.eq(id), c.name.set(format!("{verb}, changed"))).await?;
                    widgets.get_many([id]).await?.remove(0)
                }
            });
            Ok(())
        };
        store.undone(WORK, work).await;
        let mut held = held.unwrap();
        assert_eq!(held.revision.version(), Some(2), "{verb}");
        let another = store.work(async |_| {
            let mut other = widgets.get(id).await?;
            other.name = format!("{verb}, by another");
            widgets.save(&mut other)
        });
        another.await.unwrap();
        // That somebody reads it makes no difference.
        let stored = widgets.get(id).await.unwrap();
        assert_eq!(stored.revision.version(), Some(2));
        held.name = format!("{verb}, undone");
        let refused = widgets.autocommit().save_now(&mut held).await.unwrap_err();
        assert!(refused.is_stale_copy(), "{verb}: {refused:?}");
        assert_eq!(widgets.get(id).await.unwrap(), stored);
    }
}

async fn a_number_that_was_read_behind_an_upsert_is_refused_too(store: Store) {
    let (users, _) = prepare(&store).await;
    let mut held = Vec::new();
    let work = async |_| {
        users.upsert(&mut user(1, "one, upserted"))?;
        held.push(users.get(1).await?);
        let mut two = user(2, "two");
        users.upsert_by_now(User::UQ_NAME, &mut two).await?;
        held.push(two);
        Ok(())
    };
    store.undone(WORK, work).await;
    for mut user in held {
        assert_eq!(user.version, 2);
        let id = user.id;
        let another = store.work(async |_| {
            let mut other = users.get(id).await?;
            other.name = format!("{id}, by another");
            users.save(&mut other)
        });
        another.await.unwrap();
        let refused = users.autocommit().save_now(&mut user).await.unwrap_err();
        assert!(refused.is_stale_copy(), "{refused:?}");
        assert_eq!(users.get(id).await.unwrap().name, format!("{id}, by another"));
    }
}

async fn a_number_that_was_loaded_is_good_again(store: Store) {
    let (users, _) = prepare(&store).await;
    spent(&store, &users).await;
    let mut two = users.get(2).await.unwrap();
    two.name = "second".into();
    users.autocommit().save_now(&mut two).await.unwrap();
    let mut two = users.get(2).await.unwrap();
    assert_eq!(two.version, 2);
    two.name = "and again".into();
    users.autocommit().save_now(&mut two).await.unwrap();
    assert_eq!(users.get(2).await.unwrap(), two);
}

async fn a_version_that_came_to_be_all_the_same_is_good(store: Store) {
    let (users, _) = prepare(&store).await;
    // An unchanged save gives nothing out.
    store
        .undone(WORK, async |_| {
            let mut two = users.get(2).await?;
            users.save(&mut two)
        })
        .await;
    users.autocommit().save_if_now(&mut user(2, "second"), 1).await.unwrap();
    // What a nested scope gave out and took back, the unit of work has given out itself.
    let mut two = users.get(2).await.unwrap();
    store
        .work(async |_| {
            store
                .undone(NESTED, async |_| {
                    let mut two = users.get(2).await?;
                    two.name = "third".into();
                    users.save(&mut two)
                })
                .await;
            two = users.get(2).await?;
            two.name = "fourth".into();
            users.save(&mut two)
        })
        .await
        .unwrap();
    assert_eq!(two.version, 3);
    users.autocommit().save_if_now(&mut two, 3).await.unwrap();
    assert_eq!(users.get(2).await.unwrap(), two);
}

async fn a_retry_saves_a_value_that_it_did_not_load(store: Store) {
    let (_, widgets) = prepare(&store).await;
    let held = std::sync::Mutex::new(widgets.get(1).await.unwrap());
    let runs = std::sync::atomic::AtomicU32::new(0);
    let unit = WORK.retry(RetryPolicy::new(3).on(RetryOn::Conflict));
    let done: Result<(), Failure> = store
        .sessions
        .transaction_with_retry(unit, async |session| {
            let run = runs.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let mut value = held.lock().unwrap().clone();
            value.name = "b".into();
            let widgets = widgets.in_session(&session);
            widgets.save(&mut value)?;
            held.lock().unwrap().clone_from(&value);
            if run == 0 {
                widgets.save_if_now(&mut widget(9, "x"), 1).await?;
            }
            Ok(())
        })
        .await;
    done.unwrap();
    assert_eq!(runs.into_inner(), 2);
    assert_eq!(widgets.get(1).await.unwrap(), *held.lock().unwrap());
}
