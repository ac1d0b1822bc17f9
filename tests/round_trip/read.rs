//! Reads.

use std::time::Duration;

use spakky::Error;
use spakky::prelude::*;

use crate::support::{AccountRow, Database, Line, account, facts, on_postgres};

on_postgres![
    a_get_outside_a_scope_is_one_round_trip,
    a_get_on_a_connection_that_prepared_nothing_is_one_round_trip,
    a_second_get_of_the_same_id_costs_nothing,
    many_ids_are_one_round_trip,
    a_read_only_unit_of_work_is_one_round_trip,
    the_commit_of_a_unit_that_only_read_is_not_waited_for,
    a_serializable_read_waits_for_its_commit,
    a_query_sends_pending_writes_ahead_of_itself_in_the_same_burst,
    a_query_without_autoflush_leaves_pending_writes_alone,
    a_plain_query_sends_pending_writes_ahead_of_itself,
];

const READ: TransactionOptions = TransactionOptions::new().name("read");

async fn a_get_outside_a_scope_is_one_round_trip(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let line = Line::new(&db).await;
    let accounts = line.accounts();
    let cost = line.warm_cost(async || accounts.get(1).await.unwrap().balance).await;
    assert_eq!((cost.value, cost.round_trips), (10, 1));
    assert_eq!(cost.run(), ["…"]);
}

async fn a_get_on_a_connection_that_prepared_nothing_is_one_round_trip(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let line = Line::new(&db).await;
    let cost = line.cost(line.accounts().get(1)).await;
    assert_eq!((cost.value.as_ref().unwrap().balance, cost.round_trips), (10, 1));
    assert_eq!(cost.words(), ["SELECT"]);
    assert_eq!(line.sessions.statistics().round_trips, 1);
}

async fn a_second_get_of_the_same_id_costs_nothing(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let line = Line::new(&db).await;
    let transaction = line.sessions.begin();
    let accounts = line.accounts().in_session(transaction.session());
    accounts.get(1).await.unwrap();
    let before = line.proxy.counts();
    assert_eq!(accounts.get(1).await.unwrap().balance, 10);
    assert_eq!(accounts.find(1).await.unwrap().unwrap().balance, 10);
    assert!(accounts.exists(1).await.unwrap());
    assert_eq!(line.proxy.counts(), before);
    assert_eq!(transaction.session().statistics().round_trips, 1);
    transaction.rollback().await;
}

async fn many_ids_are_one_round_trip(db: Database) {
    let stored: Vec<_> = (1..=50).map(|id| account(id, &format!("owner {id}"), id)).collect();
    db.store(&stored).await;
    let line = Line::new(&db).await;
    let cost = line.cost(line.accounts().get_many((1..=50).rev())).await;
    let balances: Vec<i64> = cost.value.unwrap().iter().map(|account| account.balance).collect();
    assert_eq!(balances, (1..=50).rev().collect::<Vec<_>>());
    assert_eq!(cost.round_trips, 1);
}

/// The COMMIT of each unit travels with the BEGIN of the next.
async fn a_read_only_unit_of_work_is_one_round_trip(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let line = Line::new(&db).await;
    // Long enough that the next unit is surely begun before the answer to the COMMIT is let through.
    line.proxy.set_settle(Duration::from_millis(500));
    let accounts = line.accounts();
    let cost = line
        .cost(async {
            for _ in 0..5 {
                let read = line.sessions.transaction(READ.read_only(), async |session| {
                    accounts.get(1).await?;
                    Ok::<_, Error>(session)
                });
                let session = read.await.unwrap();
                assert_eq!(session.statistics().round_trips, 1);
                assert_eq!(session.statistics().statements, 3);
            }
            line.sessions.ping().await.unwrap();
        })
        .await;
    // Five units, and the ping that took the last COMMIT along.
    assert_eq!(cost.round_trips, 6);
    assert!(cost.run()[0].starts_with("BEGIN"), "{:?}", cost.run());
}

async fn the_commit_of_a_unit_that_only_read_is_not_waited_for(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let line = Line::new(&db).await;
    let accounts = line.accounts();
    for options in [READ.read_only(), READ] {
        let read = line.sessions.transaction(options, async |_| {
            let found = accounts.get(1).await?;
            line.proxy.set_black_hole(true);
            Ok::<_, Error>(found)
        });
        // Comes back although nothing gets through.
        assert_eq!(read.await.unwrap().balance, 10);
        line.proxy.set_black_hole(false);
        line.sessions.ping().await.unwrap();
    }
}

/// It is the COMMIT that tells whether what was read can be believed.
async fn a_serializable_read_waits_for_its_commit(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let line = Line::new(&db).await;
    let accounts = line.accounts();
    let serializable = READ.read_only().isolation(Isolation::Serializable);
    let read = line.sessions.transaction(serializable, async |session| {
        accounts.get(1).await?;
        Ok::<_, Error>(session)
    });
    let cost = line.cost(read).await;
    assert_eq!(cost.round_trips, 2);
    assert_eq!(cost.value.unwrap().statistics().round_trips, 2);
}

async fn a_query_sends_pending_writes_ahead_of_itself_in_the_same_burst(db: Database) {
    let line = Line::new(&db).await;
    let accounts = line.accounts();
    let work = line.sessions.transaction(READ, async |session| {
        accounts.add(&mut account(1, "ann", 10))?;
        let rich = accounts.filter(AccountRow::COLUMNS.balance.gt(5)).all().await?;
        assert_eq!(rich.len(), 1);
        assert_eq!(session.statistics().round_trips, 1);
        Ok::<_, Error>(())
    });
    let cost = line.cost(work).await;
    cost.value.as_ref().unwrap();
    assert_eq!(cost.round_trips, 2);
    assert_eq!(cost.words(), ["BEGIN", "INSERT", "SELECT", "COMMIT"]);
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1)]);
}

async fn a_query_without_autoflush_leaves_pending_writes_alone(db: Database) {
    let line = Line::with(&db, |config| config.autoflush(false)).await;
    let accounts = line.accounts();
    let work = line.sessions.transaction(READ, async |session| {
        accounts.add(&mut account(1, "ann", 10))?;
        assert_eq!(accounts.query().count().await?, 0);
        session.flush().await?;
        assert_eq!(accounts.query().count().await?, 1);
        Ok::<_, Error>(())
    });
    let cost = line.cost(work).await;
    cost.value.as_ref().unwrap();
    assert_eq!(cost.round_trips, 4);
    assert_eq!(cost.words(), ["BEGIN", "SELECT", "INSERT", "SELECT", "COMMIT"]);
}

async fn a_plain_query_sends_pending_writes_ahead_of_itself(db: Database) {
    let line = Line::new(&db).await;
    let accounts = line.accounts();
    let work = line.sessions.transaction(READ, async |session| {
        accounts.add(&mut account(1, "ann", 10))?;
        session.sql("SELECT count(*) FROM accounts").fetch_one::<(i64,)>().await
    });
    let cost = line.cost(work).await;
    assert_eq!(cost.value.as_ref().unwrap().0, 1);
    assert_eq!(cost.round_trips, 2);
}
