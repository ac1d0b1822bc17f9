//! A request as JSON, and as what a query string deserializes from: a map whose values are all text.
//!
//! ```text
//! {"filter": {"and": [{"field": "status", "op": "eq", "value": "paid"}, {"not": {…}}]},
//!  "sort": ["-created_at", "id"], "page": {"number": 2, "size": 50}}
//! ```
//!
//! One reader takes both forms, so that one type serves the extractors of a web framework for either.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value as Json};

use super::bounded::{Bounded, Budget, Key};
use super::limits::{CEILING, DEEPEST};
use super::{Filter, FilterOperator, Paging, Query, Sort, reason, refused, url};
use crate::error::Error;
use crate::page::MOST_ROWS;
use crate::quote::shown;
use crate::suggest::closest;

impl<'de> Deserialize<'de> for Query {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(QueryVisitor)
    }
}

struct QueryVisitor;

impl<'de> Visitor<'de> for QueryVisitor {
    type Value = Query;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a query: a map of `filter`, `sort` and `page`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Query, A::Error> {
        let mut reader = QueryReader::default();
        while let Some(key) = map.next_key_seed(Key)? {
            let value = map.next_value_seed(Bounded { budget: &reader.budget })?;
            reader.add(key, value).map_err(A::Error::custom)?;
        }
        reader.finish().map_err(A::Error::custom)
    }
}

/// Puts a request together, key by key.
#[derive(Default)]
struct QueryReader {
    query: Query,
    parts: Vec<Filter>,
    seen: HashSet<String>,
    budget: Budget,
}

impl QueryReader {
    fn add(&mut self, key: String, value: Json) -> Result<(), Error> {
        if self.seen.contains(&key) {
            return Err(refused(format!("`{}` is given twice; for one of several values use `in`", shown(&key))));
        }
        let page = &mut self.query.page;
        match (key.as_str(), value) {
            ("filter", Json::String(text)) => {
                let value = self.budget.parse(&text).map_err(|error| {
                    let not_json = "`filter` is not JSON; write `field=value`, `field[op]=value` or JSON";
                    refused(reason(&error).unwrap_or_else(|| not_json.to_owned()))
                })?;
                self.parts.push(read_filter(value, 0)?);
            }
            ("filter", value) => self.parts.push(read_filter(value, 0)?),
            ("sort", Json::String(text)) if text.is_empty() => {}
            ("sort", Json::String(text)) => {
                self.query.sort = text.split(',').map(Sort::parse).collect::<Result<_, _>>()?;
            }
            ("sort", Json::Array(keys)) => {
                let parse = |key: Json| match key {
                    Json::String(key) => Sort::parse(&key),
                    other => Err(refused(format!("`sort` takes texts such as `-created_at`, found {}", kind(&other)))),
                };
                self.query.sort = keys.into_iter().map(parse).collect::<Result<_, _>>()?;
            }
            ("sort", other) => {
                return Err(refused(format!(
                    "`sort` takes a list such as `[\"-created_at\"]`, found {}",
                    kind(&other)
                )));
            }
            ("page", Json::Object(fields)) => {
                for (key, value) in fields {
                    match key.as_str() {
                        "number" => set(&mut page.number, "page", number("page.number", &value)?)?,
                        "size" => set(&mut page.size, "page_size", number("page.size", &value)?)?,
                        "cursor" => set(&mut page.cursor, "cursor", text("page.cursor", value)?)?,
                        other => return Err(unknown(&format!("page.{other}"), "`number`, `size` and `cursor`")),
                    }
                }
            }
            ("page", value) => set(&mut page.number, "page", number("page", &value)?)?,
            ("page_size", value) => set(&mut page.size, "page_size", number("page_size", &value)?)?,
            ("cursor", value) => set(&mut page.cursor, "cursor", text("cursor", value)?)?,
            (key, Json::String(text)) => {
                self.budget.take_condition()?;
                self.parts.push(url::read_condition(key, &text)?);
            }
            (key, _) => {
                let hint = closest(key, &["filter", "sort", "page"]);
                let hint = hint.map(|hint| format!("; did you mean `{hint}`?")).unwrap_or_default();
                return Err(refused(format!(
                    "unknown key `{}`; there are `filter`, `sort` and `page`{hint}",
                    shown(key)
                )));
            }
        }
        self.seen.insert(key);
        Ok(())
    }

    /// The request, if it is within the bounds of all requests.
    fn finish(mut self) -> Result<Query, Error> {
        self.query.filter = match self.parts.len() {
            0 | 1 => self.parts.pop(),
            _ => Some(Filter::And(self.parts)),
        };
        CEILING.check(&self.query)?;
        Ok(self.query)
    }
}

fn set<T>(slot: &mut Option<T>, key: &str, value: T) -> Result<(), Error> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(refused(format!("`{key}` is given twice"))),
    }
}

fn unknown(key: &str, known: &str) -> Error {
    refused(format!("unknown key `{}`; there are {known}", shown(key)))
}

