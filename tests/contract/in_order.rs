//! A unit of work is as if each call was carried out at once, in the order of the calls, whenever things are sent.
//!
//! The same work is done with nothing sent between its steps, and with each step sent by a query; what is stored is the same.

mod upserted;

use spakky::prelude::*;
use spakky::{Error, Propagation};

use super::{Store, on_each_store};

on_each_store![
    what_was_saved_last_is_stored_whatever_was_sent_between,
    a_child_that_moved_stays_with_its_new_owner,
    a_child_that_moves_keeps_what_is_not_mapped_and_what_is_below_it,
    a_child_moves_while_a_grandchild_of_another_changes,
    a_child_is_taken_from_an_owner_that_is_not_saved,
    a_grandchild_moves_within_an_aggregate_that_was_not_loaded,
    a_nested_scope_moves_a_child_whose_owner_waits_outside,
    a_child_of_another_transaction_is_not_deleted,
    a_child_that_comes_back_has_the_children_it_is_given,
    an_aggregate_shows_what_is_queued_for_its_parts,
    a_row_and_the_aggregate_it_is_part_of_are_written_in_turn,
    a_row_that_is_deleted_and_added_starts_anew,
];

#[derive(Debug, Clone, PartialEq)]
struct Root {
    id: i64,
    n: i64,
    kids: Vec<Kid>,
}

#[derive(Debug, Clone, PartialEq)]
struct Kid {
    id: i64,
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, Table, Mappable)]
#[table(name = "plain_roots")]
#[mappable(domain = Root)]
struct RootRow {
    #[table(id)]
    id: i64,
    n: i64,
    #[table(has_many(by = root_id, order_by = id))]
    kids: Vec<KidRow>,
}

#[derive(Debug, Clone, Table, Mappable)]
#[table(name = "plain_kids")]
#[mappable(domain = Kid)]
struct KidRow {
    #[table(id)]
    id: i64,
    #[table(references(RootRow))]
    #[mappable(parent)]
    root_id: i64,
    text: String,
    #[mappable(row_only)]
    note: Option<String>,
    #[table(has_many(by = kid_id, order_by = id))]
    parts: Vec<PartRow>,
    #[table(version)]
    version: i64,
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "plain_parts")]
#[mappable(domain = Part)]
struct PartRow {
    #[table(id)]
    id: i64,
    #[table(references(KidRow))]
    #[mappable(parent)]
    kid_id: i64,
    name: String,
}

#[derive(Debug, Clone, PartialEq)]
struct Part {
    id: i64,
    name: String,
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "stock_items")]
#[mappable(domain = Self)]
struct StockItem {
    #[table(id)]
    id: i64,
    #[table(unique)]
    sku: String,
    quantity: i64,
    #[table(version)]
    version: i64,
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "boxes")]
#[mappable(domain = Self)]
struct Carton {
    #[table(id)]
    id: i64,
    #[table(has_many(by = carton_id, order_by = id))]
    bags: Vec<Bag>,
    #[table(version)]
    version: i64,
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "bags")]
#[mappable(domain = Self)]
struct Bag {
    #[table(id)]
    id: i64,
    #[table(references(Carton))]
    carton_id: i64,
    weight: i64,
    #[table(has_many(by = bag_id, order_by = id))]
    tags: Vec<Tag>,
    #[table(deleted_at)]
    deleted_at: Option<chrono::DateTime<chrono::Utc>>,
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "bag_tags")]
#[mappable(domain = Self)]
struct Tag {
    #[table(id)]
    id: i64,
    #[table(references(Bag))]
    bag_id: i64,
}

const NESTED: TransactionOptions = TransactionOptions::new().name("nested").propagation(Propagation::Nested);

async fn prepare(store: &Store) -> Repository<RootRow> {
    let tables = schema![RootRow, KidRow, PartRow, StockItem, Carton, Bag, Tag];
    store.sessions.create_tables(&tables).await.unwrap();
    store.sessions.repository()
}

fn kid(id: i64) -> Kid {
    Kid { id, text: "k".into(), parts: Vec::new() }
}

fn root(id: i64, kids: impl Into<Vec<Kid>>) -> Root {
    Root { id, n: 0, kids: kids.into() }
}

fn part(id: i64) -> Part {
    Part { id, name: "p".into() }
}

/// Each child that is stored, as another session sees it: its root, its id and text, and the ids of its parts.
async fn stored(store: &Store) -> Vec<String> {
    let (roots, kids) = (store.sessions.repository::<RootRow>(), store.sessions.repository::<KidRow>());
    let mut seen = Vec::new();
    for root in roots.query().order_by(RootRow::COLUMNS.id.asc()).all().await.unwrap() {
        for kid in root.kids {
            let parts: Vec<i64> = kid.parts.iter().map(|part| part.id).collect();
            seen.push(format!("{}: {} {} {parts:?}", root.id, kid.id, kid.text));
        }
    }
    assert_eq!(kids.query().count().await.unwrap(), seen.len() as u64);
    seen
}

