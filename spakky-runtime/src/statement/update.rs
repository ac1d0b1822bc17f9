//! UPDATE of rows by key, guarded by their versions and confined to their tenants.

use std::sync::Arc;

use super::guard::{RaiseStyle, push_guard};
use super::insert::{push_names, push_unnest, push_unnested, push_value};
use super::operation::{Fill, Found, Operation, filled_by, names};
use super::{SqlWriter, clock};
use crate::backend::{Backend, Statement};
use crate::error::Error;
use crate::schema::{ColumnDescriptor, Record, Role, TableDescriptor};
use crate::scope::Mark;
use crate::value::{ColumnType, ScalarType, Value};

/// A row, and what the one in the database must be like.
#[derive(Debug, Clone)]
pub(crate) struct Guarded {
    /// What is written.
    pub(crate) row: Arc<Record>,
    /// The version that it is expected to have.
    pub(crate) expected: Option<i64>,
    /// What the row is found by, where that is among what is written: a child that moves is found by whose it was.
    pub(crate) found: Option<Arc<Record>>,
}

impl Guarded {
    fn found(&self) -> &Arc<Record> {
        self.found.as_ref().unwrap_or(&self.row)
    }
}

/// What a write by key is confined to, besides the key and the version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Within {
    /// Rows of the tenant that is in the record.
    pub(crate) tenanted: bool,
    /// Rows that are not soft-deleted.
    pub(crate) live: bool,
    /// For an upsert: rows that are soft-deleted.
    pub(crate) deleted: bool,
    /// Rows with the same value in this column, which tells whose child it is.
    pub(crate) owner: Option<usize>,
    /// For an upsert: rows are found by this unique key, and not by their id.
    pub(crate) by: Option<usize>,
}

impl Within {
    /// The columns whose values find a row: the key, the tenant, and whose child it is.
    pub(super) fn found_by(self, table: &TableDescriptor) -> Vec<usize> {
        let tenant = table.tenant().filter(|_| self.tenanted);
        let owner = self.owner.filter(|at| !table.key.contains(at));
        table.key.iter().copied().chain(tenant).chain(owner).collect()
    }

    /// The columns by which an upsert finds a row that is there.
    pub(super) fn target(self, table: &TableDescriptor) -> Vec<usize> {
        self.by.map_or_else(|| table.key.clone(), |by| table.uniques[by].positions(table))
    }

    /// Which rows a write by key is about.
    pub(super) fn found(self, table: &TableDescriptor, rows: &[Guarded]) -> Found {
        let columns = self.found_by(table);
        let versioned = is_versioned(rows);
        let key = |row: &Record| columns.iter().map(|&at| row[at].clone()).collect();
        let keys = rows.iter().map(|row| (key(row.found()), row.expected.filter(|_| versioned))).collect();
        Found { table: table.name, columns: names(table, &columns), keys, live: self.live }
    }

    /// ` AND "t"."deleted_at" IS NULL`
    pub(super) fn push_live(self, sql: &mut SqlWriter, table: &TableDescriptor) {
        self.push_live_of(sql, table, table.name);
    }

    /// The same of a table that goes by another name.
    pub(super) fn push_live_of(self, sql: &mut SqlWriter, table: &TableDescriptor, name: &str) {
        if let (Some(at), true) = (table.deleted_at(), self.live) {
            sql.push_sql(" AND ").push_identifier(name).push_sql(".").push_column(&table.columns[at]);
            sql.push_sql(" IS NULL");
        }
        if let (Some(at), true) = (table.deleted_at(), self.deleted) {
            sql.push_sql(" AND ").push_identifier(name).push_sql(".").push_column(&table.columns[at]);
            sql.push_sql(" IS NOT NULL");
        }
    }
}

/// What becomes of a row's version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rise {
    Stays,
    Next,
    /// The row starts anew.
    First,
}

/// What an UPDATE sets by the database's own means.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Touch {
    pub(crate) version: Rise,
    pub(crate) mark: Option<Mark>,
}

