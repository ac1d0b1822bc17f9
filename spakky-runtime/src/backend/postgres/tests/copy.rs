//! Rows in bulk.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use bytes::{Buf, Bytes};
use diesel::result::Error as DieselError;
use diesel_async::SimpleAsyncConnection;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::support::*;
use crate::backend::postgres::encode::Job;
use crate::backend::postgres::exchange::CopyDirection;
use crate::backend::postgres::{PgConnection, PostgresConnection, PostgresOptions};
use crate::testing::proxy::{CountingProxy, Direction};
use crate::value::Value;

const COPY_IN: &str = "COPY lines (id, line) FROM STDIN";

async fn connect(database: &TestDatabase) -> PgConnection {
    database.run("CREATE TABLE lines (id int8 PRIMARY KEY, line text NOT NULL)").await;
    lend(database).await
}

async fn lend(database: &TestDatabase) -> PgConnection {
    <PgConnection as diesel_async::AsyncConnection>::establish(database.url()).await.unwrap()
}

fn row(id: usize) -> String {
    format!("{id}\tline {id}\n")
}

fn pieces(pieces: Vec<Bytes>) -> impl futures_util::Stream<Item = Result<Bytes, Infallible>> {
    stream::iter(pieces.into_iter().map(Ok))
}

/// Gives one piece, and never anything after it.
fn stalled(piece: impl Into<Bytes>) -> impl futures_util::Stream<Item = Result<Bytes, Infallible>> {
    pieces(vec![piece.into()]).chain(stream::pending())
}

#[tokio::test]
async fn rows_go_to_the_server_however_they_are_cut() {
    let database = TestDatabase::create().await;
    let mut connection = connect(&database).await;
    let all: String = (0..1_000).map(row).collect();
    for size in [1, 7, 4_096, all.len()] {
        let cut = all.as_bytes().chunks(size).map(Bytes::copy_from_slice).collect();
        assert_eq!(connection.copy_in(COPY_IN, pieces(cut)).await, Ok(1_000));
        assert_eq!(database.number("SELECT count(*) FROM lines WHERE line = 'line ' || id").await, 1_000);
        connection.batch_execute("TRUNCATE lines").await.unwrap();
    }
    assert_eq!(connection.copy_in(COPY_IN, pieces(Vec::new())).await, Ok(0));
    assert_eq!(
        connection.copy_in(COPY_IN, pieces(vec![Bytes::new(), Bytes::from("1\t\n"), Bytes::new()])).await,
        Ok(1)
    );
}

#[tokio::test]
async fn a_server_that_takes_its_time_is_not_run_ahead_of() {
    let database = TestDatabase::create().await;
    let mut connection = connect(&database).await;
    let line = "x".repeat(10_000);
    let rows = (0..4_000).map(|id| Ok::<_, Infallible>(Bytes::from(format!("{id}\t{line}\n"))));
    assert_eq!(connection.copy_in(COPY_IN, stream::iter(rows)).await, Ok(4_000));
    // One piece of all of it.
    let all: String = (4_000..8_000).map(|id| format!("{id}\t{line}\n")).collect();
    assert_eq!(connection.copy_in(COPY_IN, pieces(vec![Bytes::from(all)])).await, Ok(4_000));
    assert_eq!(database.number("SELECT count(*) FROM lines WHERE length(line) = 10000").await, 8_000);
}

#[tokio::test]
async fn rows_come_from_the_server_as_they_are_taken() {
    let database = TestDatabase::create().await;
    let mut connection = connect(&database).await;
    let query = "COPY (SELECT id::int8, 'line ' || id FROM generate_series(0, 99999) AS id) TO STDOUT";
    let mut rows = connection.copy_out(query).await.unwrap();
    let mut id = 0;
    while let Some(piece) = rows.try_next().await.unwrap() {
        assert_eq!(piece, row(id));
        id += 1;
    }
    assert_eq!(id, 100_000);
    assert_eq!(rows.next().await, None);
    // One that is left is passed over by what comes next.
    let mut rows = connection.copy_out(query).await.unwrap();
    assert_eq!(rows.try_next().await.unwrap().unwrap(), row(0));
    drop(rows);
    // From one to the other, byte for byte, in the binary form.
    let mut other = lend(&database).await;
    let rows = connection.copy_out(&query.replace("STDOUT", "STDOUT (FORMAT binary)")).await.unwrap();
    let stored = other.copy_in("COPY lines FROM STDIN (FORMAT binary)", rows).await;
    assert_eq!(stored, Ok(100_000));
    let none = connection.copy_out("COPY (SELECT 1 WHERE false) TO STDOUT").await.unwrap();
    assert_eq!(none.collect::<Vec<_>>().await, []);
}

