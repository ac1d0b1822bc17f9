//! DELETE of rows by key, guarded by their versions and confined to their tenants.

use super::SqlWriter;
use super::guard::{RaiseStyle, push_guard, push_xid};
use super::operation::Operation;
use super::update::{
    Guarded, MISSING, Within, finish_one, finish_values, is_versioned, push_by_key, push_input, push_joined,
    push_values,
};
use crate::backend::{Backend, Statement};
use crate::error::Error;
use crate::schema::TableDescriptor;

/// Deletes `rows`, found by key and, where given, by the version expected. With `must_exist` every row must be hit. Only
/// the key columns of the records and their tenants are read.
pub(crate) fn delete(
    backend: Backend,
    raise: RaiseStyle,
    table: &TableDescriptor,
    rows: &[Guarded],
    within: Within,
    must_exist: bool,
) -> Result<Vec<(Statement, usize)>, Error> {
    if let [row] = rows {
        return Ok(vec![(delete_one(backend, raise, table, row, within, must_exist), 1)]);
    }
    match backend {
        Backend::Postgres => Ok(vec![(delete_unnest(raise, table, rows, within, must_exist)?, rows.len())]),
        Backend::Sqlite => {
            let most = (SqlWriter::bind_limit(backend) / (within.found_by(table).len() + 1)).max(1);
            Ok(rows.chunks(most).map(|rows| (delete_values(table, rows, within, must_exist), rows.len())).collect())
        }
    }
}

fn delete_one(
    backend: Backend,
    raise: RaiseStyle,
    table: &TableDescriptor,
    guarded: &Guarded,
    within: Within,
    must_exist: bool,
) -> Statement {
    let mut sql = SqlWriter::new(backend);
    if backend == Backend::Postgres {
        sql.push_sql("WITH spakky_w AS (");
    }
    sql.push_sql("DELETE FROM ").push_table(table);
    push_by_key(&mut sql, table, guarded, within);
    sql.means(|| Operation::Delete(within.found(table, std::slice::from_ref(guarded))));
    if must_exist {
        return finish_one(sql, raise);
    }
    if backend == Backend::Postgres {
        sql.push_sql(" RETURNING 1)");
        push_xid(&mut sql);
    }
    sql.finish()
}

fn delete_unnest(
    raise: RaiseStyle,
    table: &TableDescriptor,
    rows: &[Guarded],
    within: Within,
    must_exist: bool,
) -> Result<Statement, Error> {
    let mut sql = SqlWriter::new(Backend::Postgres);
    push_input(&mut sql, table, &[], within, rows)?;
    sql.push_sql(", spakky_w AS (DELETE FROM ").push_table(table).push_sql(" USING spakky_input WHERE ");
    push_joined(&mut sql, table, within, is_versioned(rows));
    sql.push_sql(" AND (SELECT count(*) FROM spakky_locked) >= 0 RETURNING spakky_input.position)");
    if must_exist {
        push_guard(&mut sql, raise, "(SELECT count(*) FROM spakky_input)", MISSING);
    } else {
        push_xid(&mut sql);
    }
    Ok(sql.finish())
}

/// By all that finds a row and its version together: an index finds the keys, and the rest is looked up in the list, which SQLite sorts. A
/// subquery per row would read the whole list for each.
fn delete_values(table: &TableDescriptor, rows: &[Guarded], within: Within, must_exist: bool) -> Statement {
    let mut sql = SqlWriter::new(Backend::Sqlite);
    let found_by = within.found_by(table);
    let version = table.version.filter(|_| is_versioned(rows));
    push_values(&mut sql, table, &found_by, &[], rows);
    sql.push_sql(" DELETE FROM ").push_table(table).push_sql(" WHERE (");
    sql.push_list(found_by.iter().chain(&version), |sql, &at| {
        sql.push_column(&table.columns[at]);
    });
    sql.push_sql(") IN (SELECT ");
    super::insert::push_names(&mut sql, found_by.len());
    if version.is_some() {
        sql.push_sql(", expected");
    }
    sql.push_sql(" FROM spakky_input)");
    within.push_live(&mut sql, table);
    sql.means(|| Operation::Delete(within.found(table, rows)));
    let mut statement = finish_values(sql, table, rows.len());
    if !must_exist {
        statement.guard = None;
    }
    statement
}
