//! The type of a column, as a constant of the Rust type stored in it.

use std::borrow::Cow;

use super::{NativeType, Recode, TypeName, Value};
use crate::backend::Backend;
use crate::statement::quote_identifier;

/// The scalar types that every backend can store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ScalarType {
    /// `bool` / integer 0 and 1.
    Bool,
    /// `int2` / integer.
    I16,
    /// `int4` / integer.
    I32,
    /// `int8` / integer.
    I64,
    /// `float4` / real.
    F32,
    /// `float8` / real.
    F64,
    /// `text` / text.
    Text,
    /// `bytea` / blob.
    Bytes,
    /// `uuid` / blob of 16 bytes.
    Uuid,
    /// `timestamptz` / text of fixed width, UTC.
    TimestampTz,
    /// `timestamp` / text of fixed width.
    Timestamp,
    /// `date` / text.
    Date,
    /// `time` / text of fixed width.
    Time,
    /// `numeric` / text.
    Decimal,
    /// `jsonb` / text.
    Json,
    /// A type that only the database knows.
    Native(&'static NativeType),
}

/// The type of a column: a scalar or an array of one, nullable or not, with an optional native type on PostgreSQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ColumnType {
    /// The scalar, or the element of an array.
    pub scalar: ScalarType,
    /// An array of `scalar` (JSON text on SQLite).
    pub array: bool,
    /// Whether the Rust type has a place for NULL (`Option<T>`).
    pub nullable: bool,
    /// Whether the elements of an array may be NULL (`Vec<Option<T>>`).
    pub nullable_elements: bool,
    /// A type of the database itself on PostgreSQL, such as a native enum. Values are bound as `scalar`
    /// and cast to this type (`$1::order_status`); they are read back cast to `scalar`.
    pub pg_type: Option<&'static str>,
    /// The values of that type, in order, where it is an enum of which they are known: a migration makes it.
    pub pg_labels: &'static [&'static str],
    /// Whether NULL could be one of several `None`s, so that no column can have the type.
    pub(crate) twice_nullable: bool,
    /// How documents of the column are read as their Rust type and written again, where it has one of its own.
    pub(crate) recode: Option<Recode>,
}

impl ColumnType {
    /// A required scalar.
    pub const fn scalar(scalar: ScalarType) -> Self {
        ColumnType {
            scalar,
            array: false,
            nullable: false,
            nullable_elements: false,
            pg_type: None,
            pg_labels: &[],
            twice_nullable: false,
            recode: None,
        }
    }

    /// The same type with a place for NULL.
    pub const fn nullable(mut self) -> Self {
        self.nullable = true;
        self
    }

    /// The same type with a place for NULL, if `yes`.
    pub const fn nullable_if(mut self, yes: bool) -> Self {
        self.nullable |= yes;
        self
    }

    /// The type of an `Option` of this type. Of one that has a place for NULL itself it can be no column's.
    pub(crate) const fn optional(mut self) -> Self {
        self.twice_nullable |= self.nullable;
        self.nullable()
    }

    /// The same type, whose documents are read and written again by this.
    pub(crate) const fn with_recode(mut self, recode: Recode) -> Self {
        self.recode = Some(recode);
        self
    }

    /// An array of this type.
    pub const fn array(mut self) -> Self {
        self.array = true;
        self.nullable_elements = self.nullable;
        self.nullable = false;
        self
    }

    /// The same type stored as a native type of PostgreSQL.
    pub const fn with_pg_type(mut self, name: &'static str) -> Self {
        self.pg_type = Some(name);
        self.pg_labels = &[];
        self
    }

