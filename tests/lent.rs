//! The databases' own connections inside a session's transaction.

use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};
use futures_util::{FutureExt, StreamExt};
use spakky::{Error, TransactionOptions};

use crate::support::{Database, account, on_postgres};

const SCOPE: TransactionOptions = TransactionOptions::new().name("lend");

diesel::table! {
    accounts (id) {
        id -> BigInt,
        owner -> Text,
        balance -> BigInt,
        remark -> Nullable<Text>,
        version -> BigInt,
    }
}

on_postgres! {
    diesel_sees_what_is_queued_and_the_session_sees_what_diesel_wrote,
    a_transaction_of_diesels_is_a_savepoint,
    a_failed_statement_dooms_the_scope_and_its_code_is_known,
    a_future_of_diesels_that_is_dropped_dooms_the_scope,
    a_transaction_left_open_dooms_the_scope,
    other_calls_of_the_session_are_refused_meanwhile,
    a_transaction_that_is_lent_can_be_rolled_back,
    a_transaction_that_is_lent_is_not_committed,
    rows_copied_in_bulk_are_part_of_the_transaction,
    a_copy_that_fails_or_is_given_up_dooms_the_scope,
    a_stream_that_is_kept_for_longer_than_its_loan_ends_and_holds_up_nobody,
    sqlite_is_not_lent,
}

