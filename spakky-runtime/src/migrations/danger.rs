//! Which changes of a type keep every value.

use super::shape::Expression;
use super::token::{self, Kind};
use crate::backend::Backend;

/// Why a change of type may lose or refuse values; `None` if every value of the one is a value of the other.
pub(crate) fn of_type(from: &Expression, to: &Expression, backend: Backend) -> Option<String> {
    let (old, new) = (kind(from.as_deparsed()), kind(to.as_deparsed()));
    let keeps = match backend {
        Backend::Postgres => widens(&old, &new),
        // Every value can be written as text, and storage of any class is what it was without STRICT.
        Backend::Sqlite => {
            matches!((old.name.as_str(), new.name.as_str()), ("integer" | "real", "text") | ("integer", "real"))
        }
    };
    (!keeps).then(|| format!("values that {} cannot hold are refused or lost", to.sql))
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
        "integer" if size.is_none() && text.len() == 7 && text.starts_with('i') => "int4",
        "bigint" => "int8",
        "double precision" => "float8",
        "real" if text.starts_with('r') => "float4",
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
