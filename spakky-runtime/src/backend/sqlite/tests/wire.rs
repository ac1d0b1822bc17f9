//! Every type of the type map, there and back, through a real database.

use std::fmt::Debug;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Timelike, Utc};
use proptest::prelude::*;
use serde_json::json;
use uuid::Uuid;

use super::support::*;
use crate::backend::sqlite::{SqliteConnection, check};
use crate::backend::{Bind, Statement, Step};
use crate::error::ErrorKind;
use crate::value::{ColumnValue, Json, Value};

/// A database in memory and a runtime to talk to it.
struct Store {
    runtime: tokio::runtime::Runtime,
    connection: SqliteConnection,
}

impl Store {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let connection = runtime.block_on(memory());
        Store { runtime, connection }
    }

    /// What a column of the declared type holds after a value was written: its storage class and the value.
    fn stored<T: ColumnValue>(&self, declared: &str, value: &T) -> (String, Value) {
        let value = value.to_value().unwrap();
        check(&value).unwrap();
        let write = Statement {
            sql: "INSERT INTO v(value) VALUES (?1) RETURNING typeof(value), value".into(),
            binds: vec![Bind { ty: T::TYPE, value }],
            cached: true,
            guard: Some(1),
            meaning: None,
            by_user: false,
        };
        let create = Step::Control(format!("CREATE TABLE v(value {declared})").into());
        let read = query("SELECT value FROM v", &[]);
        let steps = vec![begin(), create, Step::Statement(write), read, Step::Rollback];
        let mut answers = self.runtime.block_on(self.connection.send(steps)).unwrap();
        let read = answers.remove(3).rows.remove(0).remove(0);
        let mut returned = answers.remove(2).rows.remove(0);
        assert_eq!(returned.pop(), Some(read.clone()));
        match returned.pop() {
            Some(Value::Text(class)) => (class, read),
            other => panic!("not a storage class: {other:?}"),
        }
    }

    /// A value comes back as it was written, from a column of the type that the type map gives it.
    fn survives<T: ColumnValue + PartialEq + Debug>(&self, class: &str, value: &T) {
        let (found, stored) = self.stored(class, value);
        let expected = if value.to_value().unwrap().is_null() { "null" } else { class };
        assert_eq!(found, expected, "{value:?}");
        assert_eq!(&T::from_value(stored).unwrap(), value);
        let (_, stored) = self.stored(class, &None::<T>);
        assert_eq!(Option::<T>::from_value(stored).unwrap(), None);
    }

    /// Whether the first value sorts before the second, in the database's eyes.
    fn less(&self, first: impl ColumnValue, second: impl ColumnValue) -> bool {
        let compare = query("SELECT ?1 < ?2", &[first.to_value().unwrap(), second.to_value().unwrap()]);
        let answers = self.runtime.block_on(self.connection.send(vec![compare])).unwrap();
        bool::from_value(answers[0].rows[0][0].clone()).unwrap()
    }
}

/// Tests `$value`, of a strategy, in a database.
macro_rules! property {
    ($($name:ident($store:ident, $value:ident in $strategy:expr) $body:block)+) => {$(
        #[test]
        fn $name() {
            let $store = Store::new();
            let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) };
            let mut runner = proptest::test_runner::TestRunner::new(config);
            runner.run(&$strategy, |$value| { $body Ok(()) }).unwrap();
        }
    )+};
}

fn micros() -> impl Strategy<Value = DateTime<Utc>> + Clone {
    let (first, last) = ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z");
    let micros = |text: &str| text.parse::<DateTime<Utc>>().unwrap().timestamp_micros();
    (micros(first)..=micros(last)).prop_map(|micros| DateTime::from_timestamp_micros(micros).unwrap())
}

fn clean_text() -> impl Strategy<Value = String> {
    any::<String>().prop_map(|text| text.replace('\0', ""))
}

fn number<T: Debug>(any: impl Strategy<Value = T>, is_nan: fn(&T) -> bool) -> impl Strategy<Value = T> {
    any.prop_filter("a NaN is refused", move |value| !is_nan(value))
}

fn f64s() -> impl Strategy<Value = f64> {
    number(proptest::num::f64::ANY, |value| value.is_nan())
}

fn f32s() -> impl Strategy<Value = f32> {
    number(proptest::num::f32::ANY, |value| value.is_nan())
}

fn documents() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|value| json!(value)),
        any::<i64>().prop_map(|value| json!(value)),
        any::<u64>().prop_map(|value| json!(value)),
        f64s().prop_map(|value| json!(value)),
        clean_text().prop_map(|value| json!(value)),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(serde_json::Value::Array),
            proptest::collection::btree_map(clean_text(), inner, 0..6).prop_map(|fields| fields.into_iter().collect()),
        ]
    })
}

