use std::marker::PhantomData;

use spakky::ColumnValue;
use spakky::value::{ColumnType, ScalarType, Value};
use uuid::Uuid;

#[derive(Debug, Clone, Copy, PartialEq, ColumnValue)]
struct OrderId(Uuid);

#[derive(Debug, Clone, PartialEq, ColumnValue)]
#[column(pg_type = "citext")]
struct Email {
    text: String,
}

#[derive(Debug, Clone, PartialEq, ColumnValue)]
struct Typed<T>(i64, PhantomData<fn() -> T>);

#[derive(Debug, Clone, PartialEq, ColumnValue)]
struct Wrapper<T>(Option<T>);

/// No element of an array itself, as arrays do not nest; the derive takes it all the same.
#[derive(Debug, Clone, PartialEq, ColumnValue)]
struct Tags(Vec<String>);

#[derive(Debug, Clone, Copy, PartialEq, ColumnValue)]
enum Status {
    Draft,
    PartlyPaid,
    #[column(rename = "void")]
    Cancelled,
}

#[derive(Debug, Clone, PartialEq, ColumnValue)]
#[column(rename_all = "SCREAMING-KEBAB-CASE", pg_type = "carrier")]
enum Carrier {
    PostOffice,
    #[column(other)]
    Unknown(String),
}

#[derive(Debug, Clone, Copy, PartialEq, ColumnValue)]
#[column(repr = i16)]
enum Level {
    Low,
    Middle = 10,
    High,
    Negative = -3,
}

#[derive(Debug, Clone, Copy, PartialEq, ColumnValue)]
#[column(repr = i32)]
enum Code {
    #[column(value = 200)]
    Fine,
    #[column(value = -1)]
    Lost,
    #[column(other)]
    Other { code: i32 },
}

#[track_caller]
fn round_trip<T: ColumnValue + PartialEq + std::fmt::Debug>(value: T, stored: Value) {
    assert_eq!(value.to_value().as_ref(), Ok(&stored));
    assert_eq!(T::from_value(stored), Ok(value));
}

#[test]
fn a_newtype_is_stored_as_what_it_wraps() {
    round_trip(OrderId(Uuid::from_u128(1)), Value::Uuid(Uuid::from_u128(1)));
    round_trip(Email { text: "a@b".into() }, Value::Text("a@b".into()));
    round_trip(Typed::<String>(4, PhantomData), Value::I64(4));
    round_trip(Wrapper::<i32>(None), Value::Null);
    assert_eq!(<OrderId as ColumnValue>::TYPE, ColumnType::scalar(ScalarType::Uuid));
    assert_eq!(<Email as ColumnValue>::TYPE, ColumnType::scalar(ScalarType::Text).with_pg_type("citext"));
    assert_eq!(<Wrapper<i32> as ColumnValue>::TYPE, ColumnType::scalar(ScalarType::I32).nullable());
}

#[test]
fn newtypes_and_enums_are_elements_of_arrays() {
    round_trip(vec![OrderId(Uuid::nil())], Value::Array(vec![Value::Uuid(Uuid::nil())]));
    round_trip(vec![Some(Status::Draft), None], Value::Array(vec![Value::Text("draft".into()), Value::Null]));
    round_trip(Tags(vec!["a".into()]), Value::Array(vec![Value::Text("a".into())]));
}

#[test]
fn an_enum_is_stored_as_text_in_snake_case() {
    round_trip(Status::Draft, Value::Text("draft".into()));
    round_trip(Status::PartlyPaid, Value::Text("partly_paid".into()));
    round_trip(Status::Cancelled, Value::Text("void".into()));
    let error = Status::from_value(Value::Text("Draft".into())).unwrap_err();
    assert_eq!(error.to_string(), "the value is none of `Status`");
    let error = Status::from_value(Value::I64(1)).unwrap_err();
    assert_eq!(error.to_string(), "expected text, found int8");
}

#[test]
fn a_catch_all_variant_keeps_what_it_does_not_know() {
    round_trip(Carrier::PostOffice, Value::Text("POST-OFFICE".into()));
    round_trip(Carrier::Unknown("BALLOON".into()), Value::Text("BALLOON".into()));
    assert_eq!(<Carrier as ColumnValue>::TYPE.pg_type, Some("carrier"));
    assert!(Carrier::Unknown("\0".into()).to_value().is_err());
    round_trip(Code::Other { code: 404 }, Value::I32(404));
}

#[test]
fn an_enum_with_a_repr_is_stored_as_its_number() {
    round_trip(Level::Low, Value::I16(0));
    round_trip(Level::Middle, Value::I16(10));
    round_trip(Level::High, Value::I16(11));
    round_trip(Level::Negative, Value::I16(-3));
    assert_eq!(Level::from_value(Value::I64(10)).unwrap(), Level::Middle);
    assert_eq!(Level::from_value(Value::I16(1)).unwrap_err().to_string(), "the value is none of `Level`");
    round_trip(Code::Fine, Value::I32(200));
    round_trip(Code::Lost, Value::I32(-1));
}