/// Sets `columns` in each of `rows`, found by key, by what it is confined to and, on a table with a version, by the version
/// expected. Every row must be hit.
pub(crate) fn update(
    backend: Backend,
    raise: RaiseStyle,
    table: &TableDescriptor,
    columns: &[usize],
    touch: Touch,
    within: Within,
    rows: &[Guarded],
) -> Result<Vec<(Statement, usize)>, Error> {
    let set = Set { columns, touch, within };
    if let [row] = rows {
        return Ok(vec![(update_one(backend, raise, table, set, row), 1)]);
    }
    // A child that moves to a new row takes its id, which the database gives.
    let is_drawn =
        |row: &Guarded| row.found.is_some() && columns.iter().any(|&at| matches!(row.row[at], Value::Drawn(_)));
    match backend {
        Backend::Postgres
            if columns.iter().any(|&at| table.columns[at].ty.is_native_array()) || rows.iter().any(is_drawn) =>
        {
            Ok(rows.iter().map(|row| (update_one(backend, raise, table, set, row), 1)).collect())
        }
        Backend::Postgres => Ok(vec![(update_unnest(raise, table, set, rows)?, rows.len())]),
        Backend::Sqlite => {
            let width = columns.len() + within.found_by(table).len() + 1;
            let most = (SqlWriter::bind_limit(backend) / width).max(1);
            Ok(rows.chunks(most).map(|rows| (update_values(table, set, rows), rows.len())).collect())
        }
    }
}

/// What is set in every row.
#[derive(Clone, Copy)]
struct Set<'a> {
    columns: &'a [usize],
    touch: Touch,
    within: Within,
}

/// The type of an expected version.
pub(super) const VERSION: ColumnType = ColumnType::scalar(ScalarType::I64);

/// Whether the rows carry the version they expect.
pub(super) fn is_versioned(rows: &[Guarded]) -> bool {
    rows.iter().all(|row| row.expected.is_some())
}

impl Set<'_> {
    /// The same in no language.
    fn operation(self, table: &TableDescriptor, rows: &[Guarded]) -> Operation {
        Operation::Update {
            found: self.within.found(table, rows),
            columns: names(table, self.columns),
            values: rows.iter().map(|row| self.columns.iter().map(|&at| row.row[at].clone()).collect()).collect(),
            filled: filled_by(table, |_, role| match (role, self.touch.mark) {
                (Role::Version, _) => match self.touch.version {
                    Rise::Stays => None,
                    Rise::Next => Some(Fill::Next),
                    Rise::First => Some(Fill::One),
                },
                (Role::UpdatedAt, _) | (Role::DeletedAt, Some(Mark::Deleted)) => Some(Fill::Clock),
                (Role::DeletedAt, Some(Mark::Restored)) => Some(Fill::Null),
                _ => None,
            }),
        }
    }
}

/// What the runtime itself sets in a row that is updated. A row whose children changed may have nothing to set: it is written
/// all the same, so that its guard holds.
fn push_touched(sql: &mut SqlWriter, table: &TableDescriptor, set: Set<'_>) {
    let backend = sql.backend();
    let mut comma = !set.columns.is_empty();
    for column in &table.columns {
        let value = match (column.role, set.touch.mark) {
            (Role::Version, _) => match set.touch.version {
                Rise::Stays => continue,
                Rise::Next => None,
                Rise::First => Some("1"),
            },
            (Role::UpdatedAt, _) | (Role::DeletedAt, Some(Mark::Deleted)) => Some(clock(column.ty.scalar, backend)),
            (Role::DeletedAt, Some(Mark::Restored)) => Some("NULL"),
            _ => continue,
        };
        if comma {
            sql.push_sql(", ");
        }
        comma = true;
        sql.push_column(column).push_sql(" = ");
        match value {
            Some(value) => sql.push_sql(value),
            None => sql.push_identifier(table.name).push_sql(".").push_column(column).push_sql(" + 1"),
        };
    }
    if !comma && let Some(key) = table.key_columns().next() {
        sql.push_column(key).push_sql(" = ").push_identifier(table.name).push_sql(".").push_column(key);
    }
}

fn update_one(
    backend: Backend,
    raise: RaiseStyle,
    table: &TableDescriptor,
    set: Set<'_>,
    guarded: &Guarded,
) -> Statement {
    let row = &guarded.row;
    let mut sql = SqlWriter::new(backend);
    if backend == Backend::Postgres {
        sql.push_sql("WITH spakky_w AS (");
    }
    sql.push_sql("UPDATE ").push_table(table).push_sql(" SET ");
    sql.push_list(set.columns, |sql, &at| {
        let column = &table.columns[at];
        sql.push_column(column).push_sql(" = ");
        push_value(sql, column, &row[at]);
    });
    push_touched(&mut sql, table, set);
    push_by_key(&mut sql, table, guarded, set.within);
    sql.means(|| set.operation(table, std::slice::from_ref(guarded)));
    finish_one(sql, raise)
}

