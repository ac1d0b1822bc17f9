//! Rows that the database removes or changes along with another are not answered from memory.

use spakky::Error;
use spakky::prelude::*;

use crate::support::{Database, on_each_backend};

on_each_backend![
    rows_that_a_cascade_removed_are_not_found,
    rows_that_a_bulk_deletion_took_along_are_not_found,
    rows_of_tables_that_refuse_are_remembered,
];

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "clubs")]
#[mappable(domain = Self)]
struct Club {
    #[table(id)]
    id: i64,
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "members")]
#[mappable(domain = Self)]
struct Member {
    #[table(id)]
    id: i64,
    #[table(references(Club, on_delete = cascade))]
    club: i64,
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "dues")]
#[mappable(domain = Self)]
struct Due {
    #[table(id)]
    id: i64,
    #[table(references(Member, on_delete = cascade))]
    member: i64,
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "guests")]
#[mappable(domain = Self)]
struct Guest {
    #[table(id)]
    id: i64,
    #[table(references(Club, on_delete = set_null))]
    club: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "halls")]
#[mappable(domain = Self)]
struct Hall {
    #[table(id)]
    id: i64,
    #[table(references(Club, on_delete = restrict))]
    club: i64,
}

const WORK: TransactionOptions = TransactionOptions::new().name("work");

async fn found(db: &Database) -> Result<(Club, Member, Due, Guest), Error> {
    let club = db.sessions.repository::<Club>().get(1).await?;
    let member = db.sessions.repository::<Member>().get(1).await?;
    let due = db.sessions.repository::<Due>().get(1).await?;
    Ok((club, member, due, db.sessions.repository::<Guest>().get(1).await?))
}

async fn stored(db: &Database) {
    db.sessions.create_tables(&schema![Club, Member, Due, Guest, Hall]).await.unwrap();
    for sql in [
        "INSERT INTO clubs VALUES (1), (2)",
        "INSERT INTO members VALUES (1, 1)",
        "INSERT INTO dues VALUES (1, 1)",
        "INSERT INTO guests VALUES (1, 1)",
        "INSERT INTO halls VALUES (1, 2)",
    ] {
        db.execute(sql).await;
    }
}

async fn nothing_is_left(db: &Database) -> Result<(), Error> {
    assert_eq!(db.sessions.repository::<Club>().find(1).await?, None);
    assert_eq!(db.sessions.repository::<Member>().find(1).await?, None);
    assert_eq!(db.sessions.repository::<Due>().find(1).await?, None);
    assert_eq!(db.sessions.repository::<Guest>().get(1).await?.club, None);
    Ok(())
}

async fn rows_that_a_cascade_removed_are_not_found(db: Database) {
    stored(&db).await;
    let work = db.sessions.transaction(WORK, async |session| {
        let (mut club, ..) = found(&db).await?;
        db.sessions.repository::<Club>().delete(&mut club)?;
        session.flush().await?;
        nothing_is_left(&db).await
    });
    work.await.unwrap();
}

async fn rows_that_a_bulk_deletion_took_along_are_not_found(db: Database) {
    stored(&db).await;
    let work = db.sessions.transaction(WORK, async |_| {
        found(&db).await?;
        db.sessions.repository::<Club>().filter(Club::COLUMNS.id.eq(1)).delete().await?;
        nothing_is_left(&db).await
    });
    work.await.unwrap();
}

async fn rows_of_tables_that_refuse_are_remembered(db: Database) {
    stored(&db).await;
    let work = db.sessions.transaction(WORK, async |session| {
        let halls = db.sessions.repository::<Hall>();
        halls.get(1).await?;
        let (mut club, ..) = found(&db).await?;
        db.sessions.repository::<Club>().delete_now(&mut club).await?;
        let before = session.statistics().statements;
        halls.get(1).await?;
        assert_eq!(session.statistics().statements, before);
        Ok::<_, Error>(())
    });
    work.await.unwrap();
}
