//! Diesel's connection in a closure.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::result::Error as DieselError;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text};

use super::support::*;
use crate::backend::Step;
use crate::backend::sqlite::LendFailure;
use crate::error::ErrorKind;

type Lent = diesel::SqliteConnection;

fn insert(connection: &mut Lent, id: i64) -> QueryResult<usize> {
    sql_query("INSERT INTO t(id, name) VALUES (?, ?)")
        .bind::<BigInt, _>(id)
        .bind::<Text, _>(format!("n{id}"))
        .execute(connection)
}

#[tokio::test]
async fn a_closure_works_inside_the_open_transaction() {
    let connection = memory().await;
    connection.table(0).await;
    connection.all(vec![begin()]).await;
    assert_eq!(connection.run(|lent| insert(lent, 1)).await.unwrap(), 1);
    assert_eq!(connection.count().await, 1);
    connection.all(vec![Step::Rollback]).await;
    assert_eq!(connection.count().await, 0);
    connection.run(|lent| insert(lent, 1)).await.unwrap();
    assert_eq!(connection.count().await, 1);
}

#[tokio::test]
async fn a_nested_transaction_of_diesels_is_a_savepoint() {
    let connection = memory().await;
    connection.table(0).await;
    connection.all(vec![begin()]).await;
    let done = connection
        .run(|lent| {
            insert(lent, 1)?;
            let undone: QueryResult<()> = lent.transaction(|lent| {
                insert(lent, 2)?;
                Err(DieselError::RollbackTransaction)
            });
            assert_eq!(undone, Err(DieselError::RollbackTransaction));
            lent.transaction(|lent| insert(lent, 3))
        })
        .await;
    assert_eq!(done.unwrap(), 1);
    connection.all(vec![Step::Commit]).await;
    assert_eq!(connection.number("SELECT sum(id) FROM t").await, 4);
    // Outside of a transaction it is one.
    connection.run(|lent| lent.immediate_transaction(|lent| insert(lent, 10))).await.unwrap();
    assert_eq!(connection.number("SELECT sum(id) FROM t").await, 14);
}

#[tokio::test]
async fn a_closures_error_is_classified_and_leaves_the_transaction_good() {
    let connection = memory().await;
    connection.table(0).await;
    connection.all(vec![begin()]).await;
    connection.run(|lent| insert(lent, 1)).await.unwrap();
    let failure = connection.run(|lent| insert(lent, 1)).await.unwrap_err();
    let LendFailure::Query(error) = failure else { panic!("{failure:?}") };
    assert_eq!((error.kind, error.table.as_deref()), (ErrorKind::UniqueViolation, Some("t")));
    let failure = connection.run(|_| Err::<(), _>(DieselError::NotFound)).await.unwrap_err();
    assert!(matches!(failure, LendFailure::Query(error) if error.kind == ErrorKind::NotFound));
    connection.all(vec![Step::Commit]).await;
    assert_eq!(connection.count().await, 1);
}

#[tokio::test]
async fn a_closure_that_ends_the_transaction_dooms_it() {
    let connection = memory().await;
    connection.table(0).await;
    type Breach = fn(&mut Lent) -> QueryResult<()>;
    let breaches: [(&str, Breach); 4] = [
        ("commits by hand", |lent| lent.batch_execute("COMMIT")),
        ("rolls back by hand", |lent| lent.batch_execute("ROLLBACK")),
        ("ends ours by diesel", |lent| {
            use diesel::connection::{AnsiTransactionManager, TransactionManager};
            AnsiTransactionManager::rollback_transaction(lent)
        }),
        ("leaves one open", |lent| {
            use diesel::connection::{AnsiTransactionManager, TransactionManager};
            AnsiTransactionManager::begin_transaction(lent)
        }),
    ];
    for (name, breach) in breaches {
        connection.all(vec![begin()]).await;
        let failure = connection.run(breach).await.unwrap_err();
        assert!(matches!(failure, LendFailure::Unbalanced(_)), "{name}: {failure:?}");
        assert!(matches!(connection.run(|lent| insert(lent, 5)).await, Err(LendFailure::Refused(_))), "{name}");
        let error = connection.error(vec![query("INSERT INTO t(id) VALUES (1)", &[]), Step::Commit]).await;
        assert_eq!(error.kind, ErrorKind::RollbackOnly, "{name}");
    }
    let failure = connection.run(|lent| lent.batch_execute("BEGIN")).await.unwrap_err();
    assert!(matches!(failure, LendFailure::Unbalanced(_)), "{failure:?}");
    connection.all(vec![begin(), Step::Commit]).await;
    assert_eq!(connection.count().await, 0);
}

#[tokio::test]
async fn a_panic_in_a_closure_comes_back_and_dooms_the_transaction() {
    let connection = memory().await;
    connection.table(0).await;
    connection.all(vec![begin()]).await;
    let failure = connection
        .run(|lent| -> QueryResult<()> {
            insert(lent, 1)?;
            std::panic::panic_any("the closure's own words")
        })
        .await
        .unwrap_err();
    let LendFailure::Panicked(panic) = failure else { panic!("{failure:?}") };
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"the closure's own words"));
    assert_eq!(connection.error(vec![Step::Commit]).await.kind, ErrorKind::RollbackOnly);
    assert_eq!(connection.count().await, 0);
    assert!(connection.is_usable());
}

#[tokio::test]
async fn a_cancel_interrupts_what_a_closure_runs() {
    let connection = memory().await;
    let (begins, begun) = tokio::sync::oneshot::channel();
    let lent = connection.run(move |lent| {
        begins.send(()).unwrap();
        let first = sql_query(ENDLESS).execute(lent);
        assert!(first.is_err());
        // The closure goes on, and is told again.
        sql_query(ENDLESS).execute(lent)
    });
    let mut lent = std::pin::pin!(lent);
    tokio::select! {
        biased;
        ended = &mut lent => panic!("it ended: {ended:?}"),
        begun = begun => begun.unwrap(),
    }
    connection.cancel().await;
    let failure = lent.await.unwrap_err();
    assert!(matches!(&failure, LendFailure::Query(error) if error.kind == ErrorKind::Timeout), "{failure:?}");
    assert_eq!(connection.number("SELECT 1").await, 1);
}

#[tokio::test]
async fn a_closure_that_replaces_the_connection_does_no_harm_to_memory() {
    let connection = memory().await;
    connection.table(2).await;
    connection.all(vec![begin()]).await;
    let (sender, receiver) = std::sync::mpsc::channel();
    let failure = connection
        .run(move |lent| {
            let mut other = Lent::establish(":memory:").unwrap();
            std::mem::swap(lent, &mut other);
            sender.send(other).unwrap();
            Ok(())
        })
        .await
        .unwrap_err();
    assert!(matches!(failure, LendFailure::Unbalanced(_)), "{failure:?}");
    assert_eq!(connection.error(vec![Step::Commit]).await.kind, ErrorKind::RollbackOnly);
    assert_eq!(connection.count().await, 2);
    let thread = std::sync::Arc::downgrade(&connection.queue);
    drop(connection);
    eventually("the thread ends", async || thread.strong_count() == 0).await;
    // Nothing on the connection that was taken away points at what is gone.
    let mut taken = receiver.recv().unwrap();
    sql_query("SELECT 1").execute(&mut taken).unwrap();
}
