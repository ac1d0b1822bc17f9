//! Diesel's own SQLite connection, lent.

use std::panic::AssertUnwindSafe;

use diesel::prelude::*;
use diesel::sql_query;
use futures_util::FutureExt;
use spakky::Error;
use spakky::prelude::*;

use crate::support::{Database, account, facts, on_sqlite};

const WORK: TransactionOptions = TransactionOptions::new().name("work");

on_sqlite![
    the_closure_works_inside_the_transaction,
    a_transaction_in_the_closure_is_a_savepoint,
    an_error_in_the_closure_is_classified,
    a_panic_in_the_closure_goes_on_and_rolls_back,
    a_closure_that_ends_the_transaction_dooms_the_scope,
    a_closure_that_leaves_a_transaction_open_dooms_the_scope,
];

#[test]
fn postgres_has_no_sqlite_connection_to_lend() {
    crate::support::run(spakky::Backend::Postgres, async |db: Database| {
        let work = db.sessions.transaction(WORK, async |session| session.sqlite(|_| Ok(())).await);
        let error = work.await.unwrap_err();
        assert!(error.is_invalid_query());
        assert_eq!(error.to_string(), "lend the SQLite connection: this database is another; `sqlite` is for SQLite");
    });
}

async fn the_closure_works_inside_the_transaction(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    let work = db.sessions.transaction(WORK, async |session| {
        accounts.get(1).await?;
        accounts.add(&mut account(2, "bob", 20))?;
        let raise = "UPDATE accounts SET balance = balance + 1, version = version + 1";
        let written = session.sqlite(move |conn| sql_query(raise).execute(conn)).await?;
        assert_eq!(written, 2);
        assert_eq!(accounts.get(1).await?.balance, 11, "read again");
        assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1)], "nobody else sees it");
        Ok::<_, Error>(())
    });
    work.await.unwrap();
    assert_eq!(db.accounts().await, [facts(1, "ann", 11, 2), facts(2, "bob", 21, 2)]);
}

async fn a_transaction_in_the_closure_is_a_savepoint(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let work = db.sessions.transaction(WORK, async |session| {
        let undone = session
            .sqlite(|conn| {
                conn.transaction(|conn| {
                    sql_query("UPDATE accounts SET balance = 99").execute(conn)?;
                    Err::<(), _>(diesel::result::Error::RollbackTransaction)
                })
                .or(Ok(()))
            })
            .await;
        undone?;
        session
            .sqlite(|conn| {
                conn.transaction(|conn| {
                    conn.transaction(|conn| sql_query("UPDATE accounts SET balance = balance + 1").execute(conn))
                })
            })
            .await
    });
    assert_eq!(work.await.unwrap(), 1);
    assert_eq!(db.accounts().await, [facts(1, "ann", 11, 1)]);
}

async fn an_error_in_the_closure_is_classified(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let work = db.sessions.transaction(WORK, async |session| {
        let add = "INSERT INTO accounts (id, owner, balance, version) VALUES (2, 'ann', 1, 1)";
        let error = session.sqlite(move |conn| sql_query(add).execute(conn)).await.unwrap_err();
        assert!(error.is_unique_violation(), "{error:?}");
        assert_eq!((error.table(), error.columns()), (Some("accounts"), ["owner".to_owned()].as_slice()));
        // A failed statement of SQLite undoes itself and nothing else.
        assert!(!session.is_rollback_only());
        db.account_repository().add(&mut account(3, "cy", 30))
    });
    work.await.unwrap();
    assert_eq!(db.accounts().await.len(), 2);
}

async fn a_panic_in_the_closure_goes_on_and_rolls_back(db: Database) {
    let accounts = db.account_repository();
    let work = db.sessions.transaction(WORK, async |session| {
        accounts.add(&mut account(1, "ann", 10))?;
        session.sqlite::<()>(|_| std::panic::panic_any("as it was thrown")).await
    });
    let panic = AssertUnwindSafe(work).catch_unwind().await.unwrap_err();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"as it was thrown"));
    db.is_at_rest().await;
    assert_eq!(db.accounts().await, []);
    db.sessions.transaction(WORK, async |_| accounts.add(&mut account(1, "ann", 10))).await.unwrap();
}

async fn dooms(db: &Database, sql: &'static str) {
    let accounts = db.account_repository();
    let work = db.sessions.transaction(WORK, async |session| {
        accounts.add(&mut account(1, "ann", 10))?;
        let error = session.sqlite(move |conn| sql_query(sql).execute(conn)).await.unwrap_err();
        assert!(error.is_rollback_only(), "{sql}: {error:?}");
        assert!(session.is_rollback_only());
        Ok::<_, Error>(())
    });
    assert!(work.await.unwrap_err().is_rollback_only());
    db.is_at_rest().await;
    assert_eq!(db.sessions.sql("SELECT count(*) FROM letters").fetch_one::<(i64,)>().await.unwrap(), (0,));
}

async fn a_closure_that_ends_the_transaction_dooms_the_scope(db: Database) {
    dooms(&db, "ROLLBACK").await;
    assert_eq!(db.accounts().await, []);
}

async fn a_closure_that_leaves_a_transaction_open_dooms_the_scope(db: Database) {
    let accounts = db.account_repository();
    let work = db.sessions.transaction(WORK, async |session| {
        accounts.add(&mut account(1, "ann", 10))?;
        let left_open = session.sqlite(|conn| {
            use diesel::connection::{AnsiTransactionManager, TransactionManager};
            AnsiTransactionManager::begin_transaction(conn)
        });
        assert!(left_open.await.unwrap_err().is_rollback_only());
        Ok::<_, Error>(())
    });
    assert!(work.await.unwrap_err().is_rollback_only());
    assert_eq!(db.accounts().await, []);
}