#[tokio::test]
async fn what_the_server_does_not_take_ends_the_stream() {
    let database = TestDatabase::create().await;
    let mut connection = connect(&database).await;
    // It would never end by itself.
    let taken = Arc::new(AtomicUsize::new(0));
    let counted = taken.clone();
    let endless = stream::iter(0..).map(move |id| {
        counted.fetch_add(1, Ordering::SeqCst);
        Ok::<_, Infallible>(Bytes::from(if id == 10 { "not a number\tx\n".to_owned() } else { row(id) }))
    });
    let error = connection.copy_in(COPY_IN, endless).await.unwrap_err();
    assert_eq!(error.to_string(), "invalid input syntax for type bigint: \"not a number\"");
    assert_eq!(connection.last_sqlstate().as_deref(), Some("22P02"));
    assert!(taken.load(Ordering::SeqCst) > 10);
    // What it does not do at all takes none.
    let untouched = stream::once(async { panic!("nothing was asked for") });
    let error =
        connection.copy_in("COPY nowhere FROM STDIN", untouched.map(Ok::<Bytes, Infallible>)).await.unwrap_err();
    assert_eq!(error.to_string(), "relation \"nowhere\" does not exist");
    let error = connection.copy_out("COPY (SELECT 1 / (id - 3) FROM lines) TO STDOUT").await;
    assert_eq!(error.map(drop), Ok(()));
    connection.batch_execute("INSERT INTO lines SELECT id, '' FROM generate_series(1, 5) AS id").await.unwrap();
    let rows = connection.copy_out("COPY (SELECT 6 / (id - 3) FROM lines ORDER BY id) TO STDOUT").await.unwrap();
    let rows: Vec<_> = rows.map(|row| row.map_err(|error| error.to_string())).collect().await;
    let divided = Err("division by zero".to_owned());
    assert_eq!(rows, [Ok(Bytes::from("-3\n")), Ok(Bytes::from("-6\n")), divided]);
    assert_eq!(connection.copy_in(COPY_IN, pieces(vec![Bytes::from(row(6))])).await, Ok(1));
}

#[tokio::test]
async fn a_stream_that_fails_leaves_nothing() {
    let database = TestDatabase::create().await;
    let mut connection = connect(&database).await;
    let rows = (0..1_000)
        .map(|id| if id < 999 { Ok(Bytes::from(row(id))) } else { Err(io::Error::other("the file has ended")) });
    let error = connection.copy_in(COPY_IN, stream::iter(rows)).await.unwrap_err();
    assert!(
        matches!(&error, DieselError::SerializationError(error) if error.to_string() == "the file has ended"),
        "{error:?}"
    );
    assert_eq!(connection.last_sqlstate().as_deref(), Some("57014"));
    assert_eq!(database.number("SELECT count(*) FROM lines").await, 0);
    assert_eq!(connection.copy_in(COPY_IN, pieces(vec![Bytes::from(row(1))])).await, Ok(1));
}

#[tokio::test]
async fn a_call_that_is_given_up_leaves_all_or_nothing() {
    let database = TestDatabase::create().await;
    let mut connection = connect(&database).await;
    let all: String = (0..2_000).map(row).collect();
    let cut: Vec<Bytes> = all.as_bytes().chunks(100).map(Bytes::copy_from_slice).collect();
    for limit in 1.. {
        let mut polls = 0;
        let mut copying = Box::pin(connection.copy_in(
            COPY_IN,
            pieces(cut.clone()).then(async |piece| {
                tokio::task::yield_now().await;
                piece
            }),
        ));
        let ended = poll_fn(|cx| {
            polls += 1;
            match copying.as_mut().poll(cx) {
                Poll::Ready(stored) => Poll::Ready(Some(stored)),
                Poll::Pending if polls < limit => Poll::Pending,
                Poll::Pending => Poll::Ready(None),
            }
        })
        .await;
        drop(copying);
        // The connection goes on behind it, and waits for what it left.
        connection.batch_execute("SELECT 1").await.unwrap();
        let stored = database.number("SELECT count(*) FROM lines").await;
        match ended {
            Some(counted) => {
                assert_eq!((counted, stored), (Ok(2_000), 2_000), "after {limit} polls");
                break;
            }
            None if stored == 2_000 => connection.batch_execute("TRUNCATE lines").await.unwrap(),
            None => assert_eq!(stored, 0, "after {limit} polls"),
        }
    }
}

