//! Every type there and back.

use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use uuid::Uuid;

use super::support::*;
use crate::backend::postgres::PostgresConnection;
use crate::backend::{Bind, Statement, Step};
use crate::error::ErrorKind;
use crate::value::{ColumnType, ColumnValue, Json, ScalarType, Value};

fn sql_type(ty: &ColumnType) -> String {
    super::super::wire::bind_type(ty).name().trim_start_matches('_').to_owned() + if ty.array { "[]" } else { "" }
}

/// Stores a value as its type and reads it back.
async fn there_and_back(connection: &PostgresConnection, ty: ColumnType, value: Value) -> Value {
    // Compared by the server too, so that a mistake made twice does not pass.
    let sql = format!("SELECT $1::{}", sql_type(&ty));
    let statement = Statement {
        sql: sql.into(),
        binds: vec![Bind { ty, value }],
        cached: true,
        guard: None,
        meaning: None,
        by_user: false,
    };
    answers(connection, vec![Step::Statement(statement)]).await.remove(0).rows.remove(0).remove(0)
}

struct Server {
    runtime: tokio::runtime::Runtime,
    connection: PostgresConnection,
    _database: TestDatabase,
}

impl Server {
    fn start() -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let database = runtime.block_on(TestDatabase::create());
        let connection = runtime.block_on(database.connect());
        Server { runtime, connection, _database: database }
    }

    fn check<T: ColumnValue>(&self, value: &T) {
        let stored = value.to_value().unwrap();
        let back = self.runtime.block_on(there_and_back(&self.connection, T::TYPE, stored.clone()));
        assert_eq!(back, stored);
        assert_eq!(T::from_value(back).unwrap().to_value().unwrap(), stored);
    }

    fn check_all<T: ColumnValue + std::fmt::Debug>(&self, strategy: impl Strategy<Value = T>) {
        let config = Config { cases: 48, failure_persistence: None, ..Config::default() };
        TestRunner::new(config)
            .run(&strategy, |value| {
                self.check(&value);
                Ok(())
            })
            .unwrap();
    }

    fn check_scalar<T>(&self, strategy: impl Strategy<Value = T> + Clone)
    where
        T: ColumnValue + std::fmt::Debug + crate::value::ArrayElement,
    {
        self.check_all(strategy.clone());
        self.check_all(proptest::option::of(strategy.clone()));
        self.check_all(proptest::collection::vec(strategy.clone(), 0..5));
        self.check_all(proptest::collection::vec(proptest::option::of(strategy), 0..5));
    }
}

fn text() -> impl Strategy<Value = String> + Clone {
    prop_oneof!["[^\0]{0,40}", Just(String::new()), Just("{}\",\\ NULL".to_owned())]
}

fn date() -> impl Strategy<Value = NaiveDate> + Clone {
    let first = NaiveDate::from_ymd_opt(1, 1, 1).unwrap();
    let last = NaiveDate::from_ymd_opt(9999, 12, 31).unwrap();
    prop_oneof![
        Just(first),
        Just(last),
        (0..=u64::try_from((last - first).num_days()).unwrap()).prop_map(move |days| first + Days::new(days)),
    ]
}

fn time() -> impl Strategy<Value = NaiveTime> + Clone {
    let last = 86_400_000_000_u64 - 1;
    prop_oneof![Just(0), Just(last), 0..=last].prop_map(|micros| {
        let (seconds, micros) = (micros / 1_000_000, micros % 1_000_000);
        NaiveTime::from_num_seconds_from_midnight_opt(
            u32::try_from(seconds).unwrap(),
            u32::try_from(micros * 1_000).unwrap(),
        )
        .unwrap()
    })
}

fn timestamp() -> impl Strategy<Value = NaiveDateTime> + Clone {
    (date(), time()).prop_map(|(date, time)| date.and_time(time))
}

fn float64() -> impl Strategy<Value = f64> + Clone {
    prop_oneof![
        any::<f64>(),
        Just(f64::NAN),
        Just(f64::INFINITY),
        Just(f64::NEG_INFINITY),
        Just(f64::MIN_POSITIVE),
        Just(-0.0)
    ]
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        text().prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
            proptest::collection::btree_map(text(), inner, 0..4)
                .prop_map(|fields| serde_json::Value::Object(fields.into_iter().collect())),
        ]
    })
}

