//! What a statement does, in no language: for the in-memory database, which reads no SQL.
//!
//! Whoever writes a statement's text says the same here, through [`SqlWriter::means`](super::SqlWriter::means). Without
//! the feature `testing` nobody asks, and nothing is made.

#![cfg_attr(not(feature = "testing"), expect(dead_code, reason = "only the in-memory database reads it"))]

use crate::query::{AssignedValue, Condition, Ordering};
use crate::schema::{ColumnDescriptor, Lineage, Role, TableDescriptor};
use crate::value::Value;

/// What a statement does. Tables and columns are named as in the database.
#[derive(Debug)]
pub(crate) enum Operation {
    /// Reads rows, or something worked out of them.
    Select(Selection),
    /// Reads rows that belong to others.
    Linked {
        /// The table that links them, its rows, and its column that refers to them; `None` if they refer to the others
        /// themselves. What comes then is headed by what it is linked to.
        link: Option<(&'static str, Condition, String)>,
        /// The column that refers to the others.
        by: String,
        /// How many for each of those.
        limit: Option<u64>,
        target: Selection,
    },
    /// Counts and adds up the rows of each value of a column.
    Group { table: &'static str, condition: Condition, by: String, sums: Vec<String> },
    /// Adds rows; with `merge` it writes those that are there.
    Insert(Insertion),
    /// Writes rows by key.
    Update {
        /// Which rows.
        found: Found,
        /// The columns that get values of each row's own.
        columns: Vec<String>,
        /// Those values, one list for each key.
        values: Vec<Vec<Value>>,
        /// The columns that the database fills in.
        filled: Vec<(String, Fill)>,
    },
    /// Removes rows by key.
    Delete(Found),
    /// Writes every row that fulfils the condition.
    UpdateWhere {
        table: &'static str,
        set: Vec<AssignedValue>,
        filled: Vec<(String, Fill)>,
        /// The rows are deleted at the instant at which this row above them was, if it is.
        above: Option<Lineage>,
        condition: Condition,
    },
    /// Removes every row that fulfils the condition.
    DeleteWhere { table: &'static str, condition: Condition },
}

impl Operation {
    /// Whether it may change something.
    pub(crate) fn writes(&self) -> bool {
        !matches!(self, Operation::Select(_) | Operation::Linked { .. } | Operation::Group { .. })
    }
}

/// A query.
#[derive(Debug)]
pub(crate) struct Selection {
    pub(crate) table: &'static str,
    pub(crate) condition: Condition,
    pub(crate) order: Vec<Ordering>,
    pub(crate) limit: Option<u64>,
    pub(crate) offset: Option<u64>,
    pub(crate) output: Output,
}

/// What a query answers with.
#[derive(Debug)]
pub(crate) enum Output {
    /// These columns of each row.
    Columns(Vec<String>),
    /// The number of rows.
    Count,
    /// Whether there is a row.
    Exists,
    /// The sum of a column.
    Sum(String),
    /// The mean of a column.
    Average(String),
}

/// An INSERT.
#[derive(Debug)]
pub(crate) struct Insertion {
    pub(crate) table: &'static str,
    /// The columns that are given.
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<Value>>,
    pub(crate) filled: Vec<(String, Fill)>,
    pub(crate) merge: Option<Merge>,
    /// It answers with these columns of each row written.
    pub(crate) returning: Vec<String>,
}

/// What an INSERT does with a row that is there.
#[derive(Debug)]
pub(crate) struct Merge {
    /// The columns that get the new value.
    pub(crate) columns: Vec<String>,
    pub(crate) filled: Vec<(String, Fill)>,
    /// The row is left alone unless it has the same values in these as the new one.
    pub(crate) same: Vec<String>,
    /// The row is left alone unless it is of the same aggregate as the new one.
    pub(crate) kin: Option<Kin>,
    /// The row is left alone if it is soft-deleted.
    pub(crate) live: bool,
    /// The row is left alone unless it is soft-deleted.
    pub(crate) deleted: bool,
    /// The unique key by which the row is found; `None` for the primary key.
    pub(crate) by: Option<String>,
}

/// How the aggregate of a child is found that is not a direct one.
#[derive(Debug)]
pub(crate) struct Kin {
    /// The column that refers to the child's parent.
    pub(crate) column: String,
    /// The tables of the rows above it, and by which column each refers to the next.
    pub(crate) steps: Vec<(&'static str, &'static str)>,
}

/// Rows by key, and what they must be like.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) table: &'static str,
    /// The key, and the tenant where the write is confined to one.
    pub(crate) columns: Vec<String>,
    /// The values of those columns, and the version that the row must have.
    pub(crate) keys: Vec<(Vec<Value>, Option<i64>)>,
    /// Rows that are soft-deleted are left alone.
    pub(crate) live: bool,
}

/// What the database itself writes into a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fill {
    /// The first version.
    One,
    /// One more than there was.
    Next,
    /// The database's time.
    Clock,
    Null,
}

/// The names of all columns.
pub(super) fn all_columns(table: &TableDescriptor) -> Vec<String> {
    table.columns.iter().map(|column| column.name.clone()).collect()
}

/// The names of columns by their positions.
pub(crate) fn names(table: &TableDescriptor, columns: &[usize]) -> Vec<String> {
    columns.iter().map(|&at| table.columns[at].name.clone()).collect()
}

/// The columns that the database fills in, as `fill` says by their roles.
pub(super) fn filled_by(
    table: &TableDescriptor,
    fill: impl Fn(&ColumnDescriptor, Role) -> Option<Fill>,
) -> Vec<(String, Fill)> {
    let filled = table.columns.iter().filter_map(|column| Some((column.name.clone(), fill(column, column.role)?)));
    filled.collect()
}