#[tokio::test]
async fn a_line_that_breaks_meanwhile_is_an_error() {
    let database = TestDatabase::create().await;
    let mut connection = connect(&database).await;
    let (url, mut sent) = (database.url().to_owned(), 0);
    let rows = stream::iter(0..).then(move |id| {
        let url = url.clone();
        sent += 1;
        let ends = sent == 50;
        async move {
            if ends {
                let options = PostgresOptions::from_url(&url, None).unwrap();
                let admin = PostgresConnection::connect(&options).await.unwrap();
                let others = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE 'COPY lines%' \
                              AND datname = current_database()";
                let ended = value(&admin, others).await;
                assert_eq!(ended, Value::I64(1));
            }
            Ok::<_, Infallible>(Bytes::from(row(id)))
        }
    });
    let error = Box::pin(connection.copy_in(COPY_IN, rows)).await.unwrap_err();
    assert_eq!(error.to_string(), "terminating connection due to administrator command");
    assert_eq!(database.number("SELECT count(*) FROM lines").await, 0);
}

#[tokio::test]
async fn the_server_is_heard_while_the_stream_gives_nothing() {
    let database = TestDatabase::create().await;
    let mut connection = connect(&database).await;
    let copying = connection.copy_in(COPY_IN, stalled("not a number\tx\n"));
    let error = timeout(LIMIT, copying).await.expect("the server's error ends it").unwrap_err();
    assert_eq!(error.to_string(), "invalid input syntax for type bigint: \"not a number\"");
    assert_eq!(connection.copy_in(COPY_IN, pieces(vec![Bytes::from(row(1))])).await, Ok(1));

    // What is there is sent, though nothing comes behind it.
    let ending = async {
        let progress =
            "SELECT count(*) FROM pg_stat_progress_copy WHERE datname = current_database() AND bytes_processed > 0";
        database.wait_for(progress, 1).await;
        database
            .run("SELECT pg_terminate_backend(pid) FROM pg_stat_progress_copy WHERE datname = current_database()")
            .await;
    };
    let copying = connection.copy_in(COPY_IN, stalled(row(2)));
    let (ended, ()) = timeout(LIMIT, async { tokio::join!(copying, ending) }).await.expect("the server's end ends it");
    assert_eq!(ended.unwrap_err().to_string(), "terminating connection due to administrator command");
}

#[tokio::test]
async fn a_connection_that_is_closed_meanwhile_ends_the_wait_for_the_stream() {
    let database = TestDatabase::create().await;
    drop(connect(&database).await);
    let connection = database.connect().await;
    let mut lent = connection.lend(false);
    let asked = Notify::new();
    let closing = async {
        asked.notified().await;
        connection.close();
    };
    let nothing = stream::once(async {
        asked.notify_one();
        std::future::pending().await
    });
    let copying = lent.copy_in(COPY_IN, pieces(vec![Bytes::from(row(1))]).chain(nothing));
    let (ended, ()) = timeout(LIMIT, async { tokio::join!(copying, closing) }).await.expect("it is told");
    assert_eq!(ended.unwrap_err().to_string(), "the connection was closed on this side");
}

/// The lengths of the pieces of rows in what a client sent.
fn copied(mut sent: &[u8]) -> Vec<usize> {
    let mut lengths = Vec::new();
    while sent.has_remaining() {
        let (tag, length) = (sent.get_u8(), sent.get_u32() as usize - 4);
        if tag == b'd' {
            lengths.push(length);
        }
        sent.advance(length);
    }
    lengths
}