#[test]
fn numbers_come_back_as_they_were_stored() {
    let server = Server::start();
    server.check_scalar(any::<bool>());
    server.check_scalar(any::<i16>());
    server.check_scalar(any::<i32>());
    server.check_scalar(prop_oneof![any::<i64>(), Just(i64::MIN), Just(i64::MAX), Just(0)]);
    server.check_scalar(float64());
    server.check_scalar(prop_oneof![any::<f32>(), Just(f32::NAN), Just(f32::INFINITY), Just(f32::NEG_INFINITY)]);
}

#[test]
fn texts_bytes_ids_and_documents_come_back_as_they_were_stored() {
    let server = Server::start();
    server.check_scalar(text());
    server.check_scalar(proptest::collection::vec(any::<u8>(), 0..40));
    server.check_scalar(any::<[u8; 16]>().prop_map(Uuid::from_bytes));
    server.check_all(json());
    server.check_all(json().prop_map(Json));
    server.check(&"x".repeat(1 << 20));
    server.check(&vec![7_u8; 1 << 20]);
    server.check(&vec!["y".repeat(1 << 19), String::new()]);
}

#[test]
fn dates_and_times_come_back_as_they_were_stored() {
    let server = Server::start();
    server.check_scalar(date());
    server.check_scalar(time());
    server.check_scalar(timestamp());
    server.check_scalar(timestamp().prop_map(|value| value.and_utc()));
    server.check_all(
        any::<i64>()
            .prop_map(|micros| DateTime::<Utc>::from_timestamp_micros(micros % 60_000_000_000_000_000).unwrap()),
    );
}

#[test]
fn decimals_come_back_digit_by_digit() {
    let server = Server::start();
    let check = |text: &str, expected: &str| {
        let ty = ColumnType::scalar(ScalarType::Decimal);
        let back = server.runtime.block_on(there_and_back(&server.connection, ty, Value::Decimal(text.into())));
        assert_eq!(back, Value::Decimal(expected.into()), "{text}");
        // As the server writes it too.
        let sql = format!("SELECT ({text})::numeric::text");
        let said = server.runtime.block_on(value(&server.connection, &sql));
        assert_eq!(said, Value::Text(expected.into()), "{text}");
    };
    for text in [
        "0",
        "1",
        "-1",
        "10000",
        "99999999",
        "0.1",
        "-12.50",
        "0.0001",
        "0.00010000",
        "100000000000000000000.5",
        "0.00",
    ] {
        check(text, text);
    }
    check("-0", "0");
    check("007.10", "7.10");
    let plain = "(-?)(0|[1-9][0-9]{0,60})(\\.[0-9]{1,50})?";
    let config = Config { cases: 200, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&proptest::string::string_regex(plain).unwrap(), |text| {
            let zero = text.bytes().all(|byte| !byte.is_ascii_digit() || byte == b'0');
            check(&text, if zero { text.trim_start_matches('-') } else { &text });
            Ok(())
        })
        .unwrap();
    let numbers = ColumnType::scalar(ScalarType::Decimal).array();
    let items = Value::Array(vec![Value::Decimal("1.50".into()), Value::Null, Value::Decimal("-7".into())]);
    let back = server.runtime.block_on(there_and_back(&server.connection, numbers, items.clone()));
    assert_eq!(back, items);
}

#[tokio::test]
async fn what_cannot_be_stored_is_refused_before_it_is_sent() {
    let database = TestDatabase::create().await;
    let connection = database.connect().await;
    for (ty, value, message) in [
        (
            ScalarType::Text,
            Value::Text("\0".into()),
            "text with a NUL character cannot be stored; remove it or store bytes",
        ),
        (
            ScalarType::Decimal,
            Value::Decimal("NaN".into()),
            "the text is not a decimal number in plain notation, such as `-12.50`",
        ),
        (
            ScalarType::Decimal,
            Value::Decimal("1e5".into()),
            "the text is not a decimal number in plain notation, such as `-12.50`",
        ),
        (ScalarType::I16, Value::I64(70_000), "the number does not fit int2"),
        (ScalarType::Uuid, Value::I64(1), "expected uuid, found int8"),
    ] {
        let binds = vec![Bind { ty: ColumnType::scalar(ty), value }];
        let failure = failure(&connection, vec![statement("SELECT $1", binds, true)]).await;
        assert_eq!((failure.error.kind, failure.error.message.as_str()), (ErrorKind::Mapping, message));
        assert!(connection.is_usable() && !failure.lost);
    }
}

