//! New rows and what is known of them.

use spakky::Error;
use spakky::prelude::*;

use super::{Shelf, Token, TokenRow, create, names, shelf};
use crate::support::{Database, on_each_backend};

on_each_backend![
    ids_follow_the_order_of_the_rows,
    ids_told_at_once_follow_the_order_of_the_rows,
    a_queued_row_is_known_by_its_id_once_it_is_sent,
    a_row_whose_columns_the_database_makes_is_one_statement,
    an_id_that_the_caller_gives_is_not_stored,
    a_row_that_fails_names_its_call_and_changes_nothing,
];

async fn ids_follow_the_order_of_the_rows(db: Database) {
    create(&db).await;
    let shelves = db.sessions.repository::<Shelf>();
    let mut expected = Vec::new();
    for count in [1, 2, 1_000] {
        let mut new: Vec<Shelf> = (0..count).map(|number| shelf(&format!("{count}-{number}"), Vec::new())).collect();
        expected.extend(new.iter().map(|shelf| shelf.name.clone()));
        db.sessions.transaction(TransactionOptions::new(), async |_| shelves.add_all(&mut new)).await.unwrap();
        assert!(new.iter().all(|shelf| shelf.id == 0));
    }
    assert_eq!(names(&db).await, expected);
}

async fn ids_told_at_once_follow_the_order_of_the_rows(db: Database) {
    create(&db).await;
    let shelves = db.sessions.repository::<Shelf>().autocommit();
    for count in [1, 2, 1_000] {
        let mut new: Vec<Shelf> = (0..count).map(|number| shelf(&format!("{count}-{number}"), Vec::new())).collect();
        shelves.add_all_now(&mut new).await.unwrap();
        assert!(new.is_sorted_by_key(|shelf| shelf.id));
        assert_eq!(shelves.get_many(new.iter().map(|shelf| shelf.id)).await.unwrap(), new);
    }
}

async fn a_queued_row_is_known_by_its_id_once_it_is_sent(db: Database) {
    create(&db).await;
    let shelves = db.sessions.repository::<Shelf>();
    db.sessions
        .transaction(TransactionOptions::new(), async |session| {
            shelves.add_all([&mut shelf("one", Vec::new()), &mut super::full("two")])?;
            session.flush().await?;
            let spent = session.statistics().round_trips;
            let (one, mut two) = (shelves.get(1).await?, shelves.get(2).await?);
            assert_eq!((one.name.as_str(), one.version), ("one", 1));
            assert_eq!((two.bins[1].id, two.bins[1].items[0].id), (2, 3));
            assert_eq!(session.statistics().round_trips, spent);
            two.name = "second".to_owned();
            two.bins.remove(0);
            shelves.save(&mut two)?;
            two.bins[0].label = "only".to_owned();
            shelves.save(&mut two)
        })
        .await
        .unwrap();
    assert_eq!(names(&db).await, ["one", "second"]);
    let left = [("second".to_owned(), "only".to_owned(), "c".to_owned())];
    assert_eq!(super::items(&db).await, left);
    assert_eq!(shelves.get(2).await.unwrap().version, 2);
}

async fn a_row_whose_columns_the_database_makes_is_one_statement(db: Database) {
    create(&db).await;
    let tokens = db.sessions.repository::<TokenRow>().autocommit();
    let mut new = [Token { id: 0 }, Token { id: 0 }, Token { id: 0 }];
    db.sent();
    tokens.add_all_now(&mut new).await.unwrap();
    assert_eq!(db.sent().iter().filter(|sql| sql.contains("INSERT")).count(), 1);
    assert_eq!(new.map(|token| token.id), [1, 2, 3]);
    assert_eq!(db.numbers("SELECT rank FROM tokens").await, [7, 7, 7]);
}

async fn an_id_that_the_caller_gives_is_not_stored(db: Database) {
    create(&db).await;
    let shelves = db.sessions.repository::<Shelf>();
    let mut given = super::full("one");
    (given.id, given.bins[0].id, given.bins[0].items[0].id) = (70, 80, 90);
    db.sessions.transaction(TransactionOptions::new(), async |_| shelves.add(&mut given)).await.unwrap();
    assert_eq!(db.numbers("SELECT id FROM shelves").await, [1]);
    assert_eq!(super::items(&db).await, super::full_items(&["one"]));
    assert_eq!(db.numbers("SELECT max(id) FROM items").await, [3]);
}

async fn a_row_that_fails_names_its_call_and_changes_nothing(db: Database) {
    create(&db).await;
    let shelves = db.sessions.repository::<Shelf>().autocommit();
    shelves.add_now(&mut shelf("one", Vec::new())).await.unwrap();
    let mut again = super::full("one");
    let line = line!() + 1;
    let error = shelves.add_now(&mut again).await.unwrap_err();
    assert!(error.is_unique_violation());
    assert_eq!(error.constraint(), Some("uq_shelves_name"));
    assert!(error.to_string().ends_with(&format!("(queued at {}:{line})", file!())), "{error}");
    assert_eq!(again, super::full("one"));
    let work = db.sessions.transaction(TransactionOptions::new(), async |_| {
        shelves.add(&mut super::full("two"))?;
        shelves.add(&mut super::full("one"))
    });
    let error: Error = work.await.unwrap_err();
    assert!(error.is_unique_violation());
    assert_eq!(error.ids(), [""; 0]);
    assert_eq!(names(&db).await, ["one"]);
    assert_eq!(super::items(&db).await, []);
}