fn list<S: Strategy>(items: S) -> impl Strategy<Value = Vec<S::Value>> {
    proptest::collection::vec(items, 0..8)
}

property! {
    booleans_and_integers_survive(store, value in (any::<bool>(), any::<i16>(), any::<i32>(), any::<i64>())) {
        store.survives("integer", &value.0);
        store.survives("integer", &value.1);
        store.survives("integer", &value.2);
        store.survives("integer", &value.3);
    }

    floats_survive(store, value in (f32s(), f64s())) {
        store.survives("real", &value.0);
        store.survives("real", &value.1);
    }

    text_and_bytes_survive(store, value in (clean_text(), any::<Vec<u8>>())) {
        store.survives("text", &value.0);
        store.survives("blob", &value.1);
    }

    uuids_survive(store, value in any::<u128>()) {
        store.survives("blob", &Uuid::from_u128(value));
    }

    dates_and_times_survive(store, value in micros()) {
        store.survives("text", &value);
        store.survives("text", &value.naive_utc());
        store.survives("text", &value.date_naive());
        store.survives("text", &value.time());
    }

    the_order_of_stored_dates_and_times_is_that_of_time(store, value in (micros(), micros(), -3_i64..=3)) {
        let (one, far, step) = value;
        let near = one.checked_add_signed(chrono::Duration::microseconds(step)).unwrap_or(one);
        for other in [far, near].into_iter().filter(|other| (1..=9999).contains(&chrono::Datelike::year(other))) {
            assert_eq!(store.less(one, other), one < other);
            assert_eq!(store.less(one.naive_utc(), other.naive_utc()), one < other);
            assert_eq!(store.less(one.date_naive(), other.date_naive()), one.date_naive() < other.date_naive());
            assert_eq!(store.less(one.time(), other.time()), one.time() < other.time());
        }
    }

    documents_survive(store, value in documents()) {
        store.survives("text", &value);
        store.survives("text", &Json(vec![value]));
    }

    arrays_survive(store, value in (list(any::<bool>()), list(any::<i64>()), list(f64s()), list(f32s()), list(clean_text()))) {
        store.survives("text", &value.0);
        store.survives("text", &value.1);
        store.survives("text", &value.2);
        store.survives("text", &value.3);
        store.survives("text", &value.4);
    }

    arrays_of_what_json_does_not_know_survive(store, value in (list(any::<Vec<u8>>()), list(any::<u128>()), list(micros()))) {
        store.survives("text", &value.0);
        store.survives("text", &value.1.into_iter().map(Uuid::from_u128).collect::<Vec<_>>());
        store.survives("text", &value.2.iter().map(DateTime::date_naive).collect::<Vec<_>>());
        store.survives("text", &value.2.iter().map(DateTime::time).collect::<Vec<_>>());
        store.survives("text", &value.2.iter().map(DateTime::naive_utc).collect::<Vec<_>>());
        store.survives("text", &value.2);
    }

    nulls_inside_arrays_survive(store, value in (list(any::<Option<i16>>()), list(proptest::option::of(clean_text())))) {
        store.survives("text", &value.0);
        store.survives("text", &value.1);
    }
}

#[cfg(feature = "rust_decimal")]
property! {
    decimals_survive_with_their_scale(store, value in (any::<i128>(), 0_u32..=28)) {
        let limit = 2_i128.pow(95);
        let decimal = rust_decimal::Decimal::from_i128_with_scale(value.0 % limit, value.1);
        store.survives("text", &decimal);
        store.survives("text", &vec![Some(decimal), None]);
        let (_, stored) = store.stored("text", &decimal);
        assert_eq!(stored, Value::Text(decimal.to_string()));
    }
}

#[cfg(feature = "bigdecimal")]
property! {
    big_decimals_survive(store, value in (any::<i128>(), any::<i128>(), -40_i64..=200)) {
        let digits = bigdecimal::num_bigint::BigInt::from(value.0) * bigdecimal::num_bigint::BigInt::from(value.1);
        let decimal = bigdecimal::BigDecimal::new(digits, value.2);
        store.survives("text", &decimal);
        store.survives("text", &vec![decimal]);
    }
}

