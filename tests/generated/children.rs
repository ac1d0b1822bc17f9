//! Children of new rows, and new children of rows that are there.

use spakky::prelude::*;

use super::{Book, Item, Page, Shelf, bin, book, create, full, full_items, items};
use crate::support::{Database, on_each_backend};

on_each_backend![
    a_queued_aggregate_is_stored_however_deep,
    add_now_tells_the_ids_of_all_children,
    an_aggregate_with_an_id_of_its_own_learns_those_of_its_children,
    new_children_of_old_ones_are_stored,
    an_aggregate_with_an_id_of_its_own_is_queued_with_new_children,
    a_detached_aggregate_keeps_the_ids_of_its_children,
];

async fn a_queued_aggregate_is_stored_however_deep(db: Database) {
    create(&db).await;
    let shelves = db.sessions.repository::<Shelf>();
    db.sessions
        .transaction(TransactionOptions::new(), async |_| {
            shelves.add(&mut full("one"))?;
            shelves.add_all([&mut full("three"), &mut full("two")])
        })
        .await
        .unwrap();
    assert_eq!(items(&db).await, full_items(&["one", "three", "two"]));
    let three = shelves.get(2).await.unwrap();
    assert_eq!((three.name.as_str(), three.bins.len(), three.bins[0].items.len()), ("three", 2, 2));
}

async fn add_now_tells_the_ids_of_all_children(db: Database) {
    create(&db).await;
    let shelves = db.sessions.repository::<Shelf>();
    let (mut one, mut two) = (full("one"), full("two"));
    db.sessions
        .transaction(TransactionOptions::new(), async |session| {
            shelves.add_all_now([&mut one, &mut two]).await?;
            assert_eq!(session.statistics().round_trips, 1);
            assert_eq!(shelves.get(two.id).await?, two);
            assert_eq!(session.statistics().round_trips, 1);
            two.bins[0].items[1].text = "changed".to_owned();
            shelves.save(&mut two)
        })
        .await
        .unwrap();
    assert_eq!(one.bins.iter().map(|bin| (bin.id, bin.shelf_id)).collect::<Vec<_>>(), [(1, 1), (2, 1)]);
    assert_eq!(two.bins[1].items[0], Item { id: 6, bin_id: 4, text: "c".to_owned() });
    assert_eq!(shelves.get(one.id).await.unwrap(), one);
    assert_eq!(shelves.get(two.id).await.unwrap(), two);
}

async fn an_aggregate_with_an_id_of_its_own_learns_those_of_its_children(db: Database) {
    create(&db).await;
    let books = db.sessions.repository::<Book>();
    let mut new = [book(7, &["a", "b"]), book(5, &["c"])];
    db.sessions.transaction(TransactionOptions::new(), async |_| books.add_all_now(&mut new).await).await.unwrap();
    assert_eq!(books.get_many([7, 5]).await.unwrap(), new);
    assert_eq!(new[0].pages[1], Page { id: 2, book_id: 7, text: "b".to_owned() });
    new[0].pages.remove(0);
    db.sessions
        .transaction(TransactionOptions::new(), async |_| {
            books.attach(&new[0], 1)?;
            books.save(&mut new[0])
        })
        .await
        .unwrap();
    assert_eq!(db.numbers("SELECT id FROM pages ORDER BY id").await, [2, 3]);
}

async fn new_children_of_old_ones_are_stored(db: Database) {
    create(&db).await;
    let shelves = db.sessions.repository::<Shelf>();
    shelves.autocommit().add_now(&mut full("one")).await.unwrap();
    db.sessions
        .transaction(TransactionOptions::new(), async |session| {
            let mut one = shelves.get(1).await?;
            one.bins[1].items.push(Item { id: 0, bin_id: 0, text: "d".to_owned() });
            one.bins.push(bin("top", &["e", "f"]));
            shelves.save(&mut one)?;
            session.flush().await?;
            let again = shelves.get(1).await?;
            assert_eq!(again.bins[2].items[1], Item { id: 6, bin_id: 3, text: "f".to_owned() });
            Ok::<_, spakky::Error>(())
        })
        .await
        .unwrap();
    let more = [("right", "d"), ("top", "e"), ("top", "f")];
    let more = more.map(|(label, text)| ("one".to_owned(), label.to_owned(), text.to_owned()));
    assert_eq!(items(&db).await, full_items(&["one"]).into_iter().chain(more).collect::<Vec<_>>());
}

async fn an_aggregate_with_an_id_of_its_own_is_queued_with_new_children(db: Database) {
    create(&db).await;
    let books = db.sessions.repository::<Book>();
    db.sessions
        .transaction(TransactionOptions::new(), async |session| {
            books.add(&mut book(7, &["a", "b"]))?;
            session.flush().await?;
            let mut seven = books.get(7).await?;
            assert_eq!(seven.pages.iter().map(|page| page.id).collect::<Vec<_>>(), [1, 2]);
            seven.pages.remove(0);
            books.save(&mut seven)
        })
        .await
        .unwrap();
    assert_eq!(db.numbers("SELECT id FROM pages").await, [2]);
}

async fn a_detached_aggregate_keeps_the_ids_of_its_children(db: Database) {
    create(&db).await;
    let shelves = db.sessions.repository::<Shelf>();
    let mut one = full("one");
    shelves.autocommit().add_now(&mut one).await.unwrap();
    one.bins[0].label = "changed".to_owned();
    one.bins[1].items.push(Item { id: 0, bin_id: 0, text: "d".to_owned() });
    db.sessions.transaction(TransactionOptions::new(), async |_| shelves.save_if(&mut one, 1)).await.unwrap();
    assert_eq!(db.numbers("SELECT id FROM bins ORDER BY id").await, [1, 2]);
    assert_eq!(db.numbers("SELECT id FROM items ORDER BY id").await, [1, 2, 3, 4]);
    assert_eq!(shelves.get(1).await.unwrap().bins[0].label, "changed");
}
