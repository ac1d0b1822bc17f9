//! Defaults, which tables give as SQL text: the few forms that are understood without a database.

use crate::backend::Backend;
use crate::error::{Error, ErrorKind};
use crate::schema::{ColumnDescriptor, TableDescriptor};
use crate::value::{ColumnType, ScalarType, Value, now_micros};

/// What a column gets that is not given.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Fallback {
    Value(Value),
    Clock,
}

/// The default of each column.
///
/// # Errors
/// [`ErrorKind::Schema`] for one that is not understood.
pub(super) fn fallbacks(table: &TableDescriptor) -> Result<Vec<Option<Fallback>>, Error> {
    let each = table.columns.iter().map(|column| match column.default {
        None => Ok(None),
        Some(default) => read(default, column.ty).map(Some).ok_or_else(|| not_understood(table, column, default)),
    });
    each.collect()
}

/// The database's time, for a column that holds a timestamp.
pub(super) fn clock(ty: ColumnType) -> Value {
    let now = now_micros();
    match ty.scalar {
        ScalarType::Timestamp => Value::Timestamp(now.naive_utc()),
        ScalarType::Date => Value::Date(now.date_naive()),
        _ => Value::TimestampTz(now),
    }
}

fn read(default: &str, ty: ColumnType) -> Option<Fallback> {
    let text = default.trim();
    let upper = text.to_ascii_uppercase();
    if matches!(upper.as_str(), "NOW()" | "CURRENT_TIMESTAMP") {
        let is_time = matches!(ty.scalar, ScalarType::TimestampTz | ScalarType::Timestamp) && !ty.array;
        return is_time.then_some(Fallback::Clock);
    }
    let value = match upper.as_str() {
        "NULL" => Value::Null,
        "TRUE" => Value::Bool(true),
        "FALSE" => Value::Bool(false),
        _ => match text.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')) {
            Some(inner) => Value::Text(unquoted(inner)?),
            None => number(text, ty)?,
        },
    };
    ty.canonical(value, Backend::Sqlite).ok().map(Fallback::Value)
}

/// A text without its quotes; none if one is left alone in it.
fn unquoted(inner: &str) -> Option<String> {
    let text = inner.replace("''", "\0");
    (!text.contains('\'')).then(|| text.replace('\0', "'"))
}

fn number(text: &str, ty: ColumnType) -> Option<Value> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let is_number = digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
        && digits.bytes().filter(|byte| *byte == b'.').count() <= 1;
    if !is_number {
        return None;
    }
    match ty.scalar {
        ScalarType::Decimal => Some(Value::Decimal(text.trim_start_matches('+').to_owned())),
        ScalarType::F32 | ScalarType::F64 => text.parse().ok().map(Value::F64),
        ScalarType::Bool | ScalarType::I16 | ScalarType::I32 | ScalarType::I64 => text.parse().ok().map(Value::I64),
        _ => None,
    }
}

fn not_understood(table: &TableDescriptor, column: &ColumnDescriptor, default: &str) -> Error {
    let message = format!(
        "create table `{}` in memory: the default `{default}` of column `{}` is SQL, which the in-memory database does \
         not run; it understands numbers, 'text', true, false, NULL, now() and CURRENT_TIMESTAMP",
        table.name, column.name
    );
    Error::new(ErrorKind::Schema, message).with_table(table.name).with_columns(vec![column.name.clone()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_default_is_read_as_a_value_of_its_column() {
        let read = |default, scalar| read(default, ColumnType::scalar(scalar));
        let value = |value| Some(Fallback::Value(value));
        assert_eq!(read("7", ScalarType::I32), value(Value::I32(7)));
        assert_eq!(read("-1.50", ScalarType::Decimal), value(Value::Decimal("-1.50".into())));
        assert_eq!(read("0.5", ScalarType::F64), value(Value::F64(0.5)));
        assert_eq!(read("'it''s'", ScalarType::Text), value(Value::Text("it's".into())));
        assert_eq!(read("TRUE", ScalarType::Bool), value(Value::Bool(true)));
        assert_eq!(read("null", ScalarType::Text), value(Value::Null));
        assert_eq!(read("now()", ScalarType::TimestampTz), Some(Fallback::Clock));
        for (default, scalar) in [
            ("random()", ScalarType::I64),
            ("1 + 1", ScalarType::I64),
            ("'a' || 'b'", ScalarType::Text),
            ("'x'", ScalarType::I64),
            ("7", ScalarType::Text),
            ("70000", ScalarType::I16),
            ("now()", ScalarType::Text),
        ] {
            assert_eq!(read(default, scalar), None, "{default}");
        }
    }
}