#[tokio::test]
async fn what_no_value_can_hold_is_an_error_to_who_reads_it() {
    let database = TestDatabase::create().await;
    let connection = database.connect().await;
    for (sql, reason) in [
        ("'infinity'::timestamptz", "the stored timestamp is infinite, which no Rust type can hold"),
        ("'-infinity'::timestamp", "the stored timestamp is infinite, which no Rust type can hold"),
        ("'infinity'::date", "the stored date is infinite, which no Rust type can hold"),
        ("'NaN'::numeric", "the stored numeric is NaN, which no exact decimal can hold"),
        ("'Infinity'::numeric", "the stored numeric is infinite, which no exact decimal can hold"),
        ("'24:00'::time", "the stored time is out of the range of its Rust type"),
        ("'1h'::interval", "it is of type `interval`, which cannot be read; cast it, for example to text"),
        ("'127.0.0.1'::inet", "it is of type `inet`, which cannot be read; cast it, for example to text"),
        ("'{{1,2},{3,4}}'::int[]", "an array of 2 dimensions cannot be read; cast it to json"),
    ] {
        let read = answers(&connection, vec![query(&format!("SELECT {sql}, 1"))]).await;
        let [value, Value::I32(1)] = read[0].rows[0].as_slice() else { panic!("{:?}", read[0]) };
        assert_eq!(i64::from_value(value.clone()).unwrap_err().to_string(), reason);
    }
}

#[tokio::test]
async fn other_texts_and_plain_json_are_read_too() {
    let database = TestDatabase::create().await;
    let connection = database.connect().await;
    let text = |text: &str| Value::Text(text.into());
    for (sql, expected) in [
        ("SELECT 'a'::varchar(5)", text("a")),
        ("SELECT 'a'::char(3)", text("a")),
        ("SELECT 'a'::name", text("a")),
        ("SELECT 'a'::\"char\"", text("a")),
        ("SELECT '{\"b\":1}'::json", Value::Json(serde_json::json!({"b": 1}))),
        ("SELECT '{a,NULL}'::varchar[]", Value::Array(vec![text("a"), Value::Null])),
        ("SELECT 26::oid", Value::I64(26)),
        ("SELECT pg_sleep(0)", Value::Null),
    ] {
        assert_eq!(value(&connection, sql).await, expected, "{sql}");
    }
}

#[tokio::test]
async fn enums_domains_and_extension_texts_are_read_as_text() {
    let database = TestDatabase::create().await;
    database
        .run("CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE DOMAIN short AS text CHECK (length(value) < 5)")
        .await;
    let connection = database.connect().await;
    assert_eq!(value(&connection, "SELECT 'happy'::mood").await, Value::Text("happy".into()));
    assert_eq!(value(&connection, "SELECT 'abc'::short").await, Value::Text("abc".into()));
    assert_eq!(
        value(&connection, "SELECT '{sad,NULL}'::mood[]").await,
        Value::Array(vec![Value::Text("sad".into()), Value::Null])
    );
    // Also one that was made after the types were read, prepared or not, in the very same transaction.
    let burst = vec![
        begin(),
        Step::Control(
            "CREATE TYPE weather AS ENUM ('sun'); CREATE TABLE w (w weather); INSERT INTO w VALUES ('sun')".into(),
        ),
        cached("SELECT w FROM w WHERE w = $1::weather", vec![bind("sun".to_owned())]),
    ];
    let read = answers(&connection, burst).await;
    assert_eq!(read[2].rows, [vec![Value::Text("sun".into())]]);
    let again = vec![cached("SELECT w FROM w WHERE w = $1::weather", vec![bind("sun".to_owned())]), Step::Rollback];
    assert_eq!(answers(&connection, again).await[0].rows, [vec![Value::Text("sun".into())]]);
}

#[tokio::test]
async fn a_type_unknown_to_the_driver_does_not_hide_the_real_error() {
    let database = TestDatabase::create().await;
    let connection = database.connect().await;
    database.run("CREATE TYPE late AS ENUM ('x')").await;
    let failure =
        failure(&connection, vec![begin(), query("SELECT 'x'::late"), query("SELECT 1 / 0"), Step::Commit]).await;
    assert_eq!((failure.step, failure.error.code()), (2, "22012"));
    assert_eq!(value(&connection, "SELECT 'x'::late FROM generate_series(1, 20000)").await, Value::Text("x".into()));
}
