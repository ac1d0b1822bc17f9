//! Pages of rows: by number, and by cursor.
//!
//! A page by number ([`Page`]) can be jumped to and knows how many rows there are; the deeper it lies, the more rows the
//! database reads to skip them, and rows that come and go meanwhile shift it. A page by cursor ([`CursorPage`]) starts
//! behind the last row of the page before, wherever that is now: it costs the same at any depth, and no row that stays is
//! seen twice or missed.

mod chunk;
mod codec;
mod cursor;
mod key;
mod keyset;
#[cfg(test)]
mod tests;
mod total;
mod walk;

pub(crate) use chunk::Chunks;
pub(crate) use key::process_key;
pub(crate) use keyset::complete;
pub(crate) use total::{read_total, totals};
pub(crate) use walk::Walk;

use cursor::{Cursor, Direction, binding};
use keyset::Keyset;

use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::error::{Error, ErrorKind};
use crate::request::Query;

/// The most rows of a page that a request from outside may ask for, unless [`QueryRules`](crate::request::QueryRules) say
/// otherwise. A page that the program itself asks for may have more.
pub const LARGEST_PAGE: u64 = 200;

/// The most that can be asked for at all: one row more is read, and the database counts with 63 bits.
pub(crate) const MOST_ROWS: u64 = i64::MAX as u64 - 1;

/// The rows of a page that asks for no size.
pub const DEFAULT_PAGE: u64 = 20;

/// A page asked for by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRequest {
    pub(crate) number: u64,
    size: PageSize,
    pub(crate) total: TotalMode,
    cursor: bool,
}

/// How many rows a page is to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PageSize {
    /// As few as by default.
    Unsaid,
    /// So many, as the program says.
    Own(u64),
    /// So many, if a request from outside said so.
    Requested(Option<u64>),
}

impl PageSize {
    /// The number of rows; `limit` is that of the rules for the query, if it has any.
    fn within(self, limit: Option<u64>) -> Result<u64, Error> {
        let (size, most) = match self {
            PageSize::Unsaid => (None, limit.unwrap_or(MOST_ROWS)),
            PageSize::Own(size) => (Some(size), limit.unwrap_or(MOST_ROWS)),
            PageSize::Requested(size) => (size, limit.unwrap_or(LARGEST_PAGE)),
        };
        let most = most.min(MOST_ROWS);
        let size = size.unwrap_or(DEFAULT_PAGE.min(most));
        if (1..=most).contains(&size) {
            return Ok(size);
        }
        Err(refused(format!("the page size must be between 1 and {most}, found {size}")))
    }
}

/// How the rows of all pages are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TotalMode {
    /// Every row is counted.
    Exact,
    /// Up to this many rows are counted. Where there are more, PostgreSQL's planner estimates how many, and SQLite, which
    /// has no estimate, says that there are more.
    EstimateAbove(u64),
    /// Nothing is counted.
    Skip,
}

impl PageRequest {
    /// The page of this number, counted from 1, with [`DEFAULT_PAGE`] rows and an exact total.
    pub fn new(number: u64) -> Self {
        PageRequest { number, size: PageSize::Unsaid, total: TotalMode::Exact, cursor: false }
    }

    /// How many rows a page has: 1 or more. Of a query with [`QueryRules`](crate::request::QueryRules) a page has no more
    /// than these allow, whoever asks.
    #[must_use]
    pub fn size(mut self, rows: u64) -> Self {
        self.size = PageSize::Own(rows);
        self
    }

    /// How the rows of all pages are counted.
    #[must_use]
    pub fn total(mut self, mode: TotalMode) -> Self {
        self.total = mode;
        self
    }

    /// The size of the page, if it is one that can be; `limit` is that of the rules for the query, if it has any.
    pub(crate) fn checked_size(&self, limit: Option<u64>) -> Result<u64, Error> {
        let size = self.size.within(limit)?;
        if self.number == 0 {
            return Err(refused("pages are counted from 1, found 0"));
        }
        if self.cursor {
            return Err(refused("the request has a cursor, which leads to a page of `cursor_page`, not of `page`"));
        }
        Ok(size)
    }
}

/// The page that the request asks for: the first one, unless it says more.
impl From<&Query> for PageRequest {
    fn from(query: &Query) -> Self {
        PageRequest {
            number: query.page.number.unwrap_or(1),
            size: PageSize::Requested(query.page.size),
            total: TotalMode::Exact,
            cursor: query.page.cursor.is_some(),
        }
    }
}

/// A page asked for by a cursor, or the first one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CursorRequest {
    size: PageSize,
    pub(crate) cursor: Option<String>,
    numbered: bool,
}

