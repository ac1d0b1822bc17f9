//! Which keys the database finds equal that are not spelled alike.

use super::SqlWriter;
use super::list::{push_asked, push_in_list};
use crate::backend::{Backend, Statement};
use crate::error::Error;
use crate::schema::TableDescriptor;
use crate::value::Value;

/// Asks by the column's own type and collation to which of the values `asked` those `found` in it are equal. Each row of the
/// answer is a value as it is stored, and the position of one that was asked for, from 1 on PostgreSQL and from 0 on SQLite.
///
/// # Errors
/// When a value cannot be written.
pub(crate) fn equal_values(
    backend: Backend,
    table: &TableDescriptor,
    at: usize,
    asked: &[Value],
    found: &[Value],
) -> Result<Statement, Error> {
    let column = &table.columns[at];
    let mut sql = SqlWriter::new(backend);
    let qualified = |sql: &mut SqlWriter| {
        sql.push_identifier(table.name).push_sql(".").push_column(column);
    };
    sql.push_sql("SELECT ");
    if backend == Backend::Postgres {
        // Each spelling once: to DISTINCT alone, those that are equal are the same.
        sql.push_sql("DISTINCT ON (");
        qualified(&mut sql);
        sql.push_sql("::text COLLATE \"C\", spakky_asked.spakky_position) ");
    }
    sql.push_read_column(column).push_sql(", spakky_asked.spakky_position FROM ").push_table(table).push_sql(" JOIN ");
    push_asked(&mut sql, table, column, asked)?;
    sql.push_sql(" ON ");
    qualified(&mut sql);
    sql.push_sql(" = spakky_asked.spakky_wanted WHERE ");
    push_in_list(&mut sql, table, column, found, false)?;
    if backend == Backend::Sqlite {
        sql.push_sql(" GROUP BY ");
        qualified(&mut sql);
        sql.push_sql(" COLLATE BINARY, spakky_asked.spakky_position");
    }
    Ok(Statement { cached: false, ..sql.finish() })
}
