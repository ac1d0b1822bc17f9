//! What a column gets that is not given: a value of its type, the database's time, or SQL.
//!
//! The first two mean the same on every backend. SQL is the program's own; what it gives is read as the column's type when
//! tables are made or compared, so that a default which no row could be read with is found before there is one.

use super::{ColumnDescriptor, Role, TableDescriptor};
use crate::backend::Backend;
use crate::statement::clock;
use crate::value::{ColumnType, ColumnValue, ScalarType, Value, ValueError, sequence, temporal_text};

/// What a column gets that is not given.
#[derive(Debug, Clone, Copy)]
pub struct ColumnDefault {
    what: What,
    read: fn(Value) -> Result<(), ValueError>,
}

#[derive(Debug, Clone, Copy)]
enum What {
    Sql(&'static str),
    Now,
    EmptyList,
    Bool(bool),
    /// As it is written in the program.
    Number(&'static str),
    Text(&'static str),
    Value(fn() -> Result<Value, ValueError>),
}

/// A default that needs no SQL.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Constant {
    Value(Value),
    Clock,
}

impl ColumnDefault {
    const fn new(what: What) -> Self {
        ColumnDefault { what, read: |_| Ok(()) }
    }

    /// What this SQL gives.
    pub const fn sql(text: &'static str) -> Self {
        ColumnDefault::new(What::Sql(text))
    }

    /// The database's time.
    pub const fn now() -> Self {
        ColumnDefault::new(What::Now)
    }

    /// A list without elements.
    pub const fn empty_list() -> Self {
        ColumnDefault::new(What::EmptyList)
    }

    /// True or false.
    pub const fn boolean(value: bool) -> Self {
        ColumnDefault::new(What::Bool(value))
    }

    /// A number, as it is written.
    pub const fn number(text: &'static str) -> Self {
        ColumnDefault::new(What::Number(text))
    }

    /// A text.
    pub const fn text(text: &'static str) -> Self {
        ColumnDefault::new(What::Text(text))
    }

    /// A value of the column's Rust type.
    pub const fn value(value: fn() -> Result<Value, ValueError>) -> Self {
        ColumnDefault::new(What::Value(value))
    }

    /// Read by the column's Rust type.
    #[must_use]
    pub const fn read_by(mut self, read: fn(Value) -> Result<(), ValueError>) -> Self {
        self.read = read;
        self
    }

    /// The SQL that the program gives, where it gives SQL.
    pub fn given_sql(&self) -> Option<&'static str> {
        match self.what {
            What::Sql(text) => Some(text.trim()),
            _ => None,
        }
    }

    /// The default without a database: of SQL, the few forms that are values; `None` for all other SQL.
    ///
    /// # Errors
    /// When the value does not fit the column.
    pub(crate) fn constant(&self, ty: ColumnType) -> Option<Result<Constant, ValueError>> {
        let made = match self.what {
            What::Sql(text) => return constant_of_sql(text.trim(), ty).map(Ok),
            What::Now => return Some(Ok(Constant::Clock)),
            What::EmptyList if ty.scalar == ScalarType::Json && !ty.array => {
                Ok(Value::Json(serde_json::Value::Array(Vec::new())))
            }
            What::EmptyList => Ok(Value::Array(Vec::new())),
            What::Bool(value) => Ok(Value::Bool(value)),
            What::Number(text) if matches!(ty.scalar, ScalarType::F32 | ScalarType::F64) => {
                text.parse().map(Value::F64).map_err(|_| ValueError::new("the number does not fit the column"))
            }
            What::Number(text) => number(text, ty).ok_or_else(|| ValueError::new("the number does not fit the column")),
            What::Text(text) => Ok(Value::Text(text.to_owned())),
            What::Value(make) => make(),
        };
        Some(made.and_then(|value| ty.canonical(value, Backend::Sqlite)).map(Constant::Value))
    }

    /// Whether a row with this value, which the database has for the default, could be read.
    ///
    /// # Errors
    /// Why it could not.
    pub(crate) fn check(&self, column: &ColumnDescriptor, value: Value) -> Result<(), ValueError> {
        if value.is_null() && column.ty.nullable {
            return Ok(());
        }
        let value = column.ty.canonical(value, Backend::Sqlite)?;
        column.check_length(&value)?;
        (self.read)(value)
    }
}

/// What a constant or variant is the default of: columns of its type, and of an `Option` of it.
#[diagnostic::on_unimplemented(
    message = "a column of type `{T}` cannot have a `{Self}` as its default",
    label = "not of the field's type"
)]
pub trait DefaultFor<T> {
    /// The stored form.
    ///
    /// # Errors
    /// When no backend can hold the value.
    fn into_default(self) -> Result<Value, ValueError>;
}

