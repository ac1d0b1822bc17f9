//! A nested scope that ends well sends what it has queued, so that a failure of it is its own.

use std::time::Duration;

use spakky::Error;
use spakky::prelude::*;

use crate::support::{Database, account, facts, on_each_backend};

on_each_backend![
    a_conflict_of_what_is_queued_inside_is_told_at_the_end_of_the_nested_scope,
    a_taken_value_inside_leaves_what_is_queued_outside_as_it_was,
    the_end_of_a_nested_scope_costs_one_round_trip,
    a_nested_scope_that_queues_nothing_sends_nothing,
    what_is_sent_at_the_end_of_a_nested_scope_has_no_more_time_than_the_scope,
];

const OUTER: TransactionOptions = TransactionOptions::new().name("outer");
const INNER: TransactionOptions = TransactionOptions::new().name("inner").propagation(Propagation::Nested);

async fn a_conflict_of_what_is_queued_inside_is_told_at_the_end_of_the_nested_scope(db: Database) {
    db.store(&[account(1, "ann", 10), account(2, "bob", 20)]).await;
    let accounts = db.account_repository();
    let work = db.sessions.transaction(OUTER, async |_| {
        let mut bob = accounts.get(2).await?;
        let mut ann = accounts.get(1).await?;
        db.execute("UPDATE accounts SET version = 5 WHERE id = 1").await;
        let inner = db.sessions.transaction(INNER, async |_| {
            ann.balance = 11;
            accounts.save(&mut ann)
        });
        let error = inner.await.unwrap_err();
        assert!(error.is_conflict(), "{error:?}");
        assert_eq!(error.ids(), ["1"]);
        bob.balance = 21;
        accounts.save(&mut bob)?;
        // Read again, since it was not saved.
        assert_eq!(accounts.untracked().get(1).await?.balance, 10);
        Ok::<_, Error>(())
    });
    work.await.unwrap();
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 5), facts(2, "bob", 21, 2)]);
}

async fn a_taken_value_inside_leaves_what_is_queued_outside_as_it_was(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    let work = db.sessions.transaction(OUTER, async |session| {
        accounts.add(&mut account(2, "bob", 20))?;
        let inner = db.sessions.transaction(INNER, async |_| accounts.add(&mut account(3, "ann", 30)));
        let error = inner.await.unwrap_err();
        assert!(error.is_unique_violation(), "{error:?}");
        assert!(!session.is_rollback_only());
        assert!(accounts.find(3).await?.is_none());
        accounts.add(&mut account(4, "cy", 40))
    });
    work.await.unwrap();
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1), facts(2, "bob", 20, 1), facts(4, "cy", 40, 1)]);
}

async fn the_end_of_a_nested_scope_costs_one_round_trip(db: Database) {
    let accounts = db.account_repository();
    let work = db.sessions.transaction(OUTER, async |session| {
        accounts.add(&mut account(1, "ann", 10))?;
        let inner = async |_| {
            accounts.add_all(&mut [account(2, "bob", 20), account(3, "cy", 30)])?;
            assert_eq!(session.statistics().round_trips, 0);
            Ok::<_, Error>(())
        };
        db.sessions.transaction(INNER, inner).await?;
        assert_eq!(session.statistics().round_trips, 1);
        let words: Vec<String> = db.sent().iter().filter_map(|sql| Some(sql.split(' ').next()?.to_owned())).collect();
        assert_eq!(words, ["BEGIN", "INSERT", "SAVEPOINT", "INSERT"]);
        Ok::<_, Error>(())
    });
    work.await.unwrap();
    assert_eq!(db.accounts().await.len(), 3);
}

async fn a_nested_scope_that_queues_nothing_sends_nothing(db: Database) {
    let accounts = db.account_repository();
    let work = db.sessions.transaction(OUTER, async |session| {
        accounts.add(&mut account(1, "ann", 10))?;
        let inner = async |_| {
            let mut bob = account(2, "bob", 20);
            accounts.add(&mut bob)?;
            accounts.delete(&mut bob)
        };
        db.sessions.transaction(INNER, inner).await?;
        db.sessions.transaction(INNER, async |_| Ok::<_, Error>(())).await?;
        assert_eq!(session.statistics().round_trips, 0);
        Ok::<_, Error>(())
    });
    work.await.unwrap();
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1)]);
    assert!(!db.sent().iter().any(|sql| sql.contains("SAVEPOINT")));
}

async fn what_is_sent_at_the_end_of_a_nested_scope_has_no_more_time_than_the_scope(db: Database) {
    db.store(&[account(1, "ann", 10), account(2, "bob", 20)]).await;
    let accounts = db.account_repository();
    let holder = db.observer().begin();
    holder.session().sql("UPDATE accounts SET balance = balance WHERE id = 1").execute().await.unwrap();
    let work = db.sessions.transaction(OUTER, async |_| {
        let mut ann = accounts.get(1).await?;
        let limited = INNER.timeout(Duration::from_millis(100));
        let inner = db.sessions.transaction(limited, async |_| {
            ann.balance = 11;
            accounts.save(&mut ann)
        });
        assert_eq!(inner.await.unwrap_err().to_string(), "finish `inner` within 100ms");
        // What the scope around it has begun meanwhile goes on.
        holder.rollback().await;
        Ok::<_, Error>(())
    });
    work.await.unwrap();
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1), facts(2, "bob", 20, 1)]);
}
