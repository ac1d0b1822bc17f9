//! One column of many rows, as a parameter.

use std::fmt;
use std::sync::Arc;

use super::Value;
use crate::schema::Record;

/// What many rows have in one column. The rows are shared, so that a large INSERT copies no values.
#[doc(hidden)]
#[derive(Clone)]
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

/// Without the values, which are the caller's business.
impl fmt::Debug for RowColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowColumn").field("rows", &self.rows.len()).field("at", &self.at).finish()
    }
}
