//! Which changes of a type keep every value.

use super::shape::Expression;
use super::token::{self, Kind};
use crate::backend::Backend;

/// Why a change of type may lose or refuse values; `None` if every value of the one is a value of the other.
pub(crate) fn of_type(from: &Expression, to: &Expression, backend: Backend) -> Option<String> {
    let keeps = match backend {
        Backend::Postgres => widens(&kind(from.as_deparsed()), &kind(to.as_deparsed())),
        // Every number can be written as text.
        Backend::Sqlite => match (affinity(&from.sql), affinity(&to.sql)) {
            (Affinity::Integer | Affinity::Real, Affinity::Text) | (Affinity::Integer, Affinity::Real) => true,
            (old, new) => old == new,
        },
    };
    (!keeps).then(|| format!("values that {} cannot hold are refused or lost", to.sql))
}

/// What SQLite makes of a value in a column of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Affinity {
    Integer,
    Text,
    Blob,
    Real,
    Numeric,
}

fn affinity(ty: &str) -> Affinity {
    let ty = ty.to_uppercase();
    let holds = |words: &[&str]| words.iter().any(|word| ty.contains(word));
    if holds(&["INT"]) {
        Affinity::Integer
    } else if holds(&["CHAR", "CLOB", "TEXT"]) {
        Affinity::Text
    } else if ty.is_empty() || holds(&["BLOB"]) {
        Affinity::Blob
    } else if holds(&["REAL", "FLOA", "DOUB"]) {
        Affinity::Real
    } else {
        Affinity::Numeric
    }
}

/// A type's name and what stands in its parentheses.
struct TypeKind {
    name: String,
    size: Option<u32>,
}

fn kind(text: &str) -> TypeKind {
    let tokens = token::tokens(text);
    let size = tokens.iter().find(|token| token.kind == Kind::Number).and_then(|token| token.text.parse().ok());
    let outside = tokens.iter().filter(|token| token.kind != Kind::Number && !token.is('(') && !token.is(')'));
    let name = outside.map(|token| token.text.to_lowercase()).collect::<Vec<_>>().join(" ");
    let name = match name.as_str() {
        "smallint" => "int2",
        "integer" => "int4",
        "bigint" => "int8",
        "double precision" => "float8",
        "real" => "float4",
        "character varying" => "varchar",
        "timestamp with time zone" => "timestamptz",
        "timestamp without time zone" => "timestamp",
        "time without time zone" => "time",
        "boolean" => "bool",
        name => name,
    };
    TypeKind { name: name.to_owned(), size }
}

fn widens(old: &TypeKind, new: &TypeKind) -> bool {
    match (old.name.as_str(), new.name.as_str()) {
        ("int2", "int4" | "int8" | "float4" | "float8" | "numeric")
        | ("int4", "int8" | "float8" | "numeric")
        | ("int8" | "float4" | "float8", "numeric")
        | ("float4", "float8") => new.size.is_none(),
        ("varchar", "varchar") => new.size.is_none() || (old.size.is_some() && old.size <= new.size),
        ("date", "timestamp" | "timestamptz") | ("timestamp", "timestamptz") | ("timestamptz", "timestamp") => true,
        // Text takes anything.
        (old, "text") => !old.ends_with(']') && old != "bytea",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_keeps_every_value_is_no_danger() {
        let is_safe =
            |from: &str, to: &str, backend| of_type(&Expression::new(from), &Expression::new(to), backend).is_none();
        for (from, to) in [
            ("smallint", "bigint"),
            ("integer", "int8"),
            ("real", "double precision"),
            ("character varying(20)", "character varying(80)"),
            ("character varying(20)", "text"),
            ("date", "timestamp with time zone"),
            ("jsonb", "text"),
            ("bigint", "numeric"),
        ] {
            assert!(is_safe(from, to, Backend::Postgres), "{from} {to}");
            assert!(!is_safe(to, from, Backend::Postgres), "{to} {from}");
        }
        assert!(!is_safe("bytea", "text", Backend::Postgres) && !is_safe("text[]", "text", Backend::Postgres));
        assert!(!is_safe("bigint", "numeric(4,2)", Backend::Postgres));
        for (from, to) in [("VARCHAR(80)", "TEXT"), ("INT", "INTEGER"), ("INTEGER", "TEXT"), ("INTEGER", "REAL")] {
            assert!(is_safe(from, to, Backend::Sqlite), "{from} {to}");
        }
        assert!(!is_safe("TEXT", "INTEGER", Backend::Sqlite) && !is_safe("DECIMAL", "INTEGER", Backend::Sqlite));
    }
}
