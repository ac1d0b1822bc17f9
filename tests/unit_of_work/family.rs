//! Rows of a table that refers to itself, written in one flush by several statements.

use spakky::Error;
use spakky::prelude::*;

use crate::support::{Database, on_each_backend};

on_each_backend![
    a_child_that_is_upserted_comes_behind_its_parent_that_is_added,
    a_child_that_is_added_comes_behind_its_parent_that_is_upserted,
    generations_that_are_added_and_upserted_in_turn_come_in_their_order,
    rows_that_are_not_related_share_their_statements,
    a_row_that_is_changed_may_refer_to_a_new_one,
    a_row_that_no_longer_refers_to_one_that_goes_is_changed_before,
    a_value_that_a_changed_row_gives_up_is_free_for_a_new_one,
];

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "persons")]
#[mappable(domain = Self)]
struct Person {
    #[table(id)]
    id: i64,
    #[table(references(Person))]
    parent_id: Option<i64>,
    #[table(unique)]
    name: Option<String>,
}

fn person(id: i64, parent_id: Option<i64>) -> Person {
    Person { id, parent_id, name: None }
}

async fn prepare(db: &Database) -> Repository<Person> {
    db.observer().create_tables(&schema![Person]).await.unwrap();
    db.sessions.repository()
}

async fn work(db: &Database, body: impl AsyncFnOnce() -> Result<(), Error>) {
    db.sent();
    db.sessions.transaction(TransactionOptions::new(), async |_| body().await).await.unwrap();
}

/// Each row with the one that it refers to, 0 for none.
async fn stored(db: &Database) -> Vec<(i64, i64)> {
    let sql = "SELECT id, coalesce(parent_id, 0) FROM persons ORDER BY id";
    db.observer().sql(sql).fetch_all().await.unwrap()
}

/// How many statements insert.
fn inserts(db: &Database) -> usize {
    db.sent().iter().filter(|sql| sql.contains("INSERT INTO \"persons\"")).count()
}

async fn a_child_that_is_upserted_comes_behind_its_parent_that_is_added(db: Database) {
    let persons = prepare(&db).await;
    work(&db, async || {
        persons.upsert(&mut person(1, Some(2)))?;
        persons.add(&mut person(2, None))
    })
    .await;
    assert_eq!(stored(&db).await, [(1, 2), (2, 0)]);
}

async fn a_child_that_is_added_comes_behind_its_parent_that_is_upserted(db: Database) {
    let persons = prepare(&db).await;
    work(&db, async || {
        persons.add(&mut person(1, Some(2)))?;
        persons.upsert(&mut person(2, None))
    })
    .await;
    assert_eq!(stored(&db).await, [(1, 2), (2, 0)]);
}

async fn generations_that_are_added_and_upserted_in_turn_come_in_their_order(db: Database) {
    let persons = prepare(&db).await;
    work(&db, async || {
        for id in 1..=6 {
            let mut one = person(id, Some(id + 1));
            if id % 2 == 0 { persons.add(&mut one)? } else { persons.upsert(&mut one)? }
        }
        persons.add_all(&mut [person(7, None), person(8, Some(7)), person(9, None)])
    })
    .await;
    let chain: Vec<(i64, i64)> = (1..=6).map(|id| (id, id + 1)).chain([(7, 0), (8, 7), (9, 0)]).collect();
    assert_eq!(stored(&db).await, chain);
    // Each of the first five is added or upserted behind its parent, and the others together.
    assert_eq!(inserts(&db), 6);
}

async fn rows_that_are_not_related_share_their_statements(db: Database) {
    let persons = prepare(&db).await;
    work(&db, async || {
        for id in 1..=6 {
            let mut one = person(id, None);
            if id % 2 == 0 { persons.add(&mut one)? } else { persons.upsert(&mut one)? }
        }
        Ok(())
    })
    .await;
    assert_eq!((stored(&db).await.len(), inserts(&db)), (6, 2));
}

async fn a_row_that_is_changed_may_refer_to_a_new_one(db: Database) {
    let persons = prepare(&db).await;
    persons.autocommit().add_now(&mut person(1, None)).await.unwrap();
    work(&db, async || {
        let mut one = persons.get(1).await?;
        one.parent_id = Some(2);
        persons.save(&mut one)?;
        persons.add(&mut person(2, None))
    })
    .await;
    assert_eq!(stored(&db).await, [(1, 2), (2, 0)]);
}

async fn a_row_that_no_longer_refers_to_one_that_goes_is_changed_before(db: Database) {
    let persons = prepare(&db).await;
    persons.autocommit().add_all_now(&mut [person(1, Some(2)), person(2, None)]).await.unwrap();
    work(&db, async || {
        let mut one = persons.get(1).await?;
        one.parent_id = Some(3);
        persons.save(&mut one)?;
        persons.delete_by_id(2)?;
        persons.add(&mut person(3, None))
    })
    .await;
    assert_eq!(stored(&db).await, [(1, 3), (3, 0)]);
}

async fn a_value_that_a_changed_row_gives_up_is_free_for_a_new_one(db: Database) {
    let persons = prepare(&db).await;
    let named = |id, name: &str| Person { name: Some(name.to_owned()), ..person(id, None) };
    persons.autocommit().add_all_now(&mut [named(1, "ann"), named(2, "bob")]).await.unwrap();
    work(&db, async || {
        let mut one = persons.get(1).await?;
        one.name = Some("cid".to_owned());
        persons.save(&mut one)?;
        persons.delete_by_id(2)?;
        persons.add_all(&mut [named(3, "ann"), named(4, "bob")])
    })
    .await;
    assert_eq!(stored(&db).await, [(1, 0), (3, 0), (4, 0)]);
}
