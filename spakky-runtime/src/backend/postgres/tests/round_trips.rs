//! How often the network is crossed, counted by a proxy.

use super::support::*;
use crate::backend::postgres::{PostgresConnection, Server};
use crate::backend::{Bind, Burst, Step};
use crate::testing::proxy::{CountingProxy, MessageKind};
use crate::value::{ColumnValue, Value};

struct Counted {
    proxy: CountingProxy,
    connection: PostgresConnection,
    _database: TestDatabase,
}

impl Counted {
    async fn start(statement_cache_size: usize) -> Self {
        let database = TestDatabase::create().await;
        database.run("CREATE TABLE item (id int8 PRIMARY KEY, name text NOT NULL)").await;
        let proxy = CountingProxy::start(database.url()).await.unwrap();
        // A machine that is busy may hold the client up in the middle of a burst.
        proxy.set_settle(std::time::Duration::from_millis(50));
        let mut options = database.options();
        options.server = Server::read(proxy.url()).unwrap();
        options.statement_cache_size = statement_cache_size;
        let connection = PostgresConnection::connect(&options).await.unwrap();
        Counted { proxy, connection, _database: database }
    }

    /// Round trips of one burst.
    async fn of(&self, burst: Burst) -> u64 {
        let before = self.proxy.counts();
        answers(&self.connection, burst).await;
        self.proxy.counts().since(before).round_trips
    }
}

fn insert(id: i64) -> Step {
    cached("INSERT INTO item (id, name) VALUES ($1, $2)", vec![bind(id), bind("x".repeat(100))])
}

/// A transaction of `count` different statements.
fn transaction(count: i64, first: i64) -> Burst {
    let mut burst = vec![begin()];
    burst.extend((first..first + count).map(|id| {
        let sql = format!("INSERT INTO item (id, name) VALUES ($1, $2) RETURNING id AS id{}", id - first);
        cached(&sql, vec![bind(id), bind("x".repeat(100))])
    }));
    burst.push(Step::Commit);
    burst
}

async fn a_burst_is_one_round_trip() {
    let counted = Counted::start(600).await;
    let mut next = 0;
    for count in [1, 2, 20, 500] {
        for temperature in ["cold", "warm", "hot"] {
            let trips = counted.of(transaction(count, next)).await;
            assert_eq!(trips, 1, "{count} statements, {temperature}");
            next += count;
        }
    }
    let rows = value(&counted.connection, "SELECT count(*) FROM item").await;
    assert_eq!(rows, Value::I64(next));
}

