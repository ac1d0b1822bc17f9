//! The queries for what a link leads to.

use super::field::Filter;
use super::plan::{Route, Target};
use crate::backend::{Backend, Statement};
use crate::error::{Error, ErrorKind};
use crate::query::Condition;
use crate::schema::TableDescriptor;
use crate::scope::Scope;
use crate::statement::operation::Operation;
use crate::statement::{Linked, Select, SqlWriter};
use crate::value::{ScalarType, Value};

/// The query for what is found by these keys.
///
/// # Errors
/// When it cannot be written, or there is no tenant.
pub(super) fn query(backend: Backend, scope: &Scope, to: &Target, keys: Vec<Value>) -> Result<Statement, Error> {
    match to {
        Target::Rows(Route::Key, node) => {
            let by = node.table.key.first().copied().unwrap_or_default();
            let condition = scope.narrow(node.table, is_one_of(node.table, by, keys))?;
            Select::filtered(node.table, condition).columns(backend, &node.columns)
        }
        Target::Rows(Route::Column { by, which }, node) => {
            let condition = is_one_of(node.table, *by, keys).and(condition(which.filter));
            let condition = scope.narrow(node.table, condition)?;
            let select = Select { order: which.order.clone(), ..Select::filtered(node.table, condition) };
            match which.limit {
                Some(limit) => select.first_of_each(backend, &node.columns, *by, limit),
                None => select.columns(backend, &node.columns),
            }
        }
        Target::Rows(Route::Through { link, from, to, which }, node) => {
            let (link, from, to) = (link.0, *from, *to);
            let condition = scope.narrow(link, is_one_of(link, from, keys))?;
            let target = scope.narrow(node.table, self::condition(which.filter))?;
            let target = Select { order: which.order.clone(), ..Select::filtered(node.table, target) };
            Linked { link, from, to, condition, limit: which.limit }.rows(backend, &target, &node.columns)
        }
        Target::Groups { table, by, filter, sums } => {
            let condition = is_one_of(table, *by, keys).and(condition(*filter));
            groups(backend, table, *by, sums, &scope.narrow(table, condition)?)
        }
    }
}

fn condition(filter: Option<Filter>) -> Condition {
    filter.map_or(Condition::Constant(true), Filter::condition)
}

fn is_one_of(table: &TableDescriptor, column: usize, values: Vec<Value>) -> Condition {
    Condition::In { column: table.columns[column].name.clone(), values, negated: false }
}

/// `SELECT "order_id", count(*), coalesce(sum("amount"), 0)::int8 FROM "lines" WHERE … GROUP BY "order_id"`
fn groups(
    backend: Backend,
    table: &TableDescriptor,
    by: usize,
    sums: &[(usize, ScalarType)],
    condition: &Condition,
) -> Result<Statement, Error> {
    let mut sql = SqlWriter::new(backend);
    sql.push_sql("SELECT ").push_read_column(&table.columns[by]).push_sql(", count(*)");
    for &(position, scalar) in sums {
        let column = &table.columns[position];
        let (before, after) = match (backend, scalar) {
            (Backend::Sqlite, ScalarType::Decimal) => return Err(no_decimals(table, &column.name)),
            (Backend::Sqlite, ScalarType::F64) => ("CAST(coalesce(sum(", "), 0) AS REAL)"),
            (Backend::Sqlite, _) => ("coalesce(sum(", "), 0)"),
            (Backend::Postgres, ScalarType::F64) => ("coalesce(sum(", "::float8), 0)::float8"),
            (Backend::Postgres, ScalarType::Decimal) => ("coalesce(sum(", "), 0)::numeric"),
            (Backend::Postgres, _) => ("coalesce(sum(", "), 0)::int8"),
        };
        sql.push_sql(", ").push_sql(before).push_column(column).push_sql(after);
    }
    sql.push_sql(" FROM ").push_table(table).push_where(table, condition)?;
    sql.push_sql(" GROUP BY ").push_column(&table.columns[by]);
    sql.means(|| {
        let name = |at: usize| table.columns[at].name.clone();
        let sums = sums.iter().map(|&(at, _)| name(at)).collect();
        Operation::Group { table: table.name, condition: condition.clone(), by: name(by), sums }
    });
    Ok(sql.finish())
}

fn no_decimals(table: &TableDescriptor, column: &str) -> Error {
    let message = format!(
        "query `{}`: column `{column}` is a decimal, which SQLite stores as text and cannot add up; load the rows and add \
         in the program, or store an integer",
        table.name
    );
    Error::new(ErrorKind::InvalidQuery, message).with_table(table.name)
}