impl CursorRequest {
    /// The first page, of this many rows: 1 or more. Of a query with [`QueryRules`](crate::request::QueryRules) a page has no
    /// more than these allow, whoever asks.
    pub fn first(size: u64) -> Self {
        CursorRequest { size: PageSize::Own(size), cursor: None, numbered: false }
    }

    /// The page that the cursor leads to: [`next`](CursorPage::next) or [`previous`](CursorPage::previous) of another
    /// page of the same query.
    #[must_use]
    pub fn at(mut self, cursor: impl Into<String>) -> Self {
        self.cursor = Some(cursor.into());
        self
    }

    /// The size of the page, if it is one that can be; `limit` is that of the rules for the query, if it has any.
    pub(crate) fn checked_size(&self, limit: Option<u64>) -> Result<u64, Error> {
        let size = self.size.within(limit)?;
        if self.numbered {
            return Err(refused(
                "the request names a page by its number, which `cursor_page` does not know; use `page`",
            ));
        }
        Ok(size)
    }
}

/// The page that the request's cursor leads to, or the first one.
impl From<&Query> for CursorRequest {
    fn from(query: &Query) -> Self {
        CursorRequest {
            size: PageSize::Requested(query.page.size),
            cursor: query.page.cursor.clone(),
            numbered: query.page.number.is_some(),
        }
    }
}

fn refused(problem: impl AsRef<str>) -> Error {
    Error::new(ErrorKind::InvalidQuery, format!("find a page: {}", problem.as_ref()))
}

/// How many rows all pages have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Total {
    /// This many.
    Exact(u64),
    /// About this many, as PostgreSQL's planner guesses.
    Estimated(u64),
    /// This many or more.
    AtLeast(u64),
    /// Nobody counted.
    Skipped,
}

impl Total {
    /// The number, if there is one.
    pub fn count(self) -> Option<u64> {
        match self {
            Total::Exact(count) | Total::Estimated(count) | Total::AtLeast(count) => Some(count),
            Total::Skipped => None,
        }
    }

    fn accuracy(self) -> &'static str {
        match self {
            Total::Exact(_) => "exact",
            Total::Estimated(_) => "estimated",
            Total::AtLeast(_) => "at_least",
            Total::Skipped => "skipped",
        }
    }
}

/// A page by number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// The page's number, counted from 1.
    pub page: u64,
    /// How many rows a full page has.
    pub page_size: u64,
    /// How many rows all pages have.
    pub total: Total,
    /// Whether there is a row behind this page.
    pub has_next: bool,
}

impl<T> Page<T> {
    /// The same page of other items.
    pub fn map<U>(self, each: impl FnMut(T) -> U) -> Page<U> {
        let Page { items, page, page_size, total, has_next } = self;
        Page { items: items.into_iter().map(each).collect(), page, page_size, total, has_next }
    }

    /// How many pages there are, if the rows were counted.
    pub fn total_pages(&self) -> Option<u64> {
        self.total.count().map(|count| count.div_ceil(self.page_size))
    }

    /// Whether there is a page before this one.
    pub fn has_previous(&self) -> bool {
        self.page > 1
    }
}

/// `total` is the number or null; `total_accuracy` says `exact`, `estimated`, `at_least` or `skipped`.
impl<T: Serialize> Serialize for Page<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Page", 7)?;
        fields.serialize_field("items", &self.items)?;
        fields.serialize_field("page", &self.page)?;
        fields.serialize_field("page_size", &self.page_size)?;
        fields.serialize_field("total", &self.total.count())?;
        fields.serialize_field("total_accuracy", self.total.accuracy())?;
        fields.serialize_field("has_next", &self.has_next)?;
        fields.serialize_field("has_previous", &self.has_previous())?;
        fields.end()
    }
}

/// A page by cursor.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct CursorPage<T> {
    /// The rows, in the order of the query, whichever way the page was reached.
    pub items: Vec<T>,
    /// How many rows a full page has.
    pub page_size: u64,
    /// The cursor of the page behind this one, if there is one.
    pub next: Option<String>,
    /// The cursor of the page before this one, if there may be one.
    pub previous: Option<String>,
}

impl<T> CursorPage<T> {
    /// The same page of other items.
    pub fn map<U>(self, each: impl FnMut(T) -> U) -> CursorPage<U> {
        let CursorPage { items, page_size, next, previous } = self;
        CursorPage { items: items.into_iter().map(each).collect(), page_size, next, previous }
    }

    /// Whether there is a page behind this one.
    pub fn has_next(&self) -> bool {
        self.next.is_some()
    }

    /// Whether there may be a page before this one.
    pub fn has_previous(&self) -> bool {
        self.previous.is_some()
    }
}