#[tokio::test]
async fn a_burst_is_one_round_trip_cold_and_warm_on_one_thread() {
    a_burst_is_one_round_trip().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_burst_is_one_round_trip_cold_and_warm_on_many_threads() {
    a_burst_is_one_round_trip().await;
}

#[tokio::test]
async fn loading_and_saving_are_two_round_trips() {
    let counted = Counted::start(256).await;
    for id in 0..5 {
        let before = counted.proxy.counts();
        answers(&counted.connection, vec![begin(), cached("SELECT id FROM item WHERE id = $1", vec![bind(id)])]).await;
        answers(&counted.connection, vec![insert(id), Step::Commit]).await;
        assert_eq!(counted.proxy.counts().since(before).round_trips, 2);
    }
}

/// The messages of a burst, each by its first byte, and the texts in them.
async fn messages(counted: &Counted, burst: Burst) -> (String, Vec<String>) {
    counted.proxy.record();
    answers(&counted.connection, burst).await;
    let messages = counted.proxy.recorded();
    let kinds = messages.iter().map(|message| match message.kind {
        MessageKind::Parse => 'P',
        MessageKind::Bind => 'B',
        MessageKind::Describe => 'D',
        MessageKind::Execute => 'E',
        MessageKind::Sync => 'S',
        MessageKind::Flush => 'H',
        MessageKind::Query => 'Q',
        MessageKind::Close => 'C',
        _ => '?',
    });
    (kinds.collect(), messages.iter().filter_map(|message| message.sql.clone()).collect())
}

#[tokio::test]
async fn a_burst_is_these_messages_and_one_sync() {
    let counted = Counted::start(256).await;
    let select = || cached("SELECT id FROM item WHERE id = $1", vec![bind(7_i64)]);
    const SELECT: &str = "SELECT id FROM item WHERE id = $1";
    const INSERT: &str = "INSERT INTO item (id, name) VALUES ($1, $2)";
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();

    // Cold: a statement that recurs is prepared and described on its way.
    assert_eq!(messages(&counted, vec![begin(), select()]).await, ("PBEPDBES".into(), texts(&["BEGIN", SELECT])));
    let end = || vec![insert(1), Step::Commit];
    assert_eq!(messages(&counted, end()).await, ("PDBEHPBES".into(), texts(&[INSERT, "COMMIT"])));
    // Warm: it goes by its name.
    assert_eq!(messages(&counted, vec![begin(), select()]).await, ("PBEBES".into(), texts(&["BEGIN"])));
    let end = vec![insert(2), Step::Commit];
    assert_eq!(messages(&counted, end).await, ("BEHPBES".into(), texts(&["COMMIT"])));
    // One that does not recur has no name.
    assert_eq!(messages(&counted, vec![query("SELECT 1")]).await, ("PBDES".into(), texts(&["SELECT 1"])));
    // Control by itself goes by the simple protocol: it may be what insists on being alone.
    let vacuum = vec![Step::Control("VACUUM item".into())];
    assert_eq!(messages(&counted, vacuum).await, ("Q".into(), texts(&["VACUUM item"])));
}

#[tokio::test]
async fn a_burst_behind_another_travels_with_it_and_fails_outside_of_a_transaction() {
    let counted = Counted::start(256).await;
    let connection = &counted.connection;
    answers(connection, vec![insert(1)]).await;
    let before = counted.proxy.counts();
    let (first, second) = (connection.send(vec![begin(), insert(2)]), connection.send_behind(vec![insert(3)]));
    first.await.unwrap();
    second.await.unwrap();
    answers(connection, vec![Step::Commit]).await;
    assert_eq!(counted.proxy.counts().since(before).round_trips, 2);

    // The first one opens no transaction, by itself or since it fails.
    for first in [vec![insert(4)], vec![insert(1), begin()]] {
        let (first, second) = (connection.send(first), connection.send_behind(vec![insert(5)]));
        let _ = first.await;
        let failed = *second.await.expect_err("it is in no transaction");
        assert_eq!(failed.error.code(), "25P01");
    }
    let stored = answers(connection, vec![query("SELECT id FROM item ORDER BY id")]).await.remove(0).rows;
    assert_eq!(stored, [1, 2, 3, 4].map(|id| vec![Value::I64(id)]));
}

#[tokio::test]
async fn what_recurs_is_prepared_and_what_does_not_is_not() {
    let counted = Counted::start(2).await;
    let connection = &counted.connection;
    answers(connection, vec![insert(1)]).await;
    let sql = "INSERT INTO item (id, name) VALUES ($1, $2)";
    assert!(prepared(connection).await.contains(sql));
    let before = counted.proxy.recorded();
    assert!(before.is_empty());
    counted.proxy.record();
    answers(connection, vec![insert(2), query("SELECT 1")]).await;
    let parsed: Vec<_> = counted.proxy.recorded().into_iter().filter_map(|message| message.sql).collect();
    assert_eq!(parsed, ["SELECT 1"], "the prepared one travels without its text");

    // Two fit; the least recently used one makes way.
    answers(connection, vec![cached("SELECT 2", vec![])]).await;
    answers(connection, vec![insert(3)]).await;
    answers(connection, vec![cached("SELECT 3", vec![])]).await;
    answers(connection, vec![query("SELECT 1")]).await;
    let kept = prepared(connection).await;
    assert_eq!(kept, [sql, "SELECT 3"].map(str::to_owned).into());
}

/// What cannot be written as a message.
fn unwritten() -> Step {
    cached("SELECT $1", vec![Bind { ty: String::TYPE, value: Value::Text("a NUL \0".into()) }])
}

#[tokio::test]
async fn what_makes_way_in_a_burst_that_fails_is_forgotten_by_the_server_too() {
    let counted = Counted::start(2).await;
    let connection = &counted.connection;
    for number in 0..10 {
        let failing = cached(&format!("SELECT 1 / $1 AS failing{number}"), vec![bind(0_i32)]);
        let passed_over = cached(&format!("SELECT 1 AS passed_over{number}"), vec![]);
        let failed = failure(connection, vec![failing, passed_over]).await;
        assert_eq!((failed.step, failed.error.code()), (0, "22012"));
    }
    let kept = prepared(connection).await;
    assert!(kept.len() <= 2, "{kept:?}");
}

#[tokio::test]
async fn what_makes_way_for_a_burst_that_cannot_be_written_is_forgotten_by_the_next_one() {
    let counted = Counted::start(3).await;
    let connection = &counted.connection;
    for sql in ["SELECT 1", "SELECT 2"] {
        answers(connection, vec![cached(sql, vec![])]).await;
    }
    failure(connection, vec![cached("SELECT 3", vec![]), unwritten()]).await;
    assert_eq!(messages(&counted, vec![query("SELECT 4")]).await.0, "CPBDES");
    assert_eq!(prepared(connection).await, ["SELECT 2".to_owned()].into());
}

#[tokio::test]
async fn what_was_to_be_prepared_by_a_burst_that_cannot_be_written_is_prepared_by_the_next_one() {
    let counted = Counted::start(8).await;
    let (connection, holder) = (&counted.connection, counted._database.connect().await);
    let lock = || query("SELECT pg_advisory_xact_lock(7)");
    answers(&holder, vec![begin(), lock()]).await;
    // What is sent behind a COMMIT is written before that is answered.
    drop(connection.send(vec![begin(), lock(), Step::Commit]));
    let first = connection.send(vec![cached("SELECT 1", vec![]), unwritten()]);
    let second = connection.send(vec![cached("SELECT 1", vec![]), query("SELECT 2")]);
    answers(&holder, vec![Step::Rollback]).await;
    assert!(first.await.is_err());
    assert_eq!(second.await.expect("it is prepared").len(), 2);
}

#[tokio::test]
async fn one_text_with_values_of_different_types_is_two_statements() {
    let counted = Counted::start(256).await;
    for _ in 0..3 {
        let sql = "SELECT $1";
        let read = answers(
            &counted.connection,
            vec![
                cached(sql, vec![bind(7_i32)]),
                cached(sql, vec![bind("seven".to_owned())]),
                cached(sql, vec![bind(true)]),
            ],
        )
        .await;
        assert_eq!(read[0].rows, [[Value::I32(7)]]);
        assert_eq!(read[1].rows, [[Value::Text("seven".into())]]);
        assert_eq!(read[2].rows, [[Value::Bool(true)]]);
    }
}

#[tokio::test]
async fn nothing_is_prepared_without_a_cache_or_behind_a_pooler() {
    let database = TestDatabase::create().await;
    let mut plain = database.options();
    plain.statement_cache_size = 0;
    let mut pooled = database.options();
    pooled.pooler = crate::config::Pooler::PgBouncer;
    for options in [plain, pooled] {
        let connection = PostgresConnection::connect(&options).await.unwrap();
        for _ in 0..3 {
            answers(&connection, vec![cached("SELECT $1", vec![bind(1_i64)])]).await;
        }
        assert!(prepared(&connection).await.is_empty());
    }
}

#[tokio::test]
async fn what_is_prepared_ahead_of_a_change_of_its_tables_is_prepared_anew() {
    let counted = Counted::start(256).await;
    let connection = &counted.connection;
    let select = || cached("SELECT count(*) FROM item", vec![]);
    let drop_table = vec![begin(), select(), Step::Control("DROP TABLE item".into())];
    assert_eq!(answers(connection, drop_table).await.len(), 3);
    answers(connection, vec![query("SELECT 1"), Step::Commit]).await;
    let failed = failure(connection, vec![select()]).await;
    assert_eq!((failed.error.kind, failed.error.code()), (crate::error::ErrorKind::Schema, "42P01"));
    counted._database.run("CREATE TABLE item (id int8 PRIMARY KEY, name text NOT NULL)").await;
    assert_eq!(answers(connection, vec![select()]).await[0].rows, [[Value::I64(0)]]);
}

#[tokio::test]
async fn a_statement_that_cannot_be_parsed_harms_its_own_burst_only() {
    let counted = Counted::start(256).await;
    let connection = &counted.connection;
    let select = || cached("SELECT count(*) FROM later", vec![]);
    for _ in 0..2 {
        let failed = failure(connection, vec![begin(), insert(1), select(), Step::Commit]).await;
        assert_eq!((failed.step, failed.error.code()), (2, "42P01"));
    }
    counted._database.run("CREATE TABLE later (id int8)").await;
    assert_eq!(answers(connection, vec![begin(), insert(1), select(), Step::Commit]).await[2].rows, [[Value::I64(0)]]);
}

#[tokio::test]
async fn a_stale_plan_is_replaced_without_the_caller_seeing_it() {
    let counted = Counted::start(256).await;
    let connection = &counted.connection;
    let select = || cached("SELECT * FROM item", vec![]);
    answers(connection, vec![insert(1), select()]).await;
    answers(connection, vec![select()]).await;

    counted._database.run("ALTER TABLE item ALTER name TYPE varchar(200), ADD extra int4").await;
    let read = answers(connection, vec![select()]).await;
    assert_eq!(read[0].rows[0].len(), 3);

    answers(connection, vec![select()]).await;
    counted._database.run("ALTER TABLE item DROP extra").await;
    let read = answers(connection, vec![begin(), select(), insert(2), Step::Commit]).await;
    assert_eq!((read[1].rows[0].len(), read[2].affected), (2, 1));

    answers(connection, vec![select()]).await;
    counted._database.run("ALTER TABLE item ADD extra int4").await;
    let read = answers(connection, vec![begin(), select()]).await;
    assert_eq!(read[1].rows.len(), 2);
    answers(connection, vec![insert(3), Step::Commit]).await;

    // Inside a transaction that has a past, only the caller can run it again.
    answers(connection, vec![select()]).await;
    counted._database.run("ALTER TABLE item DROP extra").await;
    answers(connection, vec![begin(), insert(4)]).await;
    let failed = failure(connection, vec![select(), Step::Commit]).await;
    assert_eq!((failed.error.code(), failed.error.retryable), ("0A000", true));
    answers(connection, vec![begin(), insert(4), select(), Step::Commit]).await;

    // So with statements that the server has forgotten.
    answers(connection, vec![Step::Control("DEALLOCATE ALL".into())]).await;
    assert_eq!(answers(connection, vec![select()]).await[0].rows.len(), 4);
}
