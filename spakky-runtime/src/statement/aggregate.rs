//! Values worked out of all rows of a query.

use super::condition::{find, invalid};
use super::operation::Output;
use super::{Select, SqlWriter};
use crate::backend::{Backend, Statement};
use crate::error::Error;
use crate::query::{Condition, Ordering};
use crate::value::ScalarType;

/// What is worked out of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aggregate {
    /// One row with the exact sum: a decimal or float on PostgreSQL. On SQLite a float or integer, or for 64-bit
    /// integers, whose sum may have more bits, two: the sum of what stands above the lower 32 bits, and of those.
    Sum,
    /// One row with the mean as a float.
    Average,
}

impl Select<'_> {
    /// One row with the aggregate of a column of numbers.
    ///
    /// # Errors
    /// When the condition cannot be written, or the backend cannot calculate with the column.
    pub(crate) fn aggregate(&self, aggregate: Aggregate, column: &str, backend: Backend) -> Result<Statement, Error> {
        let column = find(self.table, column)?;
        let float = matches!(column.ty.scalar, ScalarType::F32 | ScalarType::F64);
        if backend == Backend::Sqlite && column.ty.scalar == ScalarType::Decimal {
            let reason = format!(
                "column `{}` is a decimal, which SQLite stores as text and cannot calculate with; calculate in the \
                 program, or store an integer",
                column.name
            );
            return Err(invalid(self.table, &reason));
        }
        let mut sql = SqlWriter::new(backend);
        match (backend, aggregate) {
            (Backend::Postgres, Aggregate::Sum) if float => {
                sql.push_sql("SELECT sum(").push_column(column).push_sql("::float8)");
            }
            (Backend::Postgres, Aggregate::Sum) => {
                sql.push_sql("SELECT sum(").push_column(column).push_sql(")::numeric");
            }
            (Backend::Postgres, Aggregate::Average) => {
                sql.push_sql("SELECT avg(").push_column(column).push_sql(")::float8");
            }
            (Backend::Sqlite, Aggregate::Sum) if column.ty.scalar == ScalarType::I64 => {
                sql.push_sql("SELECT sum(").push_column(column).push_sql(" >> 32), sum(");
                sql.push_column(column).push_sql(" & 4294967295)");
            }
            (Backend::Sqlite, Aggregate::Sum) => {
                sql.push_sql("SELECT sum(").push_column(column).push_sql(")");
            }
            (Backend::Sqlite, Aggregate::Average) => {
                sql.push_sql("SELECT avg(").push_column(column).push_sql(")");
            }
        }
        self.push_from(&mut sql)?;
        sql.means(|| {
            let name = column.name.clone();
            self.selection(match aggregate {
                Aggregate::Sum => Output::Sum(name),
                Aggregate::Average => Output::Average(name),
            })
        });
        Ok(sql.finish())
    }

    /// The least value of a column, or the greatest, as one row; none, if there is no value. Works for whatever can be
    /// sorted by, as the databases' own functions do not.
    ///
    /// # Errors
    /// When the condition cannot be written, or the backend cannot sort by the column.
    pub(crate) fn extreme(&self, column: &str, greatest: bool, backend: Backend) -> Result<Statement, Error> {
        let column = find(self.table, column)?;
        let present = Condition::Null { column: column.name.clone(), negated: true };
        let condition = if column.ty.nullable { self.condition.clone().and(present) } else { self.condition.clone() };
        let mut sql = SqlWriter::new(backend);
        sql.push_sql("SELECT ").push_read_column(column);
        let ordering = Ordering { column: column.name.clone(), descending: greatest, nulls: None };
        let select = Select { condition, order: vec![ordering], limit: Some(1), ..Select::new(self.table) };
        select.push_from(&mut sql)?;
        sql.push_order_of(self.table, &select.order, self.table.name)?.push_sql(" LIMIT 1");
        sql.means(|| select.selection(Output::Columns(vec![column.name.clone()])));
        Ok(sql.finish())
    }
}
