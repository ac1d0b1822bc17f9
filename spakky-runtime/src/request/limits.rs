//! How large a request may be.

use serde_json::Value as Json;

use super::{Filter, Query, Sort, refused};
use crate::error::Error;

/// The longest query string that is read, in bytes.
pub(super) const LONGEST_QUERY_STRING: usize = 16 * 1024;
/// The longest JSON that is read, in bytes.
pub(super) const LONGEST_JSON: usize = 1024 * 1024;
/// The longest key that is read, in bytes: the name of a field, and what stands around it in a query string.
pub(super) const LONGEST_KEY: usize = LONGEST_NAME + 40;
/// The longest name of a field, in bytes.
const LONGEST_NAME: usize = 200;
/// How deep and, or, not nest when a request is read.
pub(super) const DEEPEST: usize = 16;

/// How large a request is when it is read, whatever an endpoint allows.
pub(super) const CEILING: QueryLimits = QueryLimits {
    conditions: 1_000,
    depth: DEEPEST,
    list: 10_000,
    text: LONGEST_QUERY_STRING,
    sort_keys: 32,
    // The rules of the endpoint are not known yet.
    page_size: crate::page::MOST_ROWS,
};

/// How large a request may be. A request is checked against them when a query is made of it; while it is read only the
/// outermost bounds hold (1,000 conditions, 16 levels, lists of 10,000 values, texts of 16 KiB). The defaults are for requests that people and pages make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueryLimits {
    /// Comparisons of fields. 50 unless set.
    pub conditions: usize,
    /// Levels of and, or, not around a comparison. 8 unless set, 16 at most.
    pub depth: usize,
    /// Values in one list. 200 unless set.
    pub list: usize,
    /// Bytes of one text. 1000 unless set.
    pub text: usize,
    /// Sort keys. 8 unless set.
    pub sort_keys: usize,
    /// Rows of one page, whoever asks for it. 200 unless set; it may be more.
    pub page_size: u64,
}

impl Default for QueryLimits {
    fn default() -> Self {
        QueryLimits {
            conditions: 50,
            depth: 8,
            list: 200,
            text: 1_000,
            sort_keys: 8,
            page_size: crate::page::LARGEST_PAGE,
        }
    }
}

impl QueryLimits {
    /// Refuses what is larger.
    pub(super) fn check(&self, query: &Query) -> Result<(), Error> {
        let mut conditions = 0;
        if let Some(filter) = &query.filter {
            self.check_filter(filter, 0, &mut conditions)?;
        }
        if conditions > self.conditions {
            return Err(refused(format!("{conditions} conditions, of which {} are allowed", self.conditions)));
        }
        if query.sort.len() > self.sort_keys {
            return Err(refused(format!("{} sort keys, of which {} are allowed", query.sort.len(), self.sort_keys)));
        }
        query.sort.iter().try_for_each(|Sort { field, .. }| self.check_name(field))?;
        if let Some(size) = query.page.size.filter(|size| !(1..=self.page_size).contains(size)) {
            return Err(refused(format!("the page size must be between 1 and {}, found {size}", self.page_size)));
        }
        if query.page.number == Some(0) {
            return Err(refused("pages are counted from 1, found 0"));
        }
        Ok(())
    }

    fn check_filter(&self, filter: &Filter, depth: usize, conditions: &mut usize) -> Result<(), Error> {
        if depth > self.depth {
            return Err(refused(format!("and, or, not nest more than {} levels deep", self.depth)));
        }
        match filter {
            Filter::And(parts) | Filter::Or(parts) => {
                // An empty one costs as much as a comparison.
                *conditions += usize::from(parts.is_empty());
                parts.iter().try_for_each(|part| self.check_filter(part, depth + 1, conditions))
            }
            Filter::Not(inner) => self.check_filter(inner, depth + 1, conditions),
            Filter::Field { field, value, .. } => {
                *conditions += 1;
                self.check_name(field)?;
                self.check_value(field, value)
            }
        }
    }

    fn check_value(&self, field: &str, value: &Json) -> Result<(), Error> {
        match value {
            Json::Array(values) if values.len() > self.list => Err(refused(format!(
                "filter by `{field}`: {} values in a list, of which {} are allowed",
                values.len(),
                self.list
            ))),
            Json::Array(values) => values.iter().try_for_each(|value| self.check_value(field, value)),
            Json::String(text) if text.len() > self.text => Err(refused(format!(
                "filter by `{field}`: a text of {} bytes, of which {} are allowed",
                text.len(),
                self.text
            ))),
            _ => Ok(()),
        }
    }

    /// A name is shown in the error that refuses it.
    fn check_name(&self, field: &str) -> Result<(), Error> {
        if field.len() > LONGEST_NAME {
            let problem = format!("the name of a field has {} bytes, of which {LONGEST_NAME} are allowed", field.len());
            return Err(refused(problem));
        }
        Ok(())
    }
}