async fn diesel_sees_what_is_queued_and_the_session_sees_what_diesel_wrote(db: Database) {
    let repo = db.account_repository();
    db.sessions
        .transaction(SCOPE, async |session| {
            repo.add(&mut account(1, "ann", 10))?;
            let mut conn = session.postgres().await?;
            let owners: Vec<String> = accounts::table.select(accounts::owner).load(&mut *conn).await.unwrap();
            assert_eq!(owners, ["ann"]);
            let written = diesel::update(accounts::table.find(1_i64))
                .set(accounts::balance.eq(accounts::balance + 5))
                .execute(&mut *conn)
                .await
                .unwrap();
            assert_eq!(written, 1);
            drop(conn);
            assert_eq!(repo.get(1).await?.balance, 15);
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    assert_eq!(db.numbers("SELECT balance FROM accounts").await, [15]);
}

async fn a_transaction_of_diesels_is_a_savepoint(db: Database) {
    db.sessions
        .transaction(SCOPE, async |session| {
            let mut conn = session.postgres().await?;
            let kept = conn.transaction::<_, diesel::result::Error, _>(async |conn| {
                diesel::sql_query("INSERT INTO accounts VALUES (1, 'ann', 1, NULL, 1)").execute(conn).await
            });
            assert_eq!(kept.await.unwrap(), 1);
            let undone = conn.transaction::<(), diesel::result::Error, _>(async |conn| {
                diesel::sql_query("INSERT INTO accounts VALUES (2, 'bob', 1, NULL, 1)").execute(conn).await?;
                Err(diesel::result::Error::RollbackTransaction)
            });
            assert!(undone.await.is_err());
            drop(conn);
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    assert_eq!(db.numbers("SELECT id FROM accounts").await, [1]);
}

const COPY: &str = "COPY accounts (id, owner, balance, version) FROM STDIN";

fn rows(count: usize) -> impl futures_util::Stream<Item = Result<spakky::postgres::Bytes, std::io::Error>> {
    futures_util::stream::iter(
        (0..count).map(|id| Ok(spakky::postgres::Bytes::from(format!("{id}\tann {id}\t10\t1\n")))),
    )
}

async fn rows_copied_in_bulk_are_part_of_the_transaction(db: Database) {
    let repo = db.account_repository();
    for fails in [true, false] {
        let result = db
            .sessions
            .transaction(SCOPE, async |session| {
                let mut conn = session.postgres().await?;
                assert_eq!(conn.copy_in(COPY, rows(500)).await, Ok(500));
                let copied = conn.copy_out("COPY (SELECT id FROM accounts ORDER BY id) TO STDOUT").await.unwrap();
                assert_eq!(copied.count().await, 500);
                drop(conn);
                assert_eq!(repo.get(499).await?.balance, 10);
                if fails { Err(Error::custom("enough")) } else { Ok(()) }
            })
            .await;
        assert_eq!(result.is_err(), fails);
        assert_eq!(db.numbers("SELECT count(*) FROM accounts").await, [if fails { 0 } else { 500 }]);
    }
}

async fn a_copy_that_fails_or_is_given_up_dooms_the_scope(db: Database) {
    for given_up in [false, true] {
        let result = db
            .sessions
            .transaction(SCOPE, async |session| {
                let mut conn = session.postgres().await?;
                if given_up {
                    let endless = rows(3).chain(futures_util::stream::pending());
                    let limit = std::time::Duration::from_millis(20);
                    assert!(tokio::time::timeout(limit, conn.copy_in(COPY, endless)).await.is_err());
                } else {
                    let twice = rows(1).chain(rows(1));
                    let error = conn.copy_in(COPY, twice).await.unwrap_err();
                    assert!(conn.classify(error).is_unique_violation());
                }
                Ok::<_, Error>(())
            })
            .await;
        assert!(result.unwrap_err().is_rollback_only());
        db.is_at_rest().await;
        assert_eq!(db.numbers("SELECT count(*) FROM accounts").await, [0]);
    }
}

async fn a_stream_that_is_kept_for_longer_than_its_loan_ends_and_holds_up_nobody(db: Database) {
    const NESTED: TransactionOptions =
        TransactionOptions::new().name("nested").propagation(spakky::Propagation::Nested);
    let repo = db.account_repository();
    db.sessions
        .transaction(SCOPE, async |session| {
            let mut kept = None;
            let nested = db.sessions.transaction(NESTED, async |session| {
                let mut conn = session.postgres().await?;
                let rows = conn.copy_out("COPY (SELECT generate_series(1, 1000000)) TO STDOUT").await.unwrap();
                kept = Some(rows);
                Ok::<_, Error>(())
            });
            assert!(nested.await.unwrap_err().is_rollback_only());
            // One row was here before. It does not wait for the others, whose end somebody else waits for.
            let kept = kept.as_mut().unwrap();
            kept.next().now_or_never().unwrap().unwrap().unwrap();
            let error = kept.next().now_or_never().unwrap().unwrap().unwrap_err();
            assert_eq!(error.to_string(), "the connection was given back while this was under way");
            repo.add(&mut account(1, "ann", 10))?;
            session.flush().await?;
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    assert_eq!(db.numbers("SELECT id FROM accounts").await, [1]);
    db.is_at_rest().await;
}

async fn a_failed_statement_dooms_the_scope_and_its_code_is_known(db: Database) {
    let result = db
        .sessions
        .transaction(SCOPE, async |session| {
            let mut conn = session.postgres().await?;
            let sql = "INSERT INTO accounts VALUES (1, 'ann', -1, NULL, 1)";
            let error = diesel::sql_query(sql).execute(&mut *conn).await.unwrap_err();
            assert_eq!(conn.last_sqlstate().as_deref(), Some("23514"));
            let error = conn.classify(error);
            assert!(error.is_check_violation(), "{error:?}");
            assert_eq!(error.constraint(), Some("ck_accounts_solvent"));
            Ok::<_, Error>(())
        })
        .await;
    let error = result.unwrap_err();
    assert!(error.is_rollback_only());
    assert_eq!(
        error.to_string(),
        "commit `lend`: it can only be rolled back, because in `lend`, a statement on the lent connection failed"
    );
}

async fn a_future_of_diesels_that_is_dropped_dooms_the_scope(db: Database) {
    let result = db
        .sessions
        .transaction(SCOPE, async |session| {
            let mut conn = session.postgres().await?;
            let slow = diesel::sql_query("SELECT pg_sleep(600)").execute(&mut *conn);
            let limit = std::time::Duration::from_millis(20);
            assert!(tokio::time::timeout(limit, slow).await.is_err());
            Ok::<_, Error>(())
        })
        .await;
    assert!(result.unwrap_err().is_rollback_only());
    db.is_at_rest().await;
}

async fn a_transaction_left_open_dooms_the_scope(db: Database) {
    let result = db
        .sessions
        .transaction(SCOPE, async |session| {
            let mut conn = session.postgres().await?;
            use diesel_async::SimpleAsyncConnection;
            let error = conn.batch_execute("COMMIT").await.unwrap_err();
            assert_eq!(
                error.to_string(),
                "run `COMMIT` on a lent connection: the session begins and ends its transaction itself; use \
                 `conn.transaction` for a part of it"
            );
            Ok::<_, Error>(())
        })
        .await;
    assert!(result.unwrap_err().is_rollback_only());
    db.is_at_rest().await;
}

async fn other_calls_of_the_session_are_refused_meanwhile(db: Database) {
    let repo = db.account_repository();
    db.sessions
        .transaction(SCOPE, async |session| {
            let conn = session.postgres().await?;
            let error = repo.find(1).await.unwrap_err();
            assert_eq!(
                error.to_string(),
                "use the session of `lend` while its connection is lent; drop the loan first"
            );
            drop(conn);
            assert!(repo.find(1).await?.is_none());
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
}

async fn a_transaction_that_is_lent_can_be_rolled_back(db: Database) {
    let transaction = db.sessions.begin();
    let session = transaction.session().clone();
    db.account_repository().in_session(&session).add(&mut account(1, "ann", 10)).unwrap();
    let mut conn = session.postgres().await.unwrap();
    transaction.rollback().await;
    // The row is free, though the loan is still held.
    db.store(&[account(1, "eve", 1)]).await;
    let late = diesel::sql_query("SELECT 1").execute(&mut *conn).await.unwrap_err();
    assert!(conn.classify(late).is_connection());
    drop(conn);
    db.is_at_rest().await;
    assert_eq!(db.numbers("SELECT balance FROM accounts").await, [1]);
}

async fn a_transaction_that_is_lent_is_not_committed(db: Database) {
    let transaction = db.sessions.begin();
    let session = transaction.session().clone();
    db.account_repository().in_session(&session).add(&mut account(1, "ann", 10)).unwrap();
    let conn = session.postgres().await.unwrap();
    let error = transaction.commit().await.unwrap_err();
    assert!(error.is_invalid_transaction(), "{error:?}");
    drop(conn);
    db.is_at_rest().await;
    assert_eq!(db.numbers("SELECT balance FROM accounts").await, Vec::<i64>::new());
}

async fn sqlite_is_not_lent(db: Database) {
    let result = db.sessions.transaction(SCOPE, async |session| session.sqlite(|_| Ok(())).await).await;
    let error: Error = result.unwrap_err();
    assert!(error.is_invalid_query());
    assert_eq!(error.to_string(), "lend the SQLite connection: this database is another; `sqlite` is for SQLite");
}