#[test]
fn extremes_survive() {
    let store = Store::new();
    for value in [i64::MIN, -1, 0, 1, i64::MAX] {
        store.survives("integer", &value);
    }
    for value in [f64::INFINITY, f64::NEG_INFINITY, f64::MIN, f64::MAX, f64::MIN_POSITIVE, 5e-324, 0.1, 1e15, 2.0] {
        store.survives("real", &value);
        store.survives("text", &vec![value]);
    }
    for value in [f32::INFINITY, f32::NEG_INFINITY, f32::MIN, f32::MAX, f32::MIN_POSITIVE, 1e-45, 0.1] {
        store.survives("real", &value);
        store.survives("text", &vec![value]);
    }
    let long = "a ü 漢 🦀 ".repeat(1 << 17);
    assert!(long.len() > 1 << 20);
    for value in [String::new(), " ".into(), "'; DROP TABLE v; --".into(), long] {
        store.survives("text", &value);
        store.survives("blob", &value.clone().into_bytes());
        store.survives("text", &vec![value]);
    }
    store.survives("blob", &vec![0_u8, 1, 0, 255]);
    store.survives("text", &Vec::<i32>::new());
    store.survives("text", &vec![None::<i64>]);
    store.survives("text", &json!({"a": {"b": [[], {}, [null, {"c": "\u{1}\n\""}]]}}));
    let first = NaiveDate::from_ymd_opt(1, 1, 1).unwrap().and_time(NaiveTime::MIN);
    let last = NaiveDate::from_ymd_opt(9999, 12, 31).unwrap().and_hms_micro_opt(23, 59, 59, 999_999).unwrap();
    for value in [first, last] {
        store.survives("text", &value);
        store.survives("text", &value.and_utc());
    }
    assert!(store.less(first, last));
}

#[test]
fn a_negative_zero_is_zero() {
    let store = Store::new();
    let (_, stored) = store.stored("real", &-0.0_f64);
    assert_eq!(stored, Value::F64(0.0));
}

#[test]
fn an_absent_value_is_null_for_every_type() {
    let store = Store::new();
    store.survives("text", &None::<String>);
    store.survives("blob", &Some(vec![1_u8]));
    store.survives("text", &None::<Json<Vec<u64>>>);
}

#[test]
fn what_is_finer_than_a_microsecond_is_cut_off() {
    let store = Store::new();
    let fine: NaiveDateTime = "2026-02-28T23:59:59.123456789".parse().unwrap();
    let cut = fine.with_nanosecond(123_456_000).unwrap();
    let (_, stored) = store.stored("text", &fine);
    assert_eq!(stored, text("2026-02-28T23:59:59.123456"));
    assert_eq!(NaiveDateTime::from_value(stored).unwrap(), cut);
    assert_eq!(store.stored("text", &fine.and_utc()).1, text("2026-02-28T23:59:59.123456Z"));
    assert_eq!(store.stored("text", &fine.time()).1, text("23:59:59.123456"));
    assert_eq!(store.stored("text", &NaiveTime::MIN).1, text("00:00:00.000000"));
}

#[test]
fn what_sqlite_cannot_hold_is_refused_when_it_is_queued_and_when_it_is_bound() {
    let store = Store::new();
    let nan = "a NaN cannot be stored on SQLite, which reads it back as null; store a null or refuse it earlier";
    let nul = "text with a NUL character cannot be stored; remove it or store bytes";
    for (value, reason) in [
        (Value::F64(f64::NAN), nan),
        (Value::F32(f32::NAN), nan),
        (Value::Array(vec![Value::Null, Value::F64(f64::NAN)]), nan),
        (text("a\0b"), nul),
        (Value::Array(vec![text("\0")]), nul),
        (Value::Array(vec![Value::Array(vec![])]), "an array inside an array cannot be stored"),
    ] {
        assert_eq!(check(&value).unwrap_err().to_string(), reason);
        let steps = vec![query("SELECT ?1", &[value])];
        let failure = store.runtime.block_on(store.connection.send(steps)).unwrap_err();
        assert_eq!((failure.error.kind, failure.error.message()), (ErrorKind::Mapping, reason));
    }
    assert!("a\0b".to_owned().to_value().is_err());
    assert!(json!({"a": ["\0"]}).to_value().is_err());
}

#[test]
fn a_stored_text_that_is_not_utf8_is_an_error_to_who_reads_it_and_not_another_text() {
    let store = Store::new();
    let steps = vec![query("SELECT CAST(x'ff41' AS TEXT), 1", &[])];
    let answers = store.runtime.block_on(store.connection.send(steps)).unwrap();
    let [value, Value::I64(1)] = &*answers[0].rows[0] else { panic!("{:?}", answers[0].rows) };
    assert_eq!(String::from_value(value.clone()).unwrap_err().to_string(), "the stored text is not UTF-8");
}

#[test]
fn a_text_with_a_nul_that_another_program_wrote_is_read_whole() {
    let store = Store::new();
    let steps = vec![query("SELECT CAST(x'610062' AS TEXT), x''", &[])];
    let answers = store.runtime.block_on(store.connection.send(steps)).unwrap();
    assert_eq!(answers[0].rows, [vec![text("a\0b"), Value::Bytes(vec![])]]);
}