/// Does the work with nothing sent between its steps, and with all sent behind each; answers with what is stored then.
async fn both_ways<F: Future<Output = Result<(), Error>>>(
    store: &Store,
    before: Vec<Root>,
    work: impl Fn(Session, bool) -> F,
) -> Vec<String> {
    let roots = prepare(store).await;
    let mut results = Vec::new();
    for sends in [false, true] {
        let all: Vec<i64> = (1..5).collect();
        store
            .work(async |_| {
                for id in &all {
                    roots.delete_by_id(*id)?;
                }
                Ok(())
            })
            .await
            .unwrap();
        let mut before = before.clone();
        roots.autocommit().add_all_now(&mut before).await.unwrap();
        let done = store.sessions.transaction(super::WORK, async |session| work(session, sends).await).await;
        done.unwrap_or_else(|error| panic!("sent between: {sends}: {error}"));
        results.push(stored(store).await);
    }
    assert_eq!(results[0], results[1], "what was sent between makes a difference");
    results.remove(0)
}

async fn what_was_saved_last_is_stored_whatever_was_sent_between(store: Store) {
    let sessions = store.sessions.clone();
    let seen = both_ways(&store, vec![root(1, [kid(1), kid(2)])], |session, sends| {
        let roots = sessions.repository::<RootRow>();
        async move {
            let mut a = roots.get(1).await?;
            a.kids[0].text = "x".into();
            a.kids.remove(1);
            roots.save(&mut a)?;
            if sends {
                session.flush().await?;
            }
            a.kids[0].text = "k".into();
            a.kids.push(kid(3));
            roots.save(&mut a)
        }
    });
    assert_eq!(seen.await, ["1: 1 k []", "1: 3 k []"]);
}

async fn a_child_that_moved_stays_with_its_new_owner(store: Store) {
    let sessions = store.sessions.clone();
    let seen = both_ways(&store, vec![root(1, [kid(1)]), root(2, [])], |session, sends| {
        let roots = sessions.repository::<RootRow>();
        async move {
            let (mut a, mut b) = (roots.get(1).await?, roots.get(2).await?);
            b.kids.push(a.kids.remove(0));
            roots.save_all([&mut a, &mut b])?;
            if sends {
                session.flush().await?;
            }
            roots.save(&mut a)
        }
    });
    assert_eq!(seen.await, ["2: 1 k []"]);
}

async fn a_child_that_moves_keeps_what_is_not_mapped_and_what_is_below_it(store: Store) {
    let roots = prepare(&store).await;
    let moving = Kid { parts: vec![part(7), part(8)], ..kid(1) };
    roots.autocommit().add_all_now(&mut [root(1, [moving]), root(2, [])]).await.unwrap();
    let kids = store.sessions.repository::<KidRow>().autocommit();
    kids.update_where(KidRow::COLUMNS.id.eq(1), KidRow::COLUMNS.note.set("of another program".to_owned()))
        .await
        .unwrap();
    store
        .work(async |_| {
            let (mut a, mut b) = (roots.get(1).await?, roots.get(2).await?);
            let mut moved = a.kids.remove(0);
            moved.parts.remove(0);
            moved.parts.push(part(9));
            b.kids.push(moved);
            roots.save_all([&mut b, &mut a])
        })
        .await
        .unwrap();
    assert_eq!(stored(&store).await, ["2: 1 k [8, 9]"]);
    let of_it =
        kids.filter(KidRow::COLUMNS.note.eq("of another program".to_owned()).and(KidRow::COLUMNS.version.gt(1)));
    assert_eq!(of_it.count().await.unwrap(), 1);
}

async fn a_child_moves_while_a_grandchild_of_another_changes(store: Store) {
    let roots = prepare(&store).await;
    let with_part = Kid { parts: vec![part(9)], ..kid(3) };
    roots.autocommit().add_all_now(&mut [root(1, [with_part]), root(2, [kid(1)]), root(4, [])]).await.unwrap();
    store
        .work(async |_| {
            let (mut a, mut from, mut to) = (roots.get(1).await?, roots.get(2).await?, roots.get(4).await?);
            a.kids[0].parts[0].name = "changed".into();
            to.kids.push(from.kids.remove(0));
            roots.save_all([&mut a, &mut from, &mut to])
        })
        .await
        .unwrap();
    assert_eq!(stored(&store).await, ["1: 3 k [9]", "4: 1 k []"]);
}

