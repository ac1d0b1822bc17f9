//! Dates and times. Stored to the microsecond: what is finer is cut off when a value is written, so that a value that
//! was loaded and saved again is no change.
//!
//! SQLite stores text of a fixed width (`2026-03-01T12:00:00.000000Z`), so that the order of the texts is that of time.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Timelike, Utc};

use super::{ColumnType, ColumnValue, ScalarType, Value, ValueError};

const TIMESTAMPTZ: &str = "%Y-%m-%dT%H:%M:%S%.6fZ";
const TIMESTAMP: &str = "%Y-%m-%dT%H:%M:%S%.6f";
const DATE: &str = "%Y-%m-%d";
const TIME: &str = "%H:%M:%S%.6f";

/// The current time, cut to the microsecond that every backend stores.
pub fn now_micros() -> DateTime<Utc> {
    cut(Utc::now())
}

fn cut<T: Timelike + Copy>(value: T) -> T {
    let nanos = value.nanosecond();
    value.with_nanosecond(nanos - nanos % 1_000).unwrap_or(value)
}

/// The time as it is stored. A leap second, which no database knows, would become another one.
fn stored<T: Timelike + Copy>(value: T) -> Result<T, ValueError> {
    if value.nanosecond() >= 1_000_000_000 {
        return Err(ValueError::new("a leap second cannot be stored; use the second before or after it"));
    }
    Ok(cut(value))
}

/// Years that both backends hold and whose text is of fixed width.
fn check_year(year: i32) -> Result<(), ValueError> {
    if (1..=9999).contains(&year) {
        return Ok(());
    }
    let message = "a year outside of 1 to 9999 cannot be stored";
    Err(ValueError::new(message).with_detail(format!("year {year} cannot be stored; the range is 1 to 9999")))
}

/// The text in which SQLite stores a date or time.
pub(crate) fn to_text(value: &Value) -> Option<String> {
    Some(match value {
        Value::TimestampTz(value) => value.format(TIMESTAMPTZ).to_string(),
        Value::Timestamp(value) => value.format(TIMESTAMP).to_string(),
        Value::Date(value) => value.format(DATE).to_string(),
        Value::Time(value) => value.format(TIME).to_string(),
        _ => return None,
    })
}

impl Value {
    /// A timestamp as one of the other type, for the same instant. Those without a time zone are in UTC.
    pub(crate) fn at_same_instant(self, scalar: ScalarType) -> Self {
        match (self, scalar) {
            (Value::TimestampTz(value), ScalarType::Timestamp) => Value::Timestamp(value.naive_utc()),
            (Value::Timestamp(value), ScalarType::TimestampTz) => Value::TimestampTz(value.and_utc()),
            (value, _) => value,
        }
    }
}

fn parsed<T>(text: &str, expected: &str, result: Result<T, chrono::ParseError>) -> Result<T, ValueError> {
    let refused = |_| ValueError::new(format!("the stored text is not a {expected}"));
    result.map_err(|error| refused(error).with_detail(format!("the stored text `{text}` is not a {expected}")))
}

impl ColumnValue for DateTime<Utc> {
    const TYPE: ColumnType = ColumnType::scalar(ScalarType::TimestampTz);

    fn to_value(&self) -> Result<Value, ValueError> {
        check_year(chrono::Datelike::year(self))?;
        stored(*self).map(Value::TimestampTz)
    }

    fn from_value(value: Value) -> Result<Self, ValueError> {
        match value {
            Value::TimestampTz(value) => Ok(value),
            Value::Text(text) => {
                parsed(&text, "timestamptz", DateTime::parse_from_rfc3339(&text)).map(|value| value.with_timezone(&Utc))
            }
            other => Err(ValueError::mismatch("timestamptz", &other)),
        }
    }
}

impl ColumnValue for NaiveDateTime {
    const TYPE: ColumnType = ColumnType::scalar(ScalarType::Timestamp);

    fn to_value(&self) -> Result<Value, ValueError> {
        check_year(chrono::Datelike::year(self))?;
        stored(*self).map(Value::Timestamp)
    }

    fn from_value(value: Value) -> Result<Self, ValueError> {
        match value {
            Value::Timestamp(value) => Ok(value),
            Value::Text(text) => {
                parsed(&text, "timestamp", NaiveDateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M:%S%.f"))
            }
            other => Err(ValueError::mismatch("timestamp", &other)),
        }
    }
}

impl ColumnValue for NaiveDate {
    const TYPE: ColumnType = ColumnType::scalar(ScalarType::Date);

    fn to_value(&self) -> Result<Value, ValueError> {
        check_year(chrono::Datelike::year(self))?;
        Ok(Value::Date(*self))
    }

    fn from_value(value: Value) -> Result<Self, ValueError> {
        match value {
            Value::Date(value) => Ok(value),
            Value::Text(text) => parsed(&text, "date", NaiveDate::parse_from_str(&text, DATE)),
            other => Err(ValueError::mismatch("date", &other)),
        }
    }
}

impl ColumnValue for NaiveTime {
    const TYPE: ColumnType = ColumnType::scalar(ScalarType::Time);

    fn to_value(&self) -> Result<Value, ValueError> {
        stored(*self).map(Value::Time)
    }

    fn from_value(value: Value) -> Result<Self, ValueError> {
        match value {
            Value::Time(value) => Ok(value),
            Value::Text(text) => parsed(&text, "time", NaiveTime::parse_from_str(&text, "%H:%M:%S%.f")),
            other => Err(ValueError::mismatch("time", &other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_finer_than_a_microsecond_is_cut_off() {
        let exact: DateTime<Utc> = "2026-03-01T12:00:00.123456999Z".parse().unwrap();
        let Value::TimestampTz(stored) = exact.to_value().unwrap() else { panic!("another type") };
        assert_eq!(stored.to_rfc3339(), "2026-03-01T12:00:00.123456+00:00");
    }

    #[test]
    fn a_leap_second_is_refused_by_every_type_that_could_hold_one() {
        let time = NaiveTime::from_hms_nano_opt(23, 59, 59, 1_500_000_000).unwrap();
        let local = NaiveDate::from_ymd_opt(2016, 12, 31).unwrap().and_time(time);
        for error in [time.to_value(), local.to_value(), local.and_utc().to_value()] {
            let message = "a leap second cannot be stored; use the second before or after it";
            assert_eq!(error.unwrap_err().to_string(), message);
        }
    }
}