#[diagnostic::do_not_recommend]
impl<T: ColumnValue> DefaultFor<T> for T {
    fn into_default(self) -> Result<Value, ValueError> {
        self.to_value()
    }
}

#[diagnostic::do_not_recommend]
impl<T: ColumnValue> DefaultFor<Option<T>> for T {
    fn into_default(self) -> Result<Value, ValueError> {
        self.to_value()
    }
}

#[diagnostic::do_not_recommend]
impl DefaultFor<String> for &str {
    fn into_default(self) -> Result<Value, ValueError> {
        self.to_owned().to_value()
    }
}

#[diagnostic::do_not_recommend]
impl DefaultFor<Option<String>> for &str {
    fn into_default(self) -> Result<Value, ValueError> {
        self.to_owned().to_value()
    }
}

/// The stored form of a default.
///
/// # Errors
/// When no backend can hold the value.
pub fn default_value<T, D: DefaultFor<T>>(value: D) -> Result<Value, ValueError> {
    value.into_default()
}

/// The column's default as SQL text; `None` if it has none, or NULL, which is the same.
pub(crate) fn default_of(column: &ColumnDescriptor, backend: Backend) -> Option<String> {
    let Some(default) = &column.default else { return default_of_role(column, backend).map(str::to_owned) };
    match (default.what, default.constant(column.ty)) {
        (What::Sql(_), Some(Ok(Constant::Value(Value::Null)))) => None,
        (What::Sql(text), _) => Some(text.trim().to_owned()),
        (_, Some(Ok(Constant::Clock))) => Some(now(column.ty.scalar, backend).to_owned()),
        (_, Some(Ok(Constant::Value(Value::Null)) | Err(_)) | None) => None,
        (_, Some(Ok(Constant::Value(value)))) => Some(literal_of(&value, backend)),
    }
}

/// What a row written by other means than the library gets.
fn default_of_role(column: &ColumnDescriptor, backend: Backend) -> Option<&'static str> {
    match column.role {
        Role::Version => Some("1"),
        Role::CreatedAt | Role::UpdatedAt => {
            let timestamp = matches!(column.ty.scalar, ScalarType::TimestampTz | ScalarType::Timestamp);
            timestamp.then(|| clock(column.ty.scalar, backend))
        }
        Role::Plain
        | Role::Id
        | Role::CreatedBy
        | Role::UpdatedBy
        | Role::DeletedAt
        | Role::DeletedBy
        | Role::Tenant => None,
    }
}

/// The database's time, in UTC.
fn now(scalar: ScalarType, backend: Backend) -> &'static str {
    match (scalar, backend) {
        (ScalarType::Date, Backend::Postgres) => "(now() AT TIME ZONE 'UTC')::date",
        (ScalarType::Date, Backend::Sqlite) => "strftime('%Y-%m-%d', 'now')",
        (ScalarType::Time, Backend::Postgres) => "(now() AT TIME ZONE 'UTC')::time",
        (ScalarType::Time, Backend::Sqlite) => "strftime('%H:%M:%f000', 'now')",
        (scalar, backend) => clock(scalar, backend),
    }
}

