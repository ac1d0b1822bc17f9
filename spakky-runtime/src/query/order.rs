//! The order of rows.

use std::fmt;
use std::marker::PhantomData;

use crate::schema::Column;

/// One key of the order of rows: `o.created_at.desc()`.
///
/// Unless said otherwise, rows where the column is NULL come last in ascending order and first in descending order, on
/// either backend.
pub struct Order<Row> {
    pub(crate) ordering: Ordering,
    marker: PhantomData<fn() -> Row>,
}

/// A key without the row's type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ordering {
    pub(crate) column: String,
    pub(crate) descending: bool,
    pub(crate) nulls: Option<NullsPlace>,
}

impl Ordering {
    /// By a column, NULL where it comes by default.
    pub(crate) fn of(column: &str, descending: bool) -> Self {
        Ordering { column: column.to_owned(), descending, nulls: None }
    }
}

/// Where rows without a value come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NullsPlace {
    First,
    Last,
}

impl<Row> Order<Row> {
    fn new(column: String, descending: bool) -> Self {
        Order { ordering: Ordering { column, descending, nulls: None }, marker: PhantomData }
    }

    /// Rows where the column is NULL come first.
    #[must_use]
    pub fn nulls_first(mut self) -> Self {
        self.ordering.nulls = Some(NullsPlace::First);
        self
    }

    /// Rows where the column is NULL come last.
    #[must_use]
    pub fn nulls_last(mut self) -> Self {
        self.ordering.nulls = Some(NullsPlace::Last);
        self
    }
}

impl<Row, T> Column<Row, T> {
    /// Smallest first.
    pub fn asc(self) -> Order<Row> {
        Order::new(self.name(), false)
    }

    /// Greatest first.
    pub fn desc(self) -> Order<Row> {
        Order::new(self.name(), true)
    }
}

/// Ascending.
impl<Row, T> From<Column<Row, T>> for Order<Row> {
    fn from(column: Column<Row, T>) -> Self {
        column.asc()
    }
}

impl<Row> Clone for Order<Row> {
    fn clone(&self) -> Self {
        Order { ordering: self.ordering.clone(), marker: PhantomData }
    }
}

impl<Row> fmt::Debug for Order<Row> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ordering.fmt(f)
    }
}