async fn a_child_is_taken_from_an_owner_that_is_not_saved(store: Store) {
    let sessions = store.sessions.clone();
    let seen = both_ways(&store, vec![root(1, [kid(1), kid(2)]), root(2, [])], |session, sends| {
        let roots = sessions.repository::<RootRow>();
        async move {
            let (mut a, mut b) = (roots.get(1).await?, roots.get(2).await?);
            b.kids.push(a.kids.remove(0));
            roots.save(&mut b)?;
            if sends {
                session.flush().await?;
            }
            roots.save(&mut a)
        }
    });
    assert_eq!(seen.await, ["1: 2 k []", "2: 1 k []"]);
    let roots = sessions.repository::<RootRow>();
    store
        .work(async |_| {
            let (mut a, mut b) = (roots.get(1).await?, roots.get(2).await?);
            a.kids.push(b.kids.remove(0));
            roots.save(&mut a)
        })
        .await
        .unwrap();
    assert_eq!(stored(&store).await, ["1: 1 k []", "1: 2 k []"]);
}

async fn a_grandchild_moves_within_an_aggregate_that_was_not_loaded(store: Store) {
    prepare(&store).await;
    let cartons = store.sessions.repository::<Carton>().autocommit();
    let bag = |id, tags: &[i64]| Bag {
        id,
        carton_id: 0,
        weight: 0,
        tags: tags.iter().map(|&id| Tag { id, bag_id: 0 }).collect(),
        deleted_at: None,
    };
    let carton = |bags: Vec<Bag>| Carton { id: 1, bags, version: 0 };
    let tags = async || {
        let bags = cartons.get(1).await.unwrap().bags;
        bags.iter().map(|bag| (bag.id, bag.tags.iter().map(|tag| tag.id).collect::<Vec<_>>())).collect::<Vec<_>>()
    };
    cartons.add_now(&mut carton(vec![bag(1, &[7]), bag(2, &[])])).await.unwrap();
    cartons.save_if_now(&mut carton(vec![bag(1, &[]), bag(2, &[7])]), 1).await.unwrap();
    assert_eq!(tags().await, [(1, vec![]), (2, vec![7])]);
    cartons.upsert_now(&mut carton(vec![bag(1, &[7, 8]), bag(2, &[])])).await.unwrap();
    assert_eq!(tags().await, [(1, vec![7, 8]), (2, vec![])]);
    // Not from another aggregate.
    cartons.add_now(&mut Carton { id: 2, ..carton(vec![bag(3, &[])]) }).await.unwrap();
    let taken = cartons.save_if_now(&mut Carton { id: 2, ..carton(vec![bag(3, &[8])]) }, 1).await.unwrap_err();
    assert!(taken.is_unique_violation(), "{taken:?}");
    assert_eq!(tags().await, [(1, vec![7, 8]), (2, vec![])]);
}

async fn a_nested_scope_moves_a_child_whose_owner_waits_outside(store: Store) {
    let roots = prepare(&store).await;
    roots.autocommit().add_all_now(&mut [root(3, [kid(8)]), root(2, [kid(6)])]).await.unwrap();
    store
        .work(async |_| {
            let (mut x, mut y) = (roots.get(3).await?, roots.get(2).await?);
            x.n = 1;
            roots.save(&mut x)?;
            let nested = store.sessions.transaction(NESTED, async |_| {
                y.kids.push(x.kids.remove(0));
                roots.save_all([&mut x, &mut y])
            });
            nested.await?;
            roots.save(&mut x)
        })
        .await
        .unwrap();
    assert_eq!(stored(&store).await, ["2: 6 k []", "2: 8 k []"]);
}

async fn a_child_of_another_transaction_is_not_deleted(store: Store) {
    let roots = prepare(&store).await;
    roots.autocommit().add_all_now(&mut [root(1, [kid(1), kid(2)]), root(2, [])]).await.unwrap();
    let first = store.sessions.begin();
    let mine = roots.in_session(first.session());
    let mut x = mine.get(1).await.unwrap();
    store
        .work(async |_| {
            let (mut a, mut b) = (roots.get(1).await?, roots.get(2).await?);
            b.kids.push(a.kids.remove(0));
            roots.save_all([&mut a, &mut b])
        })
        .await
        .unwrap();
    x.kids.retain(|kid| kid.id != 1);
    mine.save(&mut x).unwrap();
    let refused = first.commit().await.unwrap_err();
    assert!(refused.is_conflict(), "{refused:?}");
    assert_eq!(
        refused.message(),
        "delete from `plain_kids` with id 1: its version is no longer 1, or it is gone, or part of another row"
    );
    assert_eq!(stored(&store).await, ["1: 2 k []", "2: 1 k []"]);
}

