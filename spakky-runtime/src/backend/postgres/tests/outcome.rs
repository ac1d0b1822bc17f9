//! What became of a COMMIT whose answer was cut off.

use std::time::Duration;

use super::support::*;
use crate::backend::Step;
use crate::backend::postgres::outcome::{Outcome, ServerIdentity, resolve};
use crate::backend::postgres::{PostgresConnection, Server};
use crate::testing::proxy::{CountingProxy, Cut};
use crate::value::ColumnValue;

/// A connection through a proxy, and a table whose commits wait for the advisory lock 7.
async fn start() -> (TestDatabase, CountingProxy, PostgresConnection, ServerIdentity) {
    let database = TestDatabase::create().await;
    database
        .run(
            "CREATE TABLE item (id int8 PRIMARY KEY); CREATE TABLE slow (id int8); \
             CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN PERFORM pg_advisory_xact_lock(7); RETURN NULL; END $$; \
             CREATE CONSTRAINT TRIGGER t AFTER INSERT ON slow DEFERRABLE INITIALLY DEFERRED \
             FOR EACH ROW EXECUTE FUNCTION wait()",
        )
        .await;
    let proxy = CountingProxy::start(database.url()).await.unwrap();
    let mut options = database.options();
    options.server = Server::read(proxy.url()).unwrap();
    let connection = PostgresConnection::connect(&options).await.unwrap();
    let identity = connection.identify().await.expect("a superuser may ask");
    (database, proxy, connection, identity)
}

/// Writes and commits over a line that breaks; answers with the xid that came before the break.
async fn lose(connection: &PostgresConnection, table: &str) -> String {
    let insert = format!("INSERT INTO {table} VALUES (1) RETURNING pg_current_xact_id()::text");
    let mut failed = failure(connection, vec![begin(), query(&insert), Step::Commit]).await;
    assert!(failed.lost);
    String::from_value(failed.answers[1].rows.remove(0).remove(0)).unwrap()
}

#[tokio::test]
async fn a_commit_whose_answer_was_cut_off_is_found_committed() {
    let (database, proxy, connection, identity) = start().await;
    proxy.cut(Cut::after(|message| message.is_sql("COMMIT")));
    let xid = lose(&connection, "item").await;
    let other = database.connect().await;
    assert_eq!(resolve(&other, &xid, &identity, LIMIT).await, Outcome::Committed);
    assert_eq!(database.number("SELECT count(*) FROM item").await, 1);
}

#[tokio::test]
async fn a_commit_that_never_arrived_is_found_aborted() {
    let (database, proxy, connection, identity) = start().await;
    proxy.cut(Cut::before(|message| message.is_sql("COMMIT")));
    let xid = lose(&connection, "item").await;
    let other = database.connect().await;
    assert_eq!(resolve(&other, &xid, &identity, LIMIT).await, Outcome::Aborted);
    assert_eq!(database.number("SELECT count(*) FROM item").await, 0);
}

#[tokio::test]
async fn a_commit_in_progress_is_waited_for() {
    let (database, proxy, connection, identity) = start().await;
    let holder = database.connect().await;
    answers(&holder, vec![begin(), query("SELECT pg_advisory_xact_lock(7)")]).await;
    proxy.cut(Cut::after(|message| message.is_sql("COMMIT")));
    let xid = lose(&connection, "slow").await;
    let other = database.connect().await;
    assert_eq!(resolve(&other, &xid, &identity, Duration::from_millis(50)).await, Outcome::Unknown);

    let (outcome, _) =
        tokio::join!(resolve(&other, &xid, &identity, LIMIT), answers(&holder, vec![query("SELECT 1"), Step::Commit]));
    assert_eq!(outcome, Outcome::Committed);
}

#[tokio::test]
async fn nobody_else_is_believed() {
    let (database, proxy, connection, identity) = start().await;
    proxy.cut(Cut::after(|message| message.is_sql("COMMIT")));
    let xid = lose(&connection, "item").await;
    let other = database.connect().await;
    for wrong in [
        ServerIdentity { system_identifier: "1".into(), ..identity.clone() },
        ServerIdentity { timeline: "000000FF".into(), ..identity.clone() },
        ServerIdentity { statistics_since: "before the crash".into(), ..identity.clone() },
    ] {
        assert_eq!(resolve(&other, &xid, &wrong, LIMIT).await, Outcome::Unknown);
    }
    for wrong in ["18446744073709551614", "no number", ""] {
        assert_eq!(resolve(&other, wrong, &identity, LIMIT).await, Outcome::Unknown, "{wrong}");
    }
    assert_eq!(resolve(&connection, &xid, &identity, LIMIT).await, Outcome::Unknown, "the lost connection itself");
}
