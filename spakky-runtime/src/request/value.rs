//! A value of a request as a value of a column's type.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use serde_json::Value as Json;
use uuid::Uuid;

use super::json::kind;
use crate::quote::shown;
use crate::value::{ScalarType, Value};

/// The value, or what was expected and found.
pub(super) fn read(scalar: ScalarType, raw: &Json) -> Result<Value, String> {
    let (expected, value) = match scalar {
        ScalarType::Bool => ("`true` or `false`", bool(raw).map(Value::Bool)),
        ScalarType::I16 | ScalarType::I32 | ScalarType::I64 => ("a whole number", integer(raw).map(Value::I64)),
        ScalarType::F32 => ("a number", float(raw).map(|value| Value::F32(value as f32))),
        ScalarType::F64 => ("a number", float(raw).map(Value::F64)),
        ScalarType::Text => ("text", raw.as_str().map(|text| Value::Text(text.to_owned()))),
        ScalarType::Uuid => ("a uuid", parsed::<Uuid>(raw).map(Value::Uuid)),
        ScalarType::TimestampTz => (
            "a time with its offset, such as `2026-03-01T12:00:00Z`",
            raw.as_str()
                .and_then(|text| DateTime::parse_from_rfc3339(text).ok())
                .map(|time| Value::TimestampTz(time.with_timezone(&Utc))),
        ),
        ScalarType::Timestamp => (
            "a time without an offset, such as `2026-03-01T12:00:00`",
            timed(raw, "%Y-%m-%dT%H:%M:%S%.f", NaiveDateTime::parse_from_str).map(Value::Timestamp),
        ),
        ScalarType::Date => {
            ("a date, such as `2026-03-01`", timed(raw, "%Y-%m-%d", NaiveDate::parse_from_str).map(Value::Date))
        }
        ScalarType::Time => {
            ("a time of day, such as `12:00:00`", timed(raw, "%H:%M:%S%.f", NaiveTime::parse_from_str).map(Value::Time))
        }
        ScalarType::Decimal => ("a decimal, as text if it has more than 15 digits", decimal(raw).map(Value::Decimal)),
        ScalarType::Bytes | ScalarType::Json | ScalarType::Native(_) => ("no value of a type that has no text", None),
    };
    value.ok_or_else(|| {
        let found = match raw {
            Json::String(text) => format!("`{}`", shown(text)),
            other => kind(other).to_owned(),
        };
        format!("expected {expected}, found {found}")
    })
}

fn parsed<T: std::str::FromStr>(raw: &Json) -> Option<T> {
    raw.as_str()?.parse().ok()
}

fn timed<T>(raw: &Json, format: &str, parse: fn(&str, &str) -> chrono::ParseResult<T>) -> Option<T> {
    parse(raw.as_str()?, format).ok()
}

fn bool(raw: &Json) -> Option<bool> {
    raw.as_bool().or_else(|| parsed(raw))
}

fn integer(raw: &Json) -> Option<i64> {
    raw.as_i64().or_else(|| parsed(raw))
}

fn float(raw: &Json) -> Option<f64> {
    raw.as_f64().or_else(|| parsed(raw)).filter(|value| value.is_finite())
}

/// Digits with a sign and a point. A number of JSON that has more digits than a float keeps is not what was written.
fn decimal(raw: &Json) -> Option<String> {
    let text = match raw {
        Json::String(text) => text.clone(),
        Json::Number(number) if number.is_f64() => {
            number.as_f64().filter(|value| value.abs() < 1e15).map(|value| value.to_string())?
        }
        Json::Number(number) => number.to_string(),
        _ => return None,
    };
    if raw.is_f64() && text.bytes().filter(u8::is_ascii_digit).count() > 15 {
        return None;
    }
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = text.strip_prefix('-').unwrap_or(&text);
    let plain = match unsigned.split_once('.') {
        Some((whole, fraction)) => digits(whole) && digits(fraction),
        None => digits(unsigned),
    };
    plain.then_some(text)
}
