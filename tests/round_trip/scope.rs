//! Scopes within scopes.

use spakky::prelude::*;
use spakky::{Error, Propagation};

use crate::support::{Database, Line, account, facts, on_postgres};

on_postgres![
    a_joined_scope_costs_nothing,
    a_transaction_of_its_own_costs_its_own_round_trip,
    the_end_of_a_nested_scope_that_queued_costs_one_round_trip,
    a_savepoint_travels_with_what_it_protects,
    going_back_to_a_savepoint_travels_with_what_comes_next,
    settings_travel_with_begin,
    hooks_that_write_travel_with_commit,
];

const OUTER: TransactionOptions = TransactionOptions::new().name("outer");
const NESTED: TransactionOptions = TransactionOptions::new().name("nested").propagation(Propagation::Nested);

async fn a_joined_scope_costs_nothing(db: Database) {
    let line = Line::new(&db).await;
    let accounts = line.accounts();
    let work = line.sessions.transaction(OUTER, async |_| {
        accounts.add(&mut account(1, "ann", 10))?;
        line.sessions.transaction(OUTER, async |_| accounts.add(&mut account(2, "bob", 20))).await
    });
    let cost = line.cost(work).await;
    cost.value.as_ref().unwrap();
    assert_eq!((cost.round_trips, cost.words().len()), (1, 3));
    assert_eq!(db.accounts().await.len(), 2);
}

async fn a_transaction_of_its_own_costs_its_own_round_trip(db: Database) {
    let line = Line::with(&db, |config| config.pool_size(2)).await;
    let accounts = line.accounts();
    let own = OUTER.propagation(Propagation::RequiresNew);
    let work = line.sessions.transaction(OUTER, async |_| {
        accounts.add(&mut account(1, "ann", 10))?;
        line.sessions.transaction(own, async |_| accounts.add(&mut account(2, "bob", 20))).await
    });
    let cost = line.cost(work).await;
    cost.value.as_ref().unwrap();
    assert_eq!(cost.round_trips, 2);
    assert_eq!(cost.words()[..3], ["BEGIN", "INSERT", "COMMIT"]);
    assert_eq!(line.sessions.status().size, 1, "the outer one had no connection yet");
    assert_eq!(db.accounts().await.len(), 2);
}

async fn the_end_of_a_nested_scope_that_queued_costs_one_round_trip(db: Database) {
    let line = Line::new(&db).await;
    let accounts = line.accounts();
    let work = line.sessions.transaction(OUTER, async |_| {
        accounts.add(&mut account(1, "ann", 10))?;
        line.sessions.transaction(NESTED, async |_| accounts.add(&mut account(2, "bob", 20))).await?;
        let undone = line.sessions.transaction(NESTED, async |_| {
            accounts.add(&mut account(3, "cy", 20))?;
            // Known to be there, so that nothing is sent of this scope.
            accounts.add(&mut account(2, "bob", 20))
        });
        assert!(undone.await.unwrap_err().is_unique_violation());
        Ok::<_, Error>(())
    });
    let cost = line.cost(work).await;
    cost.value.as_ref().unwrap();
    // The nested scope's own verdict; COMMIT.
    assert_eq!(cost.round_trips, 2);
    assert_eq!(cost.words(), ["BEGIN", "INSERT", "SAVEPOINT", "INSERT", "RELEASE", "COMMIT"]);
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1), facts(2, "bob", 20, 1)]);
}

async fn a_savepoint_travels_with_what_it_protects(db: Database) {
    let line = Line::new(&db).await;
    let accounts = line.accounts();
    let work = line.sessions.transaction(OUTER, async |session| {
        accounts.add(&mut account(1, "ann", 10))?;
        let nested = line.sessions.transaction(NESTED, async |_| accounts.add_now(&mut account(2, "bob", 20)).await);
        nested.await?;
        assert_eq!(session.statistics().round_trips, 1);
        Ok::<_, Error>(())
    });
    let cost = Box::pin(line.cost(work)).await;
    cost.value.as_ref().unwrap();
    assert_eq!(cost.round_trips, 2);
    let run = cost.run();
    assert_eq!(cost.words(), ["BEGIN", "INSERT", "SAVEPOINT", "INSERT", "RELEASE", "COMMIT"], "{run:?}");
    assert_eq!(db.accounts().await.len(), 2);
}

async fn going_back_to_a_savepoint_travels_with_what_comes_next(db: Database) {
    let line = Line::new(&db).await;
    let accounts = line.accounts();
    let work = line.sessions.transaction(OUTER, async |_| {
        accounts.add(&mut account(1, "ann", 10))?;
        let nested = line.sessions.transaction(NESTED, async |_| accounts.add_now(&mut account(1, "bob", 20)).await);
        assert!(nested.await.unwrap_err().is_unique_violation());
        let nested = line.sessions.transaction(NESTED, async |_| accounts.add_now(&mut account(2, "bob", -1)).await);
        assert!(nested.await.unwrap_err().is_check_violation());
        accounts.add(&mut account(2, "bob", 20))
    });
    let cost = Box::pin(line.cost(work)).await;
    cost.value.as_ref().unwrap();
    // The first nested scope fails before anything is sent; the second is sent and undone; COMMIT.
    assert_eq!(cost.round_trips, 2, "{:?}", cost.run());
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1), facts(2, "bob", 20, 1)]);
}

async fn settings_travel_with_begin(db: Database) {
    let line = Line::new(&db).await;
    let accounts = line.accounts();
    let work = line.sessions.transaction(OUTER, async |_| accounts.add(&mut account(1, "ann", 10)));
    let cost = line.cost(RequestContext::new().setting("app.tenant", "blue").scope(work)).await;
    cost.value.as_ref().unwrap();
    assert_eq!(cost.round_trips, 1);
    assert_eq!(cost.words(), ["BEGIN", "SELECT", "INSERT", "COMMIT"]);
    assert_eq!(cost.run()[1], "SELECT pg_catalog.set_config($1, $2, true)");
}

async fn hooks_that_write_travel_with_commit(db: Database) {
    let line = Line::new(&db).await;
    let work = line.sessions.transaction(OUTER, async |session| {
        let accounts = line.accounts().in_session(&session);
        accounts.add(&mut account(1, "ann", 10))?;
        session.before_commit(move || async move { accounts.add(&mut account(2, "bob", 20)) });
        Ok::<_, Error>(())
    });
    let cost = line.cost(work).await;
    cost.value.as_ref().unwrap();
    assert_eq!((cost.round_trips, cost.words().len()), (1, 3));
    assert_eq!(db.accounts().await.len(), 2);
}