    /// The same type stored as a native enum of PostgreSQL with these values.
    pub const fn with_pg_enum(mut self, name: &'static str, labels: &'static [&'static str]) -> Self {
        self.pg_type = Some(name);
        self.pg_labels = labels;
        self
    }
}

impl ScalarType {
    /// The type's name on PostgreSQL.
    pub(crate) fn postgres_name(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            ScalarType::Native(ty) => return native_name(ty),
            ScalarType::Bool => "bool",
            ScalarType::I16 => "int2",
            ScalarType::I32 => "int4",
            ScalarType::I64 => "int8",
            ScalarType::F32 => "float4",
            ScalarType::F64 => "float8",
            ScalarType::Text => "text",
            ScalarType::Bytes => "bytea",
            ScalarType::Uuid => "uuid",
            ScalarType::TimestampTz => "timestamptz",
            ScalarType::Timestamp => "timestamp",
            ScalarType::Date => "date",
            ScalarType::Time => "time",
            ScalarType::Decimal => "numeric",
            ScalarType::Json => "jsonb",
        })
    }

    /// Which of the types this is, where types are compared before the program runs.
    pub(crate) const fn number(self) -> u8 {
        match self {
            ScalarType::Bool => 0,
            ScalarType::I16 => 1,
            ScalarType::I32 => 2,
            ScalarType::I64 => 3,
            ScalarType::F32 => 4,
            ScalarType::F64 => 5,
            ScalarType::Text => 6,
            ScalarType::Bytes => 7,
            ScalarType::Uuid => 8,
            ScalarType::TimestampTz => 9,
            ScalarType::Timestamp => 10,
            ScalarType::Date => 11,
            ScalarType::Time => 12,
            ScalarType::Decimal => 13,
            ScalarType::Json => 14,
            ScalarType::Native(_) => 15,
        }
    }

    /// The storage class on SQLite.
    pub(crate) fn sqlite_name(self) -> &'static str {
        match self {
            ScalarType::Native(ty) => ty.sqlite_class(),
            ScalarType::Bool | ScalarType::I16 | ScalarType::I32 | ScalarType::I64 => "INTEGER",
            ScalarType::F32 | ScalarType::F64 => "REAL",
            ScalarType::Bytes | ScalarType::Uuid => "BLOB",
            ScalarType::Text
            | ScalarType::TimestampTz
            | ScalarType::Timestamp
            | ScalarType::Date
            | ScalarType::Time
            | ScalarType::Decimal
            | ScalarType::Json => "TEXT",
        }
    }
}

/// A name that PostgreSQL has from the start is written plain; the others may be anything. A type without one there is
/// refused before this is sent.
fn native_name(ty: &NativeType) -> Cow<'static, str> {
    let mut sql = String::new();
    match ty.name(Backend::Postgres) {
        Ok(TypeName::BuiltIn { name, .. }) if name == "char" => quote_identifier(&mut sql, &name),
        Ok(TypeName::BuiltIn { name, .. }) => sql = name,
        Ok(TypeName::Custom { schema, name }) => {
            if let Some(schema) = schema {
                quote_identifier(&mut sql, &schema);
                sql.push('.');
            }
            quote_identifier(&mut sql, &name);
        }
        Ok(TypeName::Class(_) | TypeName::Unknown(_)) | Err(_) => return Cow::Borrowed("bytea"),
    }
    Cow::Owned(sql)
}

/// The name of a type of PostgreSQL without what stands in parentheses. Some names mean a length of one without them, and go by
/// another name; in `float(24)` the number chooses the type.
fn without_modifier(name: &'static str) -> Cow<'static, str> {
    let (base, list) = name.split_at(outside_quotes(name, '[').unwrap_or(name.len()));
    let open = outside_quotes(base, '(');
    let close = open.and_then(|open| base[open..].find(')').map(|close| open + close + 1));
    let plain = match (open, close) {
        (Some(open), Some(close)) => format!("{} {}", base[..open].trim(), base[close..].trim()),
        _ => base.to_owned(),
    };
    let words: Vec<String> = plain.split_whitespace().map(str::to_ascii_lowercase).collect();
    let plain = match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["char" | "character" | "nchar"] | ["national", "char" | "character"] => "bpchar",
        ["bit"] => "\"bit\"",
        ["float"] => return Cow::Borrowed(name),
        _ if open.is_none() => return Cow::Borrowed(name),
        _ => plain.trim(),
    };
    Cow::Owned(format!("{plain}{list}"))
}

/// Where this character stands first, outside of names in quotes.
fn outside_quotes(text: &str, wanted: char) -> Option<usize> {
    let mut quoted = false;
    text.char_indices().find_map(|(at, found)| {
        quoted ^= found == '"';
        (found == wanted && !quoted).then_some(at)
    })
}

