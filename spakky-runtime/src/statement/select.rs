//! Queries over one table.

use super::SqlWriter;
use super::operation::{Operation, Output, Selection, all_columns, names};
use crate::backend::{Backend, Statement};
use crate::error::Error;
use crate::query::{Condition, Ordering};
use crate::schema::TableDescriptor;
use crate::value::{ColumnType, ScalarType, Value};

/// A query over one table.
#[derive(Debug, Clone)]
pub(crate) struct Select<'a> {
    pub(crate) table: &'a TableDescriptor,
    pub(crate) condition: Condition,
    pub(crate) order: Vec<Ordering>,
    pub(crate) limit: Option<u64>,
    pub(crate) offset: Option<u64>,
    pub(crate) lock: Option<Lock>,
    /// The limit is part of the text, for a text that recurs with it: a plan that is kept then knows of it.
    pub(crate) literal_limit: bool,
}

/// Rows are locked against others who want to lock or write them, until the transaction ends. SQLite has one writer at a
/// time anyway, and ignores it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lock {
    /// Waits for others.
    Wait,
    /// Fails when another has one of the rows.
    NoWait,
    /// Leaves out the rows that others have.
    SkipLocked,
}

impl<'a> Select<'a> {
    /// Every row of the table.
    pub(crate) fn new(table: &'a TableDescriptor) -> Self {
        Select {
            table,
            condition: Condition::Constant(true),
            order: Vec::new(),
            limit: None,
            offset: None,
            lock: None,
            literal_limit: false,
        }
    }

    /// The rows that fulfil `condition`.
    pub(crate) fn filtered(table: &'a TableDescriptor, condition: Condition) -> Self {
        Select { condition, ..Select::new(table) }
    }

    /// The rows themselves, each in the order of the descriptor's columns.
    ///
    /// # Errors
    /// When the condition or the order cannot be written.
    pub(crate) fn rows(&self, backend: Backend) -> Result<Statement, Error> {
        let mut sql = SqlWriter::new(backend);
        sql.push_sql("SELECT ").push_read_list(self.table);
        self.push_from(&mut sql)?;
        sql.push_order_of(self.table, &self.order, self.table.name)?;
        self.push_limit(&mut sql);
        if backend == Backend::Postgres {
            match self.lock {
                None => {}
                Some(Lock::Wait) => {
                    sql.push_sql(" FOR UPDATE");
                }
                Some(Lock::NoWait) => {
                    sql.push_sql(" FOR UPDATE NOWAIT");
                }
                Some(Lock::SkipLocked) => {
                    sql.push_sql(" FOR UPDATE SKIP LOCKED");
                }
            }
        }
        sql.means(|| self.selection(Output::Columns(all_columns(self.table))));
        Ok(sql.finish())
    }

    /// These columns of the rows, by their positions, each as it is read back.
    ///
    /// # Errors
    /// When the condition or the order cannot be written.
    pub(crate) fn columns(&self, backend: Backend, positions: &[usize]) -> Result<Statement, Error> {
        let mut sql = SqlWriter::new(backend);
        sql.push_sql("SELECT ").push_list(positions, |sql, &position| {
            sql.push_read_column(&self.table.columns[position]);
        });
        self.push_from(&mut sql)?;
        sql.push_order_of(self.table, &self.order, self.table.name)?;
        self.push_limit(&mut sql);
        sql.means(|| self.selection(Output::Columns(names(self.table, positions))));
        Ok(sql.finish())
    }

    /// One row with the number of rows, as a 64-bit integer.
    ///
    /// # Errors
    /// When the condition cannot be written.
    pub(crate) fn count(&self, backend: Backend) -> Result<Statement, Error> {
        let mut sql = SqlWriter::new(backend);
        sql.push_sql("SELECT count(*)");
        if self.limit.is_none() && self.offset.is_none() {
            self.push_from(&mut sql)?;
        } else {
            sql.push_sql(" FROM (SELECT 1");
            self.push_from(&mut sql)?;
            self.push_limit(&mut sql);
            sql.push_sql(") AS \"counted\"");
        }
        sql.means(|| self.selection(Output::Count));
        Ok(sql.finish())
    }

    /// One row with whether there is a row (0 or 1 on SQLite).
    ///
    /// # Errors
    /// When the condition cannot be written.
    pub(crate) fn exists(&self, backend: Backend) -> Result<Statement, Error> {
        let mut sql = SqlWriter::new(backend);
        sql.push_sql("SELECT EXISTS (SELECT 1");
        self.push_from(&mut sql)?;
        self.push_limit(&mut sql);
        sql.push_sql(")");
        sql.means(|| self.selection(Output::Exists));
        Ok(sql.finish())
    }

    /// Which rows in which order, and nothing of what is read of them: the same as long as the question is the same.
    ///
    /// # Errors
    /// When the condition or the order cannot be written.
    pub(crate) fn question(&self, backend: Backend) -> Result<Statement, Error> {
        let mut sql = SqlWriter::new(backend);
        self.push_from(&mut sql)?;
        sql.push_order_of(self.table, &self.order, self.table.name)?;
        Ok(sql.finish())
    }

    /// One row with the plan for these rows as JSON (PostgreSQL).
    ///
    /// # Errors
    /// When the condition cannot be written.
    pub(crate) fn explain(&self) -> Result<Statement, Error> {
        let mut sql = SqlWriter::new(Backend::Postgres);
        sql.push_sql("EXPLAIN (FORMAT JSON) SELECT 1");
        self.push_from(&mut sql)?;
        Ok(sql.finish())
    }

    /// The same in no language.
    pub(super) fn selection(&self, output: Output) -> Operation {
        Operation::Select(self.selected(output))
    }

    pub(super) fn selected(&self, output: Output) -> Selection {
        Selection {
            table: self.table.name,
            condition: self.condition.clone(),
            order: self.order.clone(),
            limit: self.limit,
            offset: self.offset,
            output,
        }
    }

    pub(super) fn push_from(&self, sql: &mut SqlWriter) -> Result<(), Error> {
        sql.push_sql(" FROM ").push_table(self.table).push_where(self.table, &self.condition)?;
        Ok(())
    }

    fn push_limit(&self, sql: &mut SqlWriter) {
        let number = |number: u64| Value::I64(i64::try_from(number).unwrap_or(i64::MAX));
        let ty = ColumnType::scalar(ScalarType::I64);
        match (self.limit, self.offset) {
            (Some(limit), _) if self.literal_limit => {
                sql.push_sql(&format!(" LIMIT {limit}"));
            }
            (Some(limit), _) => {
                sql.push_sql(" LIMIT ").push_bind(ty, number(limit));
            }
            // OFFSET alone is no SQL to SQLite.
            (None, Some(_)) if sql.backend() == Backend::Sqlite => {
                sql.push_sql(" LIMIT -1");
            }
            (None, _) => {}
        }
        if let Some(offset) = self.offset {
            sql.push_sql(" OFFSET ").push_bind(ty, number(offset));
        }
    }
}
