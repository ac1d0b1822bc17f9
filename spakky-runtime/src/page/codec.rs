//! Values as bytes, each with its type, in a form that stays.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Timelike, Utc};
use uuid::Uuid;

use crate::value::Value;

/// Appends bytes behind their length, so that no two lists of parts look alike.
pub(super) fn push_part(out: &mut Vec<u8>, part: &[u8]) {
    out.extend_from_slice(&(part.len() as u64).to_be_bytes());
    out.extend_from_slice(part);
}

/// Appends a value behind the letter of its type. Documents and native values are written for comparison only.
pub(super) fn push_value(out: &mut Vec<u8>, value: &Value) {
    let mut push = |letter: u8, bytes: &[u8]| {
        out.push(letter);
        push_part(out, bytes);
    };
    match value {
        Value::Null => push(b'0', &[]),
        Value::Bool(value) => push(b'b', &[u8::from(*value)]),
        Value::I16(value) => push(b'h', &value.to_be_bytes()),
        Value::I32(value) => push(b'i', &value.to_be_bytes()),
        Value::I64(value) => push(b'l', &value.to_be_bytes()),
        Value::F32(value) => push(b'f', &value.to_bits().to_be_bytes()),
        Value::F64(value) => push(b'd', &value.to_bits().to_be_bytes()),
        Value::Text(value) => push(b's', value.as_bytes()),
        Value::Bytes(value) => push(b'x', value),
        Value::Uuid(value) => push(b'u', value.as_bytes()),
        Value::TimestampTz(value) => push(b'T', &value.timestamp_micros().to_be_bytes()),
        Value::Timestamp(value) => push(b't', &value.and_utc().timestamp_micros().to_be_bytes()),
        Value::Date(value) => push(b'D', &chrono::Datelike::num_days_from_ce(value).to_be_bytes()),
        Value::Time(value) => {
            let micros =
                u64::from(value.num_seconds_from_midnight()) * 1_000_000 + u64::from(value.nanosecond() / 1_000);
            push(b'm', &micros.to_be_bytes());
        }
        Value::Decimal(value) => push(b'n', value.as_bytes()),
        Value::Json(value) => push(b'j', value.to_string().as_bytes()),
        Value::Array(items) => {
            let mut inner = Vec::new();
            items.iter().for_each(|item| push_value(&mut inner, item));
            push(b'a', &inner);
        }
        other @ (Value::Native(_) | Value::Unreadable(_) | Value::Drawn(_) | Value::Column(_)) => {
            push(b'?', format!("{other:?}").as_bytes())
        }
    }
}

/// Takes a value off the front, unless it is none.
pub(super) fn take_value(bytes: &mut &[u8]) -> Option<Value> {
    let letter = take(bytes, 1)?[0];
    let length = u64::from_be_bytes(take(bytes, 8)?.try_into().ok()?);
    let part = take(bytes, usize::try_from(length).ok()?)?;
    let text = || String::from_utf8(part.to_vec()).ok();
    let time = |micros: [u8; 8]| DateTime::<Utc>::from_timestamp_micros(i64::from_be_bytes(micros));
    Some(match letter {
        b'0' if part.is_empty() => Value::Null,
        b'b' => Value::Bool(match part {
            [0] => false,
            [1] => true,
            _ => return None,
        }),
        b'h' => Value::I16(i16::from_be_bytes(part.try_into().ok()?)),
        b'i' => Value::I32(i32::from_be_bytes(part.try_into().ok()?)),
        b'l' => Value::I64(i64::from_be_bytes(part.try_into().ok()?)),
        b'f' => Value::F32(f32::from_bits(u32::from_be_bytes(part.try_into().ok()?))),
        b'd' => Value::F64(f64::from_bits(u64::from_be_bytes(part.try_into().ok()?))),
        b's' => Value::Text(text()?),
        b'x' => Value::Bytes(part.to_vec()),
        b'u' => Value::Uuid(Uuid::from_slice(part).ok()?),
        b'T' => Value::TimestampTz(time(part.try_into().ok()?)?),
        b't' => Value::Timestamp(naive(time(part.try_into().ok()?)?)),
        b'D' => Value::Date(NaiveDate::from_num_days_from_ce_opt(i32::from_be_bytes(part.try_into().ok()?))?),
        b'm' => {
            let micros = u64::from_be_bytes(part.try_into().ok()?);
            let seconds = u32::try_from(micros / 1_000_000).ok()?;
            let nanos = u32::try_from(micros % 1_000_000).ok()? * 1_000;
            Value::Time(NaiveTime::from_num_seconds_from_midnight_opt(seconds, nanos)?)
        }
        b'n' => Value::Decimal(text()?),
        _ => return None,
    })
}

fn naive(time: DateTime<Utc>) -> NaiveDateTime {
    time.naive_utc()
}

/// Takes this many bytes off the front.
pub(super) fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(count)?;
    *bytes = rest;
    Some(taken)
}
