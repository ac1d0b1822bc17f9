//! One column of many rows, as a parameter.

use std::sync::Arc;

use super::Value;
use crate::schema::Record;

/// What many rows have in one column. The rows are shared, so that a large INSERT copies no values.
#[doc(hidden)]
#[derive(Debug, Clone)]
pub struct RowColumn {
    rows: Arc<[Arc<Record>]>,
    at: usize,
}

impl RowColumn {
    /// What `rows` have in the column at `at`.
    pub(crate) fn new(rows: Arc<[Arc<Record>]>, at: usize) -> Self {
        RowColumn { rows, at }
    }

    /// The values, in the order of the rows.
    pub(crate) fn values(&self) -> impl ExactSizeIterator<Item = &Value> + Clone {
        self.rows.iter().map(|row| &row[self.at])
    }
}
