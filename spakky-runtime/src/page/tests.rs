//! Cursors as bytes, and the conditions they become.

use proptest::prelude::*;
use secrecy::SecretString;

use super::codec::{push_value, take_value};
use super::*;
use crate::backend::Backend;
use crate::fixture::orders;
use crate::query::{NullsPlace, Ordering};
use crate::statement::Select;
use crate::value::{ColumnValue, Value};

fn values() -> impl Strategy<Value = Vec<Value>> {
    let micros = -62_000_000_000_000_000..250_000_000_000_000_000_i64;
    let at = micros.prop_map(|micros| chrono::DateTime::from_timestamp_micros(micros).unwrap());
    let value = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i16>().prop_map(Value::I16),
        any::<i32>().prop_map(Value::I32),
        any::<i64>().prop_map(Value::I64),
        proptest::num::f32::ANY.prop_map(Value::F32),
        proptest::num::f64::ANY.prop_map(Value::F64),
        any::<String>().prop_map(Value::Text),
        any::<Vec<u8>>().prop_map(Value::Bytes),
        any::<u128>().prop_map(|bits| Value::Uuid(uuid::Uuid::from_u128(bits))),
        at.clone().prop_map(Value::TimestampTz),
        at.clone().prop_map(|at| Value::Timestamp(at.naive_utc())),
        at.clone().prop_map(|at| Value::Date(at.date_naive())),
        at.prop_map(|at| Value::Time(at.time())),
        "-?[0-9]{1,30}(\\.[0-9]{1,5})?".prop_map(Value::Decimal),
    ];
    proptest::collection::vec(value, 0..6)
}

proptest! {
    #[test]
    fn a_value_comes_back_with_its_type(values in values()) {
        let mut bytes = Vec::new();
        values.iter().for_each(|value| push_value(&mut bytes, value));
        let mut rest = bytes.as_slice();
        let read: Vec<Value> = std::iter::from_fn(|| take_value(&mut rest)).collect();
        prop_assert_eq!(read, values);
        prop_assert!(rest.is_empty());
    }

    #[test]
    fn whatever_bytes_are_read_make_no_panic(bytes in any::<Vec<u8>>()) {
        let mut rest = bytes.as_slice();
        while take_value(&mut rest).is_some() {}
    }

    #[test]
    fn a_cursor_is_read_by_its_key_and_binding_alone(values in values(), binding in any::<Vec<u8>>(), text in any::<String>()) {
        let (key, other) = (SecretString::from("key"), SecretString::from("another key"));
        let cursor = Cursor { direction: Direction::Before, values };
        let sealed = cursor.seal(&key, &binding);
        let open = |keys: &[&SecretString], binding: &[u8]| Cursor::open(&sealed, keys.iter().copied(), binding);
        prop_assert_eq!(open(&[&key], &binding).unwrap(), cursor.clone());
        prop_assert_eq!(open(&[&other, &key], &binding).unwrap(), cursor);
        prop_assert!(open(&[&other], &binding).unwrap_err().is_invalid_cursor());
        prop_assert!(open(&[&key], &[&binding[..], &[0]].concat()).unwrap_err().is_invalid_cursor());
        prop_assert!(Cursor::open(&text, [&key].into_iter(), &binding).unwrap_err().is_invalid_cursor());
    }
}

fn key(column: &str, descending: bool, nulls: Option<NullsPlace>) -> Ordering {
    Ordering { column: column.into(), descending, nulls }
}

/// The condition behind a place, and the order, as text.
fn written(order: &[Ordering], place: &[Value], backward: bool) -> String {
    let keyset = Keyset::new(orders(), order).unwrap();
    keyset.check(place).unwrap();
    let select = Select {
        condition: keyset.behind(place, backward, false),
        order: keyset.order(backward),
        ..Select::new(orders())
    };
    let sql = select.rows(Backend::Postgres).unwrap().sql;
    sql.split_once(" WHERE ").unwrap().1.to_owned()
}

#[test]
fn keys_of_one_direction_that_are_never_null_are_one_row_comparison() {
    let id = uuid::Uuid::nil().to_value().unwrap();
    assert_eq!(written(&[], std::slice::from_ref(&id), false), r#""id" > $1 ORDER BY "id""#);
    assert_eq!(written(&[], std::slice::from_ref(&id), true), r#""id" < $1 ORDER BY "id" DESC"#);
    let place = [Value::I32(5), id];
    assert_eq!(
        written(&[key("stock", true, None)], &place, false),
        r#"("stock", "id") < ($1, $2) ORDER BY "stock" DESC, "id" DESC"#
    );
    assert_eq!(
        written(&[key("stock", true, None)], &place, true),
        r#"("stock", "id") > ($1, $2) ORDER BY "stock", "id""#
    );
}

#[test]
fn keys_of_two_directions_are_taken_apart_behind_a_bound_on_the_first() {
    let id = uuid::Uuid::nil().to_value().unwrap();
    let order = [key("stock", true, None), key("id", false, None)];
    assert_eq!(
        written(&order, &[Value::I32(5), id], false),
        r#""stock" <= $1 AND ("stock" < $2 OR ("stock" = $3 AND "id" > $4)) ORDER BY "stock" DESC, "id""#
    );
}

#[test]
fn null_has_its_place_wherever_it_is_put() {
    let id = || uuid::Uuid::nil().to_value().unwrap();
    let text = || Value::Text("a".into());
    let last = [key("note", false, None)];
    assert_eq!(
        written(&last, &[text(), id()], false),
        r#""note" > $1 OR "note" IS NULL OR ("note" = $2 AND "id" > $3) ORDER BY "note", "id""#
    );
    assert_eq!(
        written(&last, &[Value::Null, id()], false),
        r#""note" IS NULL AND ("note" IS NULL AND "id" > $1) ORDER BY "note", "id""#
    );
    // Walked back, NULL comes first.
    assert_eq!(
        written(&last, &[Value::Null, id()], true),
        r#""note" IS NOT NULL OR ("note" IS NULL AND "id" < $1) ORDER BY "note" DESC, "id" DESC"#
    );
    let first = [key("note", false, Some(NullsPlace::First))];
    assert_eq!(
        written(&first, &[text(), id()], false),
        r#""note" >= $1 AND ("note" > $2 OR ("note" = $3 AND "id" > $4)) ORDER BY "note" NULLS FIRST, "id""#
    );
    assert_eq!(
        written(&first, &[text(), id()], true),
        r#""note" < $1 OR "note" IS NULL OR ("note" = $2 AND "id" < $3) ORDER BY "note" DESC NULLS LAST, "id" DESC"#
    );
}

#[test]
fn values_of_other_types_are_no_place() {
    let keyset = Keyset::new(orders(), &[key("stock", false, None)]).unwrap();
    let id = || uuid::Uuid::nil().to_value().unwrap();
    assert!(keyset.check(&[Value::I32(1), id()]).is_ok());
    for place in
        [vec![], vec![Value::I32(1)], vec![Value::I64(1), id()], vec![Value::Null, id()], vec![id(), Value::I32(1)]]
    {
        assert!(keyset.check(&place).unwrap_err().is_invalid_cursor());
    }
}