fn number(key: &str, value: &Json) -> Result<u64, Error> {
    let number = match value {
        Json::Number(number) => number.as_u64(),
        Json::String(text) => text.parse().ok(),
        _ => None,
    };
    number.filter(|number| *number <= MOST_ROWS).ok_or_else(|| {
        let found = match value {
            Json::String(text) => format!("`{}`", shown(text)),
            Json::Number(number) => format!("`{number}`"),
            other => kind(other).to_owned(),
        };
        refused(format!("`{key}` must be a whole number between 1 and {MOST_ROWS}, found {found}"))
    })
}

fn text(key: &str, value: Json) -> Result<String, Error> {
    match value {
        Json::String(text) => Ok(text),
        other => Err(refused(format!("`{key}` must be text, found {}", kind(&other)))),
    }
}

/// What was found, for a message.
pub(super) fn kind(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "a bool",
        Json::Number(_) => "a number",
        Json::String(_) => "text",
        Json::Array(_) => "a list",
        Json::Object(_) => "an object",
    }
}

fn read_filter(value: Json, depth: usize) -> Result<Filter, Error> {
    const FORMS: &str = "`{\"field\", \"op\", \"value\"}`, `{\"and\": […]}`, `{\"or\": […]}` or `{\"not\": {…}}`";
    if depth > DEEPEST {
        return Err(refused(format!("and, or, not nest more than {DEEPEST} levels deep")));
    }
    let Json::Object(mut fields) = value else {
        return Err(refused(format!("a filter is {FORMS}, found {}", kind(&value))));
    };
    if fields.contains_key("field") {
        return read_comparison(fields);
    }
    let mut entries = std::mem::take(&mut fields).into_iter();
    let (Some((key, value)), None) = (entries.next(), entries.next()) else {
        return Err(refused(format!("a filter is {FORMS}; this one has another number of keys")));
    };
    let parts = |value: Json| match value {
        Json::Array(parts) => parts.into_iter().map(|part| read_filter(part, depth + 1)).collect::<Result<_, _>>(),
        other => Err(refused(format!("`{key}` takes a list of filters, found {}", kind(&other)))),
    };
    match key.as_str() {
        "and" => parts(value).map(Filter::And),
        "or" => parts(value).map(Filter::Or),
        "not" => read_filter(value, depth + 1).map(|inner| Filter::Not(Box::new(inner))),
        other => Err(refused(format!("unknown key `{}` in a filter, which is {FORMS}", shown(other)))),
    }
}

fn read_comparison(mut fields: Map<String, Json>) -> Result<Filter, Error> {
    let field = text("field", fields.remove("field").unwrap_or_default())?;
    let operator = match fields.remove("op") {
        Some(name) => operator(&field, &text("op", name)?)?,
        None => FilterOperator::Eq,
    };
    let value = fields.remove("value");
    if let Some(key) = fields.keys().next() {
        return Err(unknown(key, "`field`, `op` and `value`"));
    }
    let value = match value {
        Some(value) => value,
        None if operator.takes_nothing() => Json::Bool(true),
        None => {
            let name = operator.name();
            return Err(refused(format!(
                "filter by `{}`: `{name}` needs a `value`; for no value use `is_null`",
                shown(&field)
            )));
        }
    };
    Ok(Filter::Field { field, operator, value })
}

pub(super) fn operator(field: &str, name: &str) -> Result<FilterOperator, Error> {
    FilterOperator::from_name(name).ok_or_else(|| {
        let hint = closest(name, FilterOperator::NAMES);
        let hint = hint.map(|hint| format!(" (did you mean `{hint}`?)")).unwrap_or_default();
        let known = FilterOperator::NAMES.join(", ");
        let (field, name) = (shown(field), shown(name));
        refused(format!("filter by `{field}`: there is no operator `{name}`{hint}; there are {known}"))
    })
}

impl Serialize for Query {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(filter) = &self.filter {
            map.serialize_entry("filter", filter)?;
        }
        if !self.sort.is_empty() {
            map.serialize_entry("sort", &self.sort)?;
        }
        if self.page != Paging::default() {
            map.serialize_entry("page", &self.page)?;
        }
        map.end()
    }
}

impl Serialize for Filter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self {
            Filter::And(parts) => map.serialize_entry("and", parts)?,
            Filter::Or(parts) => map.serialize_entry("or", parts)?,
            Filter::Not(inner) => map.serialize_entry("not", inner)?,
            Filter::Field { field, operator, value } => {
                map.serialize_entry("field", field)?;
                map.serialize_entry("op", operator.name())?;
                if !(operator.takes_nothing() && *value == Json::Bool(true)) {
                    map.serialize_entry("value", value)?;
                }
            }
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Filter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Bounded { budget: &Budget::default() }.deserialize(deserializer)?;
        read_filter(value, 0).map_err(D::Error::custom)
    }
}

impl Serialize for Sort {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Sort {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Sort::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl Serialize for Paging {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Paging { number, size, cursor } = self;
        let mut map = serializer.serialize_map(None)?;
        if let Some(number) = number {
            map.serialize_entry("number", number)?;
        }
        if let Some(size) = size {
            map.serialize_entry("size", size)?;
        }
        if let Some(cursor) = cursor {
            map.serialize_entry("cursor", cursor)?;
        }
        map.end()
    }
}