/// ` WHERE key = … AND tenant = … AND version = … AND deleted_at IS NULL`
pub(super) fn push_by_key(sql: &mut SqlWriter, table: &TableDescriptor, guarded: &Guarded, within: Within) {
    let (row, expected) = (guarded.found(), guarded.expected);
    sql.push_sql(" WHERE ");
    for (position, at) in within.found_by(table).into_iter().enumerate() {
        if position > 0 {
            sql.push_sql(" AND ");
        }
        let column = &table.columns[at];
        sql.push_column(column).push_sql(" = ").push_bind(column.ty, row[at].clone());
    }
    if let (Some(at), Some(expected)) = (table.version, expected) {
        sql.push_sql(" AND ").push_column(&table.columns[at]).push_sql(" = ");
        sql.push_bind(VERSION, Value::I64(expected));
    }
    within.push_live(sql, table);
}

/// Ends a guarded write of one row.
pub(super) fn finish_one(mut sql: SqlWriter, raise: RaiseStyle) -> Statement {
    match sql.backend() {
        Backend::Postgres => {
            sql.push_sql(" RETURNING 1)");
            push_guard(&mut sql, raise, "1", "'1'");
            sql.finish()
        }
        Backend::Sqlite => Statement { guard: Some(1), ..sql.finish() },
    }
}

/// One text for every number of rows. Rows are locked in the order of their keys first, so that two batches that share rows
/// wait for each other instead of dead-locking.
fn update_unnest(
    raise: RaiseStyle,
    table: &TableDescriptor,
    set: Set<'_>,
    rows: &[Guarded],
) -> Result<Statement, Error> {
    let mut sql = SqlWriter::new(Backend::Postgres);
    let found_by = set.within.found_by(table);
    push_input(&mut sql, table, set.columns, set.within, rows)?;
    sql.push_sql(", spakky_w AS (UPDATE ").push_table(table).push_sql(" SET ");
    let mut number = found_by.len();
    sql.push_list(set.columns, |sql, &at| {
        let column = &table.columns[at];
        sql.push_column(column).push_sql(" = ");
        push_unnested(sql, column, number);
        number += 1;
    });
    push_touched(&mut sql, table, set);
    sql.push_sql(" FROM spakky_input WHERE ");
    push_joined(&mut sql, table, set.within, is_versioned(rows));
    sql.push_sql(" AND (SELECT count(*) FROM spakky_locked) >= 0 RETURNING spakky_input.position)");
    push_guard(&mut sql, raise, "(SELECT count(*) FROM spakky_input)", MISSING);
    Ok(sql.finish())
}

/// The positions of the rows of a batch that the write did not hit.
pub(super) const MISSING: &str = "(SELECT string_agg(spakky_input.position::text, ',' ORDER BY spakky_input.position) FROM spakky_input \
     WHERE spakky_input.position NOT IN (SELECT spakky_w.position FROM spakky_w))";

/// `WITH spakky_input AS (…), spakky_locked AS (…)`: the batch (what finds the rows, then the columns that are written), and its
/// rows locked in key order.
pub(super) fn push_input(
    sql: &mut SqlWriter,
    table: &TableDescriptor,
    written: &[usize],
    within: Within,
    rows: &[Guarded],
) -> Result<(), Error> {
    let found_by = within.found_by(table);
    let carried: Vec<usize> = found_by.iter().chain(written).copied().collect();
    let records: Arc<[Arc<Record>]> = rows.iter().map(|row| Arc::clone(&row.row)).collect();
    sql.push_sql("WITH spakky_input AS (SELECT * FROM ROWS FROM (");
    if rows.iter().any(|row| row.found.is_some()) {
        let found: Arc<[Arc<Record>]> = rows.iter().map(|row| Arc::clone(row.found())).collect();
        push_unnest(sql, table, &found_by, &found)?;
        if !written.is_empty() {
            sql.push_sql(", ");
            push_unnest(sql, table, written, &records)?;
        }
    } else {
        push_unnest(sql, table, &carried, &records)?;
    }
    if is_versioned(rows) {
        let versions = rows.iter().map(|row| row.expected.map_or(Value::Null, Value::I64)).collect();
        sql.push_sql(", UNNEST(").push_bind_list(VERSION, versions).push_sql(")");
    }
    sql.push_sql(") WITH ORDINALITY AS spakky_input(");
    push_names(sql, carried.len());
    if is_versioned(rows) {
        sql.push_sql(", expected");
    }
    sql.push_sql(", position)), spakky_locked AS (SELECT 1 FROM ").push_table(table).push_sql(" JOIN spakky_input ON ");
    push_joined(sql, table, within, false);
    sql.push_sql(" ORDER BY ");
    sql.push_list(table.key_columns(), |sql, column| {
        sql.push_identifier(table.name).push_sql(".").push_column(column);
    });
    sql.push_sql(" FOR UPDATE OF ").push_identifier(table.name).push_sql(")");
    Ok(())
}

