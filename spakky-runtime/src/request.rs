//! Requests from outside: what a query string or a JSON body may ask of a table.
//!
//! A [`Query`] says what rows are wanted, in which order, and which page of them. It is plain data that anybody may have
//! written: nothing of it reaches the database but through the fields that the table's `filterable(..)` and
//! `sortable(..)` name, and values of their types. [`Repository::search`](crate::Repository::search) makes a
//! query of it.

mod bounded;
mod filter;
mod json;
mod limits;
mod resolve;
mod rules;
mod sort;
#[cfg(test)]
mod tests;
mod url;
mod value;

pub use filter::{Filter, FilterOperator};
pub use limits::QueryLimits;
pub use rules::QueryRules;
pub use sort::Sort;

use limits::LONGEST_JSON;

use crate::error::{Error, ErrorKind};

/// What a request from outside asks of a table: filter, order, page.
///
/// It is read from JSON and from query strings (with serde, so that the extractors of web frameworks take it, or with
/// [`from_query_string`](Self::from_query_string)) and written back to either.
///
/// ```
/// use spakky_runtime::request::Query;
///
/// let json = r#"{"filter": {"field": "status", "op": "eq", "value": "paid"}, "sort": ["-created_at"]}"#;
/// let query = Query::from_json(json)?;
/// assert_eq!(query, Query::from_query_string("status=paid&sort=-created_at")?);
/// # Ok::<_, spakky_runtime::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Query {
    pub(crate) filter: Option<Filter>,
    pub(crate) sort: Vec<Sort>,
    pub(crate) page: Paging,
}

/// Which page is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Paging {
    pub(crate) number: Option<u64>,
    pub(crate) size: Option<u64>,
    pub(crate) cursor: Option<String>,
}

impl Query {
    /// Asks for every row.
    pub fn new() -> Self {
        Self::default()
    }

    /// Narrows it to rows that fulfil `filter` as well.
    #[must_use]
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = Some(match self.filter.take() {
            Some(first) => first.and(filter),
            None => filter,
        });
        self
    }

    /// Sorts by `key`, after what was asked for before.
    #[must_use]
    pub fn sort(mut self, key: Sort) -> Self {
        self.sort.push(key);
        self
    }

    /// Asks for the page of this number, counted from 1.
    #[must_use]
    pub fn page_number(mut self, number: u64) -> Self {
        self.page.number = Some(number);
        self
    }

    /// Asks for pages of this size.
    #[must_use]
    pub fn page_size(mut self, size: u64) -> Self {
        self.page.size = Some(size);
        self
    }

    /// Asks for the page that a cursor leads to.
    #[must_use]
    pub fn cursor(mut self, cursor: impl Into<String>) -> Self {
        self.page.cursor = Some(cursor.into());
        self
    }

    /// The filter, if there is one.
    pub fn get_filter(&self) -> Option<&Filter> {
        self.filter.as_ref()
    }

    /// The sort keys.
    pub fn get_sort(&self) -> &[Sort] {
        &self.sort
    }

    /// The cursor, if there is one.
    pub fn get_cursor(&self) -> Option<&str> {
        self.page.cursor.as_deref()
    }

    /// Reads JSON.
    ///
    /// # Errors
    /// [`is_invalid_query`](Error::is_invalid_query), saying what is not understood or too large.
    pub fn from_json(text: &str) -> Result<Self, Error> {
        if text.len() > LONGEST_JSON {
            return Err(refused(format!("{} bytes, of which {LONGEST_JSON} are allowed", text.len())));
        }
        serde_json::from_str(text).map_err(|error| match reason(&error) {
            Some(reason) => refused(reason),
            None => refused(format!("{} at line {}, column {}", unread(&error), error.line(), error.column())),
        })
    }

    /// The request as JSON.
    pub fn to_json(&self) -> String {
        serde_json::json!(self).to_string()
    }
}

/// Before each message, since a request is read before it is known for which table.
const PREFIX: &str = "read the query: ";

/// What is wrong with JSON that is no request, in our own words or those of serde.
fn reason(error: &serde_json::Error) -> Option<String> {
    if error.classify() != serde_json::error::Category::Data {
        return None;
    }
    let message = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let message = message.strip_suffix(&place).unwrap_or(&message);
    Some(message.strip_prefix(PREFIX).unwrap_or(message).to_owned())
}

/// Why a text is no JSON that is read.
fn unread(error: &serde_json::Error) -> &'static str {
    // It has no other way to tell.
    let is_too_deep = error.to_string().starts_with("recursion limit exceeded");
    if is_too_deep { "nested more than 127 levels deep" } else { "not valid JSON" }
}

fn refused(problem: impl AsRef<str>) -> Error {
    Error::new(ErrorKind::InvalidQuery, format!("{PREFIX}{}", problem.as_ref()))
}