impl ColumnType {
    /// The type's name on PostgreSQL: the native one, or that of the scalar, with `[]` for an array.
    pub(crate) fn postgres_name(self) -> String {
        let name = self.pg_type.map_or_else(|| self.scalar.postgres_name(), Cow::Borrowed);
        if self.array { format!("{name}[]") } else { name.into_owned() }
    }

    /// The type's name in casts: without a length or a scale, by which a cast would cut values, and a condition would ask
    /// for others than it says. What the column itself has of both stays its own business.
    pub(crate) fn postgres_cast_name(self) -> String {
        let name = self.pg_type.map_or_else(|| self.scalar.postgres_name(), without_modifier);
        if self.array { format!("{name}[]") } else { name.into_owned() }
    }

    /// The storage class on SQLite.
    pub(crate) fn sqlite_name(self) -> &'static str {
        if self.array { "TEXT" } else { self.scalar.sqlite_name() }
    }

    /// A value as SQLite stores it in a column of this type, whatever it was given as: `'5'` is a number in a column of
    /// numbers.
    pub(crate) fn by_affinity(self, value: Value) -> Value {
        match (self.sqlite_name(), value) {
            ("INTEGER", Value::Text(text)) => text.trim().parse().map_or(Value::Text(text), Value::I64),
            ("REAL", Value::Text(text)) => text.trim().parse().map_or(Value::Text(text), Value::F64),
            ("REAL", Value::I64(number)) => Value::F64(number as f64),
            ("TEXT", Value::I64(number)) => Value::Text(number.to_string()),
            ("TEXT", Value::F64(number)) => Value::Text(format!("{number:?}")),
            (_, value) => value,
        }
    }

    /// Whether a value may come back as another than the one by which it was found: equal to the database, and not to us.
    pub(crate) fn has_several_spellings(self) -> bool {
        matches!(self.scalar, ScalarType::F32 | ScalarType::F64 | ScalarType::Decimal | ScalarType::Native(_))
            || (self.pg_type.is_some() && self.pg_labels.is_empty())
    }

    /// Whether two values that differ may be equal to the database, by a collation or by the type itself.
    pub(crate) fn may_be_spelled_otherwise(self) -> bool {
        self.scalar == ScalarType::Text || self.has_several_spellings()
    }

    /// Whether only the database knows the type.
    pub(crate) fn is_native(self) -> bool {
        matches!(self.scalar, ScalarType::Native(_))
    }

    /// Whether it is an array of such, which cannot go as text.
    pub(crate) fn is_native_array(self) -> bool {
        self.array && self.is_native()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cast_has_no_length_and_no_scale() {
        for (name, cast) in [
            ("order_status", "order_status"),
            ("numeric(10,2)", "numeric"),
            ("numeric (10, 2)", "numeric"),
            ("pg_catalog.numeric(10,2)", "pg_catalog.numeric"),
            ("varchar(20)", "varchar"),
            ("character varying(20)", "character varying"),
            ("timestamp(3) with time zone", "timestamp with time zone"),
            ("interval day to second(3)", "interval day to second"),
            ("double precision", "double precision"),
            ("vector(3)", "vector"),
            ("char(10)", "bpchar"),
            ("CHARACTER (10)", "bpchar"),
            ("national character(10)", "bpchar"),
            ("char", "bpchar"),
            ("bpchar(4)", "bpchar"),
            ("\"char\"", "\"char\""),
            ("bit(8)", "\"bit\""),
            ("bit varying(8)", "bit varying"),
            ("float(24)", "float(24)"),
            ("numeric(10,2)[]", "numeric[]"),
            ("\"odd(1)\"", "\"odd(1)\""),
            ("app.\"odd(1)[]\"(2)", "app.\"odd(1)[]\""),
        ] {
            let ty = ColumnType::scalar(ScalarType::Text).with_pg_type(name);
            assert_eq!(ty.postgres_cast_name(), cast, "{name}");
            assert_eq!(ty.array().postgres_cast_name(), format!("{cast}[]"));
            assert_eq!(ty.postgres_name(), name, "a column is made with all of it");
        }
    }
}