/// `t.key = spakky_input.c0 AND t.tenant = spakky_input.c1 AND t.version = spakky_input.expected AND t.deleted_at IS NULL`
pub(super) fn push_joined(sql: &mut SqlWriter, table: &TableDescriptor, within: Within, versioned: bool) {
    let columns = within.found_by(table).into_iter().map(|at| -> &ColumnDescriptor { &table.columns[at] });
    for (number, column) in columns.enumerate() {
        if number > 0 {
            sql.push_sql(" AND ");
        }
        sql.push_identifier(table.name).push_sql(".").push_column(column).push_sql(" = ");
        match sql.backend() {
            Backend::Postgres => push_unnested(sql, column, number),
            Backend::Sqlite => {
                sql.push_numbered("spakky_input.c", number);
            }
        }
    }
    if let (Some(at), true) = (table.version, versioned) {
        sql.push_sql(" AND ").push_identifier(table.name).push_sql(".").push_column(&table.columns[at]);
        sql.push_sql(" = spakky_input.expected");
    }
    within.push_live(sql, table);
}

fn update_values(table: &TableDescriptor, set: Set<'_>, rows: &[Guarded]) -> Statement {
    let mut sql = SqlWriter::new(Backend::Sqlite);
    let found_by = set.within.found_by(table);
    push_values(&mut sql, table, &found_by, set.columns, rows);
    sql.push_sql(" UPDATE ").push_table(table).push_sql(" SET ");
    let mut number = found_by.len();
    sql.push_list(set.columns, |sql, &at| {
        sql.push_column(&table.columns[at]).push_numbered(" = spakky_input.c", number);
        number += 1;
    });
    push_touched(&mut sql, table, set);
    sql.push_sql(" FROM spakky_input WHERE ");
    push_joined(&mut sql, table, set.within, is_versioned(rows));
    sql.means(|| set.operation(table, rows));
    finish_values(sql, table, rows.len())
}

/// `WITH spakky_input(c0, …) AS (VALUES …)`
pub(super) fn push_values(
    sql: &mut SqlWriter,
    table: &TableDescriptor,
    found_by: &[usize],
    written: &[usize],
    rows: &[Guarded],
) {
    sql.push_sql("WITH spakky_input(");
    push_names(sql, found_by.len() + written.len());
    let versioned = is_versioned(rows);
    sql.push_sql(if versioned { ", expected) AS (VALUES " } else { ") AS (VALUES " });
    sql.push_list(rows, |sql, row| {
        sql.push_sql("(");
        let found = found_by.iter().map(|&at| (at, row.found()));
        sql.push_list(found.chain(written.iter().map(|&at| (at, &row.row))), |sql, (at, record)| {
            sql.push_bind(table.columns[at].ty, record[at].clone());
        });
        if let (true, Some(expected)) = (versioned, row.expected) {
            sql.push_sql(", ").push_bind(VERSION, Value::I64(expected));
        }
        sql.push_sql(")");
    });
    sql.push_sql(")");
}

/// Ends a guarded batch on SQLite: it answers with the keys it hit.
pub(super) fn finish_values(mut sql: SqlWriter, table: &TableDescriptor, count: usize) -> Statement {
    sql.push_sql(" RETURNING ");
    sql.push_list(table.key_columns(), |sql, column| {
        sql.push_column(column);
    });
    Statement { cached: false, guard: Some(count as u64), ..sql.finish() }
}
