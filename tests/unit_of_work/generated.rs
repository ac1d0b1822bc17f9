//! Ids that the database assigns.

use spakky::Error;
use spakky::prelude::*;

use crate::support::{Database, Ticket, on_each_backend, ticket};

on_each_backend![
    add_now_gives_the_aggregate_its_id,
    several_ids_are_given_in_order_and_in_one_round_trip,
    a_queued_add_is_inserted_without_telling_its_id,
    a_ticket_added_now_is_known_to_the_session,
    a_ticket_added_now_may_be_saved_later,
    autocommit_gives_ids_too,
    pending_writes_travel_ahead,
];

const PAY: TransactionOptions = TransactionOptions::new().name("pay");

async fn titles(db: &Database) -> Vec<(i64, String, i64)> {
    db.observer().sql("SELECT id, title, version FROM tickets ORDER BY id").fetch_all().await.unwrap()
}

async fn add_now_gives_the_aggregate_its_id(db: Database) {
    let tickets = db.sessions.repository::<Ticket>();
    let mut one = ticket("one");
    db.sessions.transaction(PAY, async |_| tickets.add_now(&mut one).await).await.unwrap();
    assert!(one.id > 0);
    assert_eq!(one.version, 1);
    assert_eq!(titles(&db).await, [(one.id, "one".to_owned(), 1)]);
}

async fn several_ids_are_given_in_order_and_in_one_round_trip(db: Database) {
    let tickets = db.sessions.repository::<Ticket>();
    let mut all: Vec<_> = (0..50).map(|number| ticket(&format!("ticket {number}"))).collect();
    db.sessions
        .transaction(PAY, async |session| {
            tickets.add_all_now(&mut all).await?;
            assert_eq!(session.statistics().round_trips, 1);
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    let expected: Vec<_> = all.iter().map(|ticket| (ticket.id, ticket.title.clone(), 1)).collect();
    assert_eq!(titles(&db).await, expected);
}

async fn a_queued_add_is_inserted_without_telling_its_id(db: Database) {
    let tickets = db.sessions.repository::<Ticket>();
    let mut all = [ticket("one"), ticket("two"), ticket("three")];
    db.sessions.transaction(PAY, async |_| tickets.add_all(&mut all)).await.unwrap();
    assert!(all.iter().all(|ticket| ticket.id == 0));
    let mut stored: Vec<_> = titles(&db).await.into_iter().map(|(_, title, version)| (title, version)).collect();
    stored.sort();
    let expected = ["one", "three", "two"].map(|title| (title.to_owned(), 1));
    assert_eq!(stored, expected);
}

async fn a_ticket_added_now_is_known_to_the_session(db: Database) {
    let tickets = db.sessions.repository::<Ticket>();
    db.sessions
        .transaction(PAY, async |session| {
            let mut one = ticket("one");
            tickets.add_now(&mut one).await?;
            assert_eq!(tickets.get(one.id).await?, one);
            assert_eq!(session.statistics().round_trips, 1);
            one.title = "first".to_owned();
            tickets.save(&mut one)?;
            assert_eq!(one.version, 2);
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    assert_eq!(titles(&db).await[0].1, "first");
}

async fn a_ticket_added_now_may_be_saved_later(db: Database) {
    let tickets = db.sessions.repository::<Ticket>();
    let mut one = ticket("one");
    db.sessions.transaction(PAY, async |_| tickets.add_now(&mut one).await).await.unwrap();
    one.title = "first".to_owned();
    db.sessions.transaction(PAY, async |_| tickets.save(&mut one)).await.unwrap();
    assert_eq!(titles(&db).await, [(one.id, "first".to_owned(), 2)]);
}

async fn autocommit_gives_ids_too(db: Database) {
    let tickets = db.sessions.repository::<Ticket>().autocommit();
    let mut one = ticket("one");
    tickets.add_now(&mut one).await.unwrap();
    assert_eq!(titles(&db).await, [(one.id, "one".to_owned(), 1)]);
    let error = tickets.add_now(&mut ticket("one")).await.unwrap_err();
    assert!(error.is_unique_violation());
    assert_eq!(db.sessions.status().in_use, 0);
    assert_eq!(tickets.query().count().await.unwrap(), 1);
}

async fn pending_writes_travel_ahead(db: Database) {
    let tickets = db.sessions.repository::<Ticket>();
    db.sessions
        .transaction(PAY, async |session| {
            tickets.add(&mut ticket("queued"))?;
            tickets.add_now(&mut ticket("now")).await?;
            assert_eq!(session.statistics().round_trips, 1);
            assert_eq!(tickets.query().count().await?, 2);
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
}