async fn a_child_that_comes_back_has_the_children_it_is_given(store: Store) {
    prepare(&store).await;
    let cartons = store.sessions.repository::<Carton>();
    let bag = |tags: &[i64]| Bag {
        id: 1,
        carton_id: 0,
        weight: 0,
        tags: tags.iter().map(|&id| Tag { id, bag_id: 0 }).collect(),
        deleted_at: None,
    };
    let bags = vec![bag(&[10, 11])];
    cartons.autocommit().add_now(&mut Carton { id: 1, bags, version: 0 }).await.unwrap();
    for bags in [vec![], vec![bag(&[20])]] {
        store
            .work(async |_| {
                let mut carton = cartons.get(1).await?;
                carton.bags = bags.clone();
                cartons.save(&mut carton)
            })
            .await
            .unwrap();
    }
    let bags = cartons.get(1).await.unwrap().bags;
    assert_eq!(bags[0].tags.iter().map(|tag| tag.id).collect::<Vec<_>>(), [20]);
    assert_eq!(store.sessions.repository::<Tag>().query().count().await.unwrap(), 1);
}

async fn an_aggregate_shows_what_is_queued_for_its_parts(store: Store) {
    prepare(&store).await;
    let (cartons, bags) = (store.sessions.repository::<Carton>(), store.sessions.repository::<Bag>());
    let bag = |id| Bag { id, carton_id: 1, weight: 1, tags: Vec::new(), deleted_at: None };
    let given = vec![bag(1), bag(2)];
    cartons.autocommit().add_now(&mut Carton { id: 1, bags: given, version: 0 }).await.unwrap();
    store
        .work(async |_| {
            for loaded in [false, true] {
                let before = if loaded { cartons.get(1).await?.bags.len() } else { 2 };
                let mut one = bags.get(1).await?;
                one.weight += 50;
                bags.save(&mut one)?;
                if loaded {
                    bags.add(&mut bag(3))?;
                } else {
                    bags.delete_by_id(2)?;
                }
                let seen = cartons.get(1).await?.bags;
                let expected = if loaded { before + 1 } else { before - 1 };
                assert_eq!((seen.len(), seen[0].weight), (expected, one.weight), "loaded before: {loaded}");
            }
            Ok(())
        })
        .await
        .unwrap();
}

async fn a_row_and_the_aggregate_it_is_part_of_are_written_in_turn(store: Store) {
    let sessions = store.sessions.clone();
    let seen = both_ways(&store, vec![root(1, [kid(1), kid(2)])], |session, sends| {
        let (roots, kids) = (sessions.repository::<RootRow>(), sessions.repository::<KidRow>());
        async move {
            let send = async || if sends { session.flush().await } else { Ok(()) };
            let mut a = roots.get(1).await?;
            let mut one = kids.get(1).await?;
            one.text = "by itself".into();
            kids.save(&mut one)?;
            send().await?;
            a.kids[0].text = "with its root".into();
            a.kids.remove(1);
            roots.save(&mut a)?;
            send().await?;
            let mut one = kids.get(1).await?;
            assert_eq!(one.text, "with its root");
            one.text = "by itself again".into();
            kids.save(&mut one)
        }
    });
    assert_eq!(seen.await, ["1: 1 by itself again []"]);
}

async fn a_row_that_is_deleted_and_added_starts_anew(store: Store) {
    let roots = prepare(&store).await;
    let items = store.sessions.repository::<StockItem>();
    let bolt = |quantity| StockItem { id: 1, sku: "bolt".into(), quantity, version: 0 };
    items.autocommit().add_now(&mut bolt(1)).await.unwrap();
    for quantity in [2, 3, 4] {
        let mut row = items.get(1).await.unwrap();
        row.quantity = quantity;
        items.autocommit().save_now(&mut row).await.unwrap();
    }
    let mut again = bolt(9);
    store
        .work(async |_| {
            items.delete_by_id(1)?;
            items.add(&mut again)
        })
        .await
        .unwrap();
    assert_eq!((items.get(1).await.unwrap().version, again.version), (1, 1));
    again.quantity = 10;
    items.autocommit().save_now(&mut again).await.unwrap();

    roots.autocommit().add_now(&mut root(1, [kid(1), kid(2)])).await.unwrap();
    store
        .work(async |_| {
            roots.delete_by_id(1)?;
            roots.add(&mut root(1, [kid(2), kid(3)]))
        })
        .await
        .unwrap();
    assert_eq!(stored(&store).await, ["1: 2 k []", "1: 3 k []"]);
}