/// The default of a table that its columns could not be read with, in words.
///
/// # Errors
/// When there is such a default.
pub(super) fn check_defaults(tables: &[&'static TableDescriptor]) -> Result<(), String> {
    for table in tables {
        for column in &table.columns {
            let Some(default) = &column.default else { continue };
            let checked = match default.constant(column.ty) {
                Some(Ok(Constant::Value(value))) => default.check(column, value),
                Some(Err(error)) => Err(error),
                Some(Ok(Constant::Clock)) | None => Ok(()),
            };
            checked.map_err(|error| unreadable(table, column, &error))?;
        }
    }
    Ok(())
}

/// A default that no row could be read with.
pub(crate) fn unreadable(table: &TableDescriptor, column: &ColumnDescriptor, error: &ValueError) -> String {
    let given = column.default.and_then(|default| default.given_sql());
    let given = given.map(|sql| format!(" `{sql}`")).unwrap_or_default();
    format!(
        "the default{given} of column `{}` of `{}` is nothing that the column can be read with: {error}; {ADVICE}",
        column.name, table.name
    )
}

/// How a default is written that every backend understands.
pub(crate) const ADVICE: &str = "write `default = now`, `default = []`, a value of the field's type, or SQL that gives what \
                                 the library stores there";

/// SQL that is a value, or the time.
fn constant_of_sql(text: &str, ty: ColumnType) -> Option<Constant> {
    let upper = text.to_ascii_uppercase();
    if matches!(upper.as_str(), "NOW()" | "CURRENT_TIMESTAMP") {
        let is_time = matches!(ty.scalar, ScalarType::TimestampTz | ScalarType::Timestamp) && !ty.array;
        return is_time.then_some(Constant::Clock);
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
    ty.canonical(value, Backend::Sqlite).ok().map(Constant::Value)
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

/// A value as SQL.
fn literal_of(value: &Value, backend: Backend) -> String {
    let quoted = |text: &str| match backend {
        Backend::Postgres => super::ddl::text(text),
        Backend::Sqlite => format!("'{}'", text.replace('\'', "''")),
    };
    let bytes = |bytes: &[u8]| {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        match backend {
            Backend::Postgres => quoted(&format!("\\x{hex}")),
            Backend::Sqlite => format!("x'{hex}'"),
        }
    };
    match value {
        Value::Bool(value) => value.to_string(),
        Value::I16(value) => value.to_string(),
        Value::I32(value) => value.to_string(),
        Value::I64(value) => value.to_string(),
        Value::F32(value) => format!("{value:?}"),
        Value::F64(value) => format!("{value:?}"),
        Value::Decimal(text) if backend == Backend::Postgres => text.clone(),
        Value::Text(text) | Value::Decimal(text) => quoted(text),
        Value::Bytes(value) => bytes(value),
        Value::Uuid(value) if backend == Backend::Sqlite => bytes(value.as_bytes()),
        Value::Uuid(value) => quoted(&value.to_string()),
        Value::Json(document) => quoted(&document.to_string()),
        Value::Array(items) if backend == Backend::Postgres => {
            let items: Vec<_> = items.iter().map(|item| literal_of(item, backend)).collect();
            if items.is_empty() { "'{}'".to_owned() } else { format!("ARRAY[{}]", items.join(", ")) }
        }
        Value::Array(items) => quoted(&sequence::to_text(items).unwrap_or_default()),
        value => temporal_text(value).map_or_else(|| "NULL".to_owned(), |text| quoted(&text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(default: ColumnDefault, scalar: ScalarType) -> Option<Constant> {
        default.constant(ColumnType::scalar(scalar)).and_then(Result::ok)
    }

    #[test]
    fn sql_is_read_as_a_value_of_its_column() {
        let read = |sql, scalar| read(ColumnDefault::sql(sql), scalar);
        let value = |value| Some(Constant::Value(value));
        assert_eq!(read("7", ScalarType::I32), value(Value::I32(7)));
        assert_eq!(read("-1.50", ScalarType::Decimal), value(Value::Decimal("-1.50".into())));
        assert_eq!(read("0.5", ScalarType::F64), value(Value::F64(0.5)));
        assert_eq!(read("'it''s'", ScalarType::Text), value(Value::Text("it's".into())));
        assert_eq!(read("TRUE", ScalarType::Bool), value(Value::Bool(true)));
        assert_eq!(read("null", ScalarType::Text), value(Value::Null));
        assert_eq!(read("now()", ScalarType::TimestampTz), Some(Constant::Clock));
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

    #[test]
    fn values_are_written_as_each_backend_reads_them() {
        let both = |value: Value| [Backend::Postgres, Backend::Sqlite].map(|backend| literal_of(&value, backend));
        let same = |text: &str| [text.to_owned(), text.to_owned()];
        assert_eq!(both(Value::Bool(true)), same("true"));
        assert_eq!(both(Value::I64(-5)), same("-5"));
        assert_eq!(both(Value::F64(1.0)), same("1.0"));
        assert_eq!(both(Value::Text("it's".into())), same("'it''s'"));
        assert_eq!(both(Value::Decimal("12.50".into())), ["12.50", "'12.50'"]);
        assert_eq!(both(Value::Bytes(vec![1, 255])), [r"E'\\x01ff'", "x'01ff'"]);
        assert_eq!(both(Value::Array(Vec::new())), ["'{}'", "'[]'"]);
        assert_eq!(both(Value::Json(serde_json::json!([]))), same("'[]'"));
    }
}