#[tokio::test]
async fn a_long_piece_travels_as_several_messages() {
    let database = TestDatabase::create().await;
    drop(connect(&database).await);
    let proxy = CountingProxy::start(database.url()).await.unwrap();
    let mut connection = <PgConnection as diesel_async::AsyncConnection>::establish(proxy.url()).await.unwrap();
    let line = "x".repeat(8 * 1024 * 1024);
    let long = Bytes::from(format!("1\t{line}\n"));
    let length = long.len();
    proxy.record();
    assert_eq!(connection.copy_in(COPY_IN, pieces(vec![long, Bytes::from("2\tx\n")])).await, Ok(2));
    let lengths = copied(&proxy.recorded_bytes(Direction::ToServer));
    assert_eq!(lengths.iter().sum::<usize>(), length + 4);
    assert!(lengths.iter().all(|length| *length <= 64 * 1024), "{lengths:?}");
    assert_eq!(database.number("SELECT count(*) FROM lines WHERE length(line) = 8388608").await, 1);
}

#[tokio::test]
async fn what_does_not_copy_is_refused() {
    let database = TestDatabase::create().await;
    let mut connection = connect(&database).await;
    let told = "copy rows: the text is not one statement `COPY … FROM STDIN`; run others by themselves";
    for text in [
        "",
        "SELECT 1",
        "COPY lines TO STDOUT",
        "COPY lines FROM STDIN; COMMIT",
        "SELECT 1; COPY lines FROM STDIN",
        "COPY stdin_log TO STDOUT",
        "COPY stdin TO STDOUT",
        "COPY (SELECT 1 FROM stdin) TO STDOUT",
        "COPY public.from TO STDOUT -- FROM STDIN",
        "COPY lines FROM '/tmp/stdin'",
        "COPY lines FROM PROGRAM 'cat' /* STDIN */",
        "COPYING FROM STDIN",
    ] {
        let error = connection.copy_in(text, pieces(Vec::new())).await.unwrap_err();
        assert_eq!(error.to_string(), told, "{text}");
    }
    let told = told.replace("FROM STDIN", "TO STDOUT");
    for text in [
        "TABLE lines",
        COPY_IN,
        "COPY lines TO '/tmp/x'",
        "COPY lines TO STDOUT; SELECT 1",
        "COPY stdout_log FROM '/file'",
        "COPY stdout FROM STDIN",
        "COPY lines TO '/tmp/stdout'",
    ] {
        let error = connection.copy_out(text).await.map(drop).unwrap_err();
        assert_eq!(error.to_string(), told, "{text}");
    }
    assert_eq!(connection.copy_in(" copy lines from stdin; ", pieces(Vec::new())).await, Ok(0));
    connection.batch_execute("CREATE TABLE \"to\" (\"from\" int4)").await.unwrap();
    for text in [
        "COPY public.to (\"from\") FROM STDIN WHERE \"from\" > 1",
        "/* TO STDOUT */ COPY \"to\" FROM STDIN (FORMAT csv)",
    ] {
        assert_eq!(connection.copy_in(text, pieces(vec![Bytes::from("7\n")])).await, Ok(1), "{text}");
    }
    for text in ["COPY \"to\" TO STDOUT", "COPY (SELECT 7 FROM \"to\" LIMIT 2) TO STDOUT"] {
        let rows = connection.copy_out(text).await.unwrap();
        assert_eq!(rows.try_collect::<Vec<_>>().await.unwrap(), ["7\n", "7\n"], "{text}");
    }
}

/// What a statement comes to that is taken for one which copies that way.
async fn copied_as(connection: &PostgresConnection, sql: &str, direction: CopyDirection) -> String {
    let flight = connection.core.launch(Job::Copy(sql.to_owned(), direction));
    let (finished, _) = timeout(LIMIT, flight.finished()).await.expect("it is answered");
    let (_, failure) = finished.failure.expect("it goes the other way");
    failure.into_error().message
}

#[tokio::test]
async fn rows_that_go_the_other_way_are_a_failure() {
    let database = TestDatabase::create().await;
    drop(connect(&database).await);
    database.run("INSERT INTO lines SELECT id, '' FROM generate_series(1, 100000) AS id").await;
    let connection = database.connect().await;
    let told = "the statement copies rows from the server; use `copy_out`";
    assert_eq!(copied_as(&connection, "COPY lines TO STDOUT", CopyDirection::In).await, told);
    let told = "COPY from stdin failed: the statement copies rows to the server; use `copy_in`";
    assert_eq!(copied_as(&connection, COPY_IN, CopyDirection::Out).await, told);
    // The connection goes on behind them.
    assert_eq!(connection.lend(false).copy_in(COPY_IN, pieces(vec![Bytes::from(row(0))])).await, Ok(1));
    assert_eq!(value(&connection, "SELECT count(*) FROM lines").await, Value::I64(100_001));
}
