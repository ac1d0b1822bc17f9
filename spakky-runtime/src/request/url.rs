//! A request as a query string: `status=paid&total[gte]=100&sort=-created_at&page=2&page_size=50`.
//!
//! A condition is `field=value` or `field[op]=value`; lists are written with commas. Several conditions must all hold.
//! Whatever this cannot say (or, not, `null`, values that are no text or hold a comma in a list) stands as JSON in
//! `filter`.

use form_urlencoded::{Serializer, parse};
use serde::Deserialize;
use serde::de::value::{Error as PlainError, MapDeserializer};
use serde_json::Value as Json;

use super::json::operator;
use super::limits::LONGEST_QUERY_STRING;
use super::{Filter, FilterOperator, PREFIX, Query, refused};
use crate::error::Error;
use crate::quote::shown;

/// Keys that are no fields. A field of such a name is written `filter[page]=…`.
const KEYS: [&str; 5] = ["filter", "sort", "page", "page_size", "cursor"];

impl Query {
    /// Reads a query string, without the `?`.
    ///
    /// ```
    /// use spakky_runtime::request::{Filter, Query, Sort};
    ///
    /// let query = Query::from_query_string("status=paid&sort=-created_at&page=2")?;
    /// assert_eq!(query, Query::new().filter(Filter::eq("status", "paid")).sort(Sort::desc("created_at")).page_number(2));
    /// # Ok::<_, spakky_runtime::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`is_invalid_query`](Error::is_invalid_query), saying what is not understood or too large.
    pub fn from_query_string(text: &str) -> Result<Self, Error> {
        if text.len() > LONGEST_QUERY_STRING {
            return Err(refused(format!("{} bytes, of which {LONGEST_QUERY_STRING} are allowed", text.len())));
        }
        let pairs: MapDeserializer<'_, _, PlainError> = MapDeserializer::new(parse(text.as_bytes()));
        Query::deserialize(pairs).map_err(|error| {
            let message = error.to_string();
            refused(message.strip_prefix(PREFIX).unwrap_or(&message))
        })
    }

    /// The request as a query string, without the `?`. Read again, it is the same request.
    pub fn to_query_string(&self) -> String {
        let mut text = Serializer::new(String::new());
        match self.filter.as_ref().map(|filter| (filter, flat(filter))) {
            None => {}
            Some((_, Some(pairs))) => {
                text.extend_pairs(pairs);
            }
            Some((filter, None)) => {
                text.append_pair("filter", &serde_json::json!(filter).to_string());
            }
        }
        if !self.sort.is_empty() {
            let keys: Vec<_> = self.sort.iter().map(ToString::to_string).collect();
            text.append_pair("sort", &keys.join(","));
        }
        if let Some(number) = self.page.number {
            text.append_pair("page", &number.to_string());
        }
        if let Some(size) = self.page.size {
            text.append_pair("page_size", &size.to_string());
        }
        if let Some(cursor) = &self.page.cursor {
            text.append_pair("cursor", cursor);
        }
        text.finish()
    }
}

/// `status`, `total[gte]`, `filter[page]`, `filter[page][gte]`.
pub(super) fn read_condition(key: &str, text: &str) -> Result<Filter, Error> {
    let wrong = || refused(format!("`{}` is not understood; write `field=value` or `field[op]=value`", shown(key)));
    let inner = match key.strip_prefix("filter[") {
        Some(rest) => {
            let (field, rest) = rest.split_once(']').ok_or_else(wrong)?;
            if rest.is_empty() { field.to_owned() } else { format!("{field}{rest}") }
        }
        None => key.to_owned(),
    };
    let (field, operator) = match inner.split_once('[') {
        None => (inner.as_str(), FilterOperator::Eq),
        Some((field, rest)) => (field, operator(field, rest.strip_suffix(']').ok_or_else(wrong)?)?),
    };
    if field.is_empty() || field.contains(']') {
        return Err(wrong());
    }
    let value = if operator.takes_list() {
        let values = if text.is_empty() { Vec::new() } else { text.split(',').map(Json::from).collect() };
        Json::Array(values)
    } else if operator.takes_nothing() {
        match text {
            "" | "true" => Json::Bool(true),
            _ => {
                let name = operator.name();
                return Err(refused(format!("filter by `{}`: `{name}` takes no value but `true`", shown(field))));
            }
        }
    } else {
        Json::from(text)
    };
    Ok(Filter::Field { field: field.to_owned(), operator, value })
}

/// The filter as conditions of which each has a key of its own, if that says it all.
fn flat(filter: &Filter) -> Option<Vec<(String, String)>> {
    let single = std::slice::from_ref(filter);
    let parts = match filter {
        // One that holds a single part, or none, is read back as another.
        Filter::And(parts) if parts.len() > 1 => parts,
        Filter::And(_) | Filter::Or(_) | Filter::Not(_) => return None,
        Filter::Field { .. } => single,
    };
    let mut pairs: Vec<(String, String)> = Vec::new();
    for part in parts {
        let Filter::Field { field, operator, value } = part else { return None };
        if field.is_empty() || field.contains(['[', ']']) {
            return None;
        }
        let name = if KEYS.contains(&field.as_str()) { format!("filter[{field}]") } else { field.clone() };
        let key = if *operator == FilterOperator::Eq { name } else { format!("{name}[{}]", operator.name()) };
        if pairs.iter().any(|(other, _)| *other == key) {
            return None;
        }
        let text = match value {
            Json::Bool(true) if operator.takes_nothing() => "true".to_owned(),
            Json::String(text) if !operator.takes_list() && !operator.takes_nothing() => text.clone(),
            Json::Array(values) if operator.takes_list() => {
                let texts: Option<Vec<&str>> =
                    values.iter().map(|value| value.as_str().filter(|text| !text.contains(','))).collect();
                let texts = texts.filter(|texts| texts.as_slice() != [""])?;
                texts.join(",")
            }
            _ => return None,
        };
        pairs.push((key, text));
    }
    Some(pairs)
}
