//! Tables that refer to each other in a circle, by keys that are checked at once, as another program may have made them.

use spakky::Error;
use spakky::prelude::*;

use crate::support::{Database, on_each_backend};

on_each_backend![
    rows_go_in_the_order_in_which_they_refer_to_each_other,
    a_reference_that_may_be_null_is_written_by_a_second_statement,
    rows_without_an_order_are_named,
    rows_are_taken_apart_in_their_order,
];

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "hens")]
#[mappable(domain = Self)]
struct Hen {
    #[table(id)]
    id: i64,
    #[table(references(Egg))]
    egg_id: Option<i64>,
    #[table(version)]
    version: i64,
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "eggs")]
#[mappable(domain = Self)]
struct Egg {
    #[table(id)]
    id: i64,
    #[table(references(Hen))]
    hen_id: i64,
}

/// The same tables, with both references required.
#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "hens")]
#[mappable(domain = Self)]
struct StrictHen {
    #[table(id)]
    id: i64,
    #[table(references(StrictEgg))]
    egg_id: i64,
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "eggs")]
#[mappable(domain = Self)]
struct StrictEgg {
    #[table(id)]
    id: i64,
    #[table(references(StrictHen))]
    hen_id: i64,
}

async fn prepare(db: &Database, strict: bool) {
    let (null, version) = if strict { ("NOT NULL", "") } else { ("", ", version bigint NOT NULL") };
    let reference = if db.is_sqlite() { "REFERENCES eggs (id)" } else { "" };
    db.execute(&format!("CREATE TABLE hens (id bigint PRIMARY KEY, egg_id bigint {null} {reference}{version})")).await;
    db.execute("CREATE TABLE eggs (id bigint PRIMARY KEY, hen_id bigint NOT NULL REFERENCES hens (id))").await;
    if !db.is_sqlite() {
        db.execute("ALTER TABLE hens ADD FOREIGN KEY (egg_id) REFERENCES eggs (id)").await;
    }
}

fn hen(id: i64, egg_id: Option<i64>) -> Hen {
    Hen { id, egg_id, version: 0 }
}

async fn work(db: &Database, body: impl AsyncFn() -> Result<(), Error>) -> Result<(), Error> {
    db.sessions.transaction(TransactionOptions::new().name("brood"), async |_| body().await).await
}

async fn stored(db: &Database) -> (Vec<(i64, Option<i64>, i64)>, Vec<(i64, i64)>) {
    let hens = db.observer().sql("SELECT id, egg_id, version FROM hens ORDER BY id").fetch_all().await.unwrap();
    (hens, db.observer().sql("SELECT id, hen_id FROM eggs ORDER BY id").fetch_all().await.unwrap())
}

async fn rows_go_in_the_order_in_which_they_refer_to_each_other(db: Database) {
    prepare(&db, false).await;
    let (hens, eggs) = (db.sessions.repository::<Hen>(), db.sessions.repository::<Egg>());
    work(&db, async || {
        hens.add_all(&mut [hen(1, None), hen(3, Some(2)), hen(5, Some(4))])?;
        eggs.add_all(&mut [Egg { id: 4, hen_id: 3 }, Egg { id: 2, hen_id: 1 }])
    })
    .await
    .unwrap();
    let all = [(1, None, 1), (3, Some(2), 1), (5, Some(4), 1)];
    assert_eq!(stored(&db).await, (all.to_vec(), vec![(2, 1), (4, 3)]));
}

async fn a_reference_that_may_be_null_is_written_by_a_second_statement(db: Database) {
    prepare(&db, false).await;
    let (hens, eggs) = (db.sessions.repository::<Hen>(), db.sessions.repository::<Egg>());
    let mut one = hen(1, Some(2));
    work(&db, async || {
        let mut one = hen(1, Some(2));
        hens.add(&mut one)?;
        eggs.add(&mut Egg { id: 2, hen_id: 1 })?;
        hens.query().count().await?;
        // What is known of the row is the whole of it.
        hens.save(&mut one)
    })
    .await
    .unwrap();
    assert_eq!(stored(&db).await, (vec![(1, Some(2), 1)], vec![(2, 1)]));
    one.version = 1;
    one.egg_id = None;
    hens.autocommit().save_now(&mut one).await.unwrap();
    assert_eq!(stored(&db).await, (vec![(1, None, 2)], vec![(2, 1)]));
}

async fn rows_without_an_order_are_named(db: Database) {
    prepare(&db, true).await;
    let (hens, eggs) = (db.sessions.repository::<StrictHen>(), db.sessions.repository::<StrictEgg>());
    let refused = work(&db, async || {
        hens.add(&mut StrictHen { id: 1, egg_id: 2 })?;
        eggs.add(&mut StrictEgg { id: 2, hen_id: 1 })
    });
    let refused = refused.await.unwrap_err();
    assert!(refused.is_foreign_key_violation(), "{refused:?}");
    assert_eq!(
        refused.message(),
        "write rows that refer to each other in a circle: `hens` 1 -> `eggs` 2 -> `hens` 1; make one of the references \
         nullable, or its foreign key deferrable"
    );
}

async fn rows_are_taken_apart_in_their_order(db: Database) {
    prepare(&db, false).await;
    let (hens, eggs) = (db.sessions.repository::<Hen>(), db.sessions.repository::<Egg>());
    for statement in
        ["INSERT INTO hens VALUES (1, NULL, 1)", "INSERT INTO eggs VALUES (2, 1)", "UPDATE hens SET egg_id = 2"]
    {
        db.execute(statement).await;
    }
    work(&db, async || {
        let (mut one, mut two) = (hens.get(1).await?, eggs.get(2).await?);
        one.egg_id = None;
        hens.save(&mut one)?;
        eggs.delete(&mut two)?;
        hens.add(&mut hen(7, None))
    })
    .await
    .unwrap();
    assert_eq!(stored(&db).await, (vec![(1, None, 2), (7, None, 1)], vec![]));
}
