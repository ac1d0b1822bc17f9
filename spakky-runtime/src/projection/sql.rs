//! The queries for what a link leads to.

use super::plan::{Node, Route, Target};
use crate::backend::{Backend, Statement};
use crate::error::{Error, ErrorKind};
use crate::query::{Condition, Ordering};
use crate::schema::TableDescriptor;
use crate::scope::Scope;
use crate::statement::{Select, SqlWriter};
use crate::value::{ScalarType, Value};

/// The query for what is found by these keys.
///
/// # Errors
/// When it cannot be written, or there is no tenant.
pub(super) fn query(backend: Backend, scope: &Scope, to: &Target, keys: Vec<Value>) -> Result<Statement, Error> {
    match to {
        Target::Rows(Route::Key, node) => {
            let by = node.table.key.first().copied().unwrap_or_default();
            rows(backend, scope, node, by, keys, Vec::new())
        }
        Target::Rows(Route::Column { by, order }, node) => rows(backend, scope, node, *by, keys, order.clone()),
        Target::Rows(Route::Through { link, from, to, order }, node) => {
            let condition = scope.narrow(link.0, is_one_of(link.0, *from, keys))?;
            let target = scope.narrow(node.table, Condition::Constant(true))?;
            through(backend, &Linked { link: link.0, from: *from, to: *to, condition }, node, &target, order)
        }
        Target::Groups { table, by, sums } => {
            let condition = scope.narrow(table, is_one_of(table, *by, keys))?;
            groups(backend, table, *by, sums, &condition)
        }
    }
}

fn is_one_of(table: &TableDescriptor, column: usize, values: Vec<Value>) -> Condition {
    Condition::In { column: table.columns[column].name.clone(), values, negated: false }
}

fn rows(
    backend: Backend,
    scope: &Scope,
    node: &Node,
    by: usize,
    keys: Vec<Value>,
    order: Vec<Ordering>,
) -> Result<Statement, Error> {
    let condition = scope.narrow(node.table, is_one_of(node.table, by, keys))?;
    Select { order, ..Select::filtered(node.table, condition) }.columns(backend, &node.columns)
}

/// The rows of a table that links others.
struct Linked {
    link: &'static TableDescriptor,
    from: usize,
    to: usize,
    condition: Condition,
}

/// ```text
/// SELECT "link"."__from", "target"."id", "target"."name"
/// FROM (SELECT "order_id" AS "__from", "tag_id" AS "__to" FROM "order_tags" WHERE "order_id" = ANY($1)) AS "link"
/// JOIN (SELECT * FROM "tags" WHERE "deleted_at" IS NULL) AS "target" ON "target"."id" = "link"."__to"
/// ORDER BY "name", "id"
/// ```
fn through(
    backend: Backend,
    linked: &Linked,
    node: &Node,
    target: &Condition,
    order: &[Ordering],
) -> Result<Statement, Error> {
    let (link, table) = (linked.link, node.table);
    let key = table.key.first().copied().unwrap_or_default();
    let mut sql = SqlWriter::new(backend);
    sql.push_sql("SELECT \"link\".\"__from\", ");
    sql.push_list(&node.columns, |sql, &position| {
        sql.push_sql("\"target\".").push_read_column(&table.columns[position]);
    });
    sql.push_sql(" FROM (SELECT ").push_read_column(&link.columns[linked.from]).push_sql(" AS \"__from\", ");
    sql.push_column(&link.columns[linked.to]).push_sql(" AS \"__to\" FROM ").push_table(link);
    sql.push_where(link, &linked.condition)?;
    sql.push_sql(") AS \"link\" JOIN (SELECT * FROM ").push_table(table).push_where(table, target)?;
    sql.push_sql(") AS \"target\" ON \"target\".").push_column(&table.columns[key]);
    sql.push_sql(" = \"link\".\"__to\"").push_order(table, order)?;
    Ok(sql.finish())
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
