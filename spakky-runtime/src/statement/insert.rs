//! INSERT of any number of rows.

mod unnest;

use std::sync::Arc;

use self::unnest::insert_unnest;
pub(super) use self::unnest::{push_names, push_unnest, push_unnested};
use super::draw::setting;
use super::guard::{RaiseStyle, push_guard, push_xid};
use super::kinship::Kinship;
use super::operation::{Fill, Insertion, Kin, Merge, Operation, all_columns, filled_by, names};
use super::update::{Within, finish_values};
use super::{SqlWriter, clock};
use crate::backend::{Backend, Statement};
use crate::error::Error;
use crate::schema::{ColumnDescriptor, Record, Role, TableDescriptor};
use crate::scope::is_deleted;
use crate::value::{ColumnType, DrawnId, ScalarType, Value};

/// What becomes of a row whose key is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Conflict<'a> {
    /// An error.
    Fail,
    /// These columns are updated, in a row that is within what the write is confined to; another fails the statement.
    Update {
        columns: &'a [usize],
        within: Within,
        /// The row lives again.
        restores: bool,
        /// The row starts anew: its version, and when and by whom it was made.
        renews: bool,
        /// The row may move between the children of one aggregate.
        kinship: &'a Kinship,
        raise: RaiseStyle,
    },
}

/// What an INSERT answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answering {
    Nothing,
    /// The transaction's id (PostgreSQL).
    Xid,
    /// The rows as they were stored, in no promised order, and in each behind its columns the transaction's id, if asked for.
    Rows {
        xid: bool,
    },
}

impl Answering {
    /// The first of several statements tells the transaction's id.
    fn of(self, number: usize) -> Self {
        match self {
            _ if number == 0 => self,
            Answering::Xid | Answering::Nothing => Answering::Nothing,
            Answering::Rows { .. } => Answering::Rows { xid: false },
        }
    }

    fn is_rows(self) -> bool {
        matches!(self, Answering::Rows { .. })
    }
}

impl Conflict<'_> {
    /// Some rows may not be written, which has to fail the statement.
    fn is_confined(self) -> bool {
        matches!(self, Conflict::Update { within, .. } if within != Within::default())
    }
}

/// The most rows of one statement on SQLite. Lots of this size have one text, which is kept prepared: to prepare one of a
/// thousand rows takes as long as to run it.
const LOT: usize = 100;

/// Inserts `rows`, giving `columns`; the version and the stamps are filled in here. Several statements only on SQLite,
/// in lots, and for what cannot travel in lists.
pub(crate) fn insert(
    backend: Backend,
    table: &TableDescriptor,
    columns: &[usize],
    rows: &[Arc<Record>],
    conflict: Conflict<'_>,
    answering: Answering,
) -> Result<Vec<(Statement, usize)>, Error> {
    let given: Vec<usize> = columns.iter().copied().filter(|&at| is_given(&table.columns[at])).collect();
    if given.is_empty() {
        let one =
            |(number, row): (usize, &Arc<Record>)| (insert_defaults(backend, table, row, answering.of(number)), 1);
        return Ok(rows.iter().enumerate().map(one).collect());
    }
    match (backend, rows) {
        (Backend::Postgres, [row]) if conflict == Conflict::Fail => {
            Ok(vec![(insert_row(table, &given, row, conflict, answering), 1)])
        }
        (Backend::Postgres, _) if given.iter().any(|&at| table.columns[at].ty.is_native_array()) => {
            let one = |(number, row): (usize, &Arc<Record>)| {
                (insert_row(table, &given, row, conflict, answering.of(number)), 1)
            };
            Ok(rows.iter().enumerate().map(one).collect())
        }
        (Backend::Postgres, _) => Ok(vec![(insert_unnest(table, &given, rows, conflict, answering)?, rows.len())]),
        (Backend::Sqlite, _) => {
            let most = (SqlWriter::bind_limit(backend) / given.len()).clamp(1, LOT);
            let some = |rows: &[Arc<Record>]| (insert_values(table, &given, rows, conflict, answering), rows.len());
            Ok(rows.chunks(most).map(some).collect())
        }
    }
}

/// Whether the row's own value is written, not one of the database's.
fn is_given(column: &ColumnDescriptor) -> bool {
    !matches!(column.role, Role::Version | Role::CreatedAt | Role::UpdatedAt | Role::DeletedAt)
}

/// The columns that the runtime fills in a new row, with their SQL.
/// A row that was soft-deleted before it was sent says so in its record.
fn filled<'t>(backend: Backend, table: &'t TableDescriptor, row: &Record) -> Vec<(&'t ColumnDescriptor, &'static str)> {
    let deleted = is_deleted(table, row);
    let fill = |column: &ColumnDescriptor| match column.role {
        Role::Version => Some("1"),
        Role::CreatedAt | Role::UpdatedAt => Some(clock(column.ty.scalar, backend)),
        Role::DeletedAt if deleted => Some(clock(column.ty.scalar, backend)),
        Role::DeletedAt => Some("NULL"),
        _ => None,
    };
    table.columns.iter().filter_map(|column| Some((column, fill(column)?))).collect()
}

/// What the table is called inside an INSERT. The row that could not be inserted is `excluded`, so a table of that name has to
/// go by another.
fn target_name(table: &TableDescriptor) -> &str {
    if table.name.eq_ignore_ascii_case("excluded") { "spakky_target" } else { table.name }
}

fn push_target(sql: &mut SqlWriter, table: &TableDescriptor, given: &[usize], row: &Record) {
    sql.push_sql("INSERT INTO ").push_table(table);
    if target_name(table) != table.name {
        sql.push_sql(" AS ").push_identifier(target_name(table));
    }
    sql.push_sql(" (");
    let filled = filled(sql.backend(), table, row);
    let names = given.iter().map(|&at| &table.columns[at]).chain(filled.iter().map(|(column, _)| *column));
    sql.push_list(names, |sql, column| {
        sql.push_column(column);
    });
    sql.push_sql(") ");
    if sql.backend() == Backend::Postgres && given.iter().any(|&at| table.columns[at].generated) {
        // What was drawn is as good as what the database would assign, also to a column that is `GENERATED ALWAYS`.
        sql.push_sql("OVERRIDING SYSTEM VALUE ");
    }
}

fn push_returning(sql: &mut SqlWriter, table: &TableDescriptor, answering: Answering) {
    let Answering::Rows { xid } = answering else { return };
    sql.push_sql(" RETURNING ").push_read_list(table);
    if xid {
        sql.push_sql(", pg_current_xact_id()::text");
    }
}

fn push_conflict(sql: &mut SqlWriter, table: &TableDescriptor, conflict: Conflict<'_>) {
    let Conflict::Update { columns, within, restores, renews, kinship, .. } = conflict else { return };
    let target = within.target(table);
    sql.push_sql(" ON CONFLICT (");
    sql.push_list(&target, |sql, &at| {
        sql.push_column(&table.columns[at]);
    });
    sql.push_sql(")");
    if let (Some(at), true) = (table.deleted_at(), within.by.is_some_and(|by| table.uniques[by].live)) {
        sql.push_sql(" WHERE ").push_column(&table.columns[at]).push_sql(" IS NULL");
    }
    sql.push_sql(" DO UPDATE SET ");
    let backend = sql.backend();
    let mut first = true;
    let mut comma = |sql: &mut SqlWriter| {
        if !std::mem::take(&mut first) {
            sql.push_sql(", ");
        }
    };
    for &at in columns {
        let column = &table.columns[at];
        comma(sql);
        sql.push_column(column).push_sql(" = excluded.").push_column(column);
    }
    for column in &table.columns {
        match column.role {
            Role::Version if !renews => {
                comma(sql);
                sql.push_column(column).push_sql(" = ").push_identifier(target_name(table)).push_sql(".");
                sql.push_column(column).push_sql(" + 1");
            }
            Role::Version | Role::CreatedAt | Role::CreatedBy if renews => {
                comma(sql);
                sql.push_column(column).push_sql(" = excluded.").push_column(column);
            }
            Role::UpdatedAt => {
                comma(sql);
                sql.push_column(column).push_sql(" = ").push_sql(clock(column.ty.scalar, backend));
            }
            Role::UpdatedBy => {
                comma(sql);
                sql.push_column(column).push_sql(" = excluded.").push_column(column);
            }
            Role::DeletedAt | Role::DeletedBy if restores => {
                comma(sql);
                sql.push_column(column).push_sql(" = NULL");
            }
            _ => {}
        }
    }
    if first {
        // Nothing but the key: the row is there, which is all that was asked.
        let key = &table.columns[target[0]];
        sql.push_column(key).push_sql(" = excluded.").push_column(key);
    }
    let tenant = table.tenant().filter(|_| within.tenanted);
    let owner = within.owner.filter(|_| kinship.is_direct());
    let same: Vec<usize> = owner.into_iter().chain(tenant).collect();
    for (number, &at) in same.iter().enumerate() {
        let column = &table.columns[at];
        sql.push_sql(if number == 0 { " WHERE " } else { " AND " });
        sql.push_identifier(target_name(table)).push_sql(".").push_column(column);
        sql.push_sql(" = excluded.").push_column(column);
    }
    let kin = within.owner.filter(|_| !kinship.is_direct()).map(|at| &table.columns[at]);
    if same.is_empty() && (within.live || within.deleted || kin.is_some()) {
        sql.push_sql(" WHERE TRUE");
    }
    if let Some(column) = kin {
        sql.push_sql(" AND ");
        kinship.push_root(sql, |sql| {
            sql.push_identifier(target_name(table)).push_sql(".").push_column(column);
        });
        sql.push_sql(" = ");
        kinship.push_root(sql, |sql| {
            sql.push_sql("excluded.").push_column(column);
        });
    }
    within.push_live_of(sql, table, target_name(table));
}

/// Ends an INSERT on PostgreSQL that was begun as the common table expression `spakky_w`.
fn push_end(sql: &mut SqlWriter, conflict: Conflict<'_>) {
    sql.push_sql(" RETURNING 1)");
    match conflict {
        Conflict::Update { raise, .. } if conflict.is_confined() => push_guard(sql, raise, "1", "'1'"),
        _ => push_xid(sql),
    }
}

/// `current_setting($1)::bigint[]`: the ids of a draw.
fn push_drawn(sql: &mut SqlWriter, number: usize) {
    sql.push_sql("current_setting(").push_bind(ColumnType::scalar(ScalarType::Text), Value::Text(setting(number)));
    sql.push_sql(")::bigint[]");
}

/// The place of a drawn id among those of its draw, which count from 1.
fn place_of(id: DrawnId) -> Value {
    Value::I32(i32::try_from(id.position + 1).unwrap_or(i32::MAX))
}

/// One row, whose values travel by themselves: arrays of a native type have no text that is known here, and the server takes
/// a fraction of the time that lists of one would take.
fn insert_row(
    table: &TableDescriptor,
    given: &[usize],
    row: &Record,
    conflict: Conflict<'_>,
    answering: Answering,
) -> Statement {
    let mut sql = SqlWriter::new(Backend::Postgres);
    let guarded = conflict.is_confined();
    if guarded {
        sql.push_sql("WITH spakky_w AS (");
    }
    push_target(&mut sql, table, given, row);
    sql.push_sql("VALUES (");
    push_row(&mut sql, table, given, row);
    sql.push_sql(")");
    push_conflict(&mut sql, table, conflict);
    if guarded {
        push_end(&mut sql, conflict);
    } else {
        match answering {
            Answering::Nothing => {}
            Answering::Xid => drop(sql.push_sql(" RETURNING pg_current_xact_id()::text")),
            Answering::Rows { .. } => push_returning(&mut sql, table, answering),
        }
    }
    sql.finish()
}

/// `$1`, or an id out of those that were drawn.
pub(super) fn push_value(sql: &mut SqlWriter, column: &ColumnDescriptor, value: &Value) {
    match value {
        Value::Drawn(id) if sql.backend() == Backend::Postgres => {
            sql.push_sql("(");
            push_drawn(sql, id.draw);
            sql.push_sql(")[").push_bind(ColumnType::scalar(ScalarType::I32), place_of(*id)).push_sql("]");
        }
        value => drop(sql.push_bind(column.ty, value.clone())),
    }
}

/// `$1, $2, …`, and what the runtime fills in.
fn push_row(sql: &mut SqlWriter, table: &TableDescriptor, given: &[usize], row: &Record) {
    sql.push_list(given, |sql, &at| push_value(sql, &table.columns[at], &row[at]));
    for (position, (_, value)) in filled(sql.backend(), table, row).iter().enumerate() {
        sql.push_sql(if position > 0 || !given.is_empty() { ", " } else { "" }).push_sql(value);
    }
}

fn insert_values(
    table: &TableDescriptor,
    given: &[usize],
    rows: &[Arc<Record>],
    conflict: Conflict<'_>,
    answering: Answering,
) -> Statement {
    let mut sql = SqlWriter::new(Backend::Sqlite);
    push_target(&mut sql, table, given, &rows[0]);
    sql.push_sql("VALUES ");
    sql.push_list(rows, |sql, row| {
        sql.push_sql("(");
        push_row(sql, table, given, row);
        sql.push_sql(")");
    });
    push_conflict(&mut sql, table, conflict);
    push_returning(&mut sql, table, answering);
    sql.means(|| {
        let returning = match answering {
            Answering::Rows { .. } => all_columns(table),
            _ if conflict.is_confined() && rows.len() > 1 => names(table, &table.key),
            _ => Vec::new(),
        };
        insertion(table, given, rows, conflict, returning)
    });
    match (conflict.is_confined(), rows.len()) {
        (true, 1) => return Statement { guard: Some(1), ..sql.finish() },
        (true, count) => return finish_values(sql, table, count),
        (false, _) => {}
    }
    let mut statement = sql.finish();
    statement.cached = matches!(rows.len(), 1 | LOT);
    statement
}

/// A row of which the database makes everything but what the runtime fills in.
fn insert_defaults(backend: Backend, table: &TableDescriptor, row: &Arc<Record>, answering: Answering) -> Statement {
    let mut sql = SqlWriter::new(backend);
    let wants_xid = answering == Answering::Xid && backend == Backend::Postgres;
    if wants_xid {
        sql.push_sql("WITH spakky_w AS (");
    }
    let filled = filled(backend, table, row);
    if filled.is_empty() {
        sql.push_sql("INSERT INTO ").push_table(table).push_sql(" DEFAULT VALUES");
    } else {
        push_target(&mut sql, table, &[], row);
        sql.push_sql("VALUES (");
        sql.push_list(filled, |sql, (_, value)| {
            sql.push_sql(value);
        });
        sql.push_sql(")");
    }
    push_returning(&mut sql, table, answering);
    if wants_xid {
        push_end(&mut sql, Conflict::Fail);
    }
    sql.means(|| {
        let returning = if answering.is_rows() { all_columns(table) } else { Vec::new() };
        insertion(table, &[], std::slice::from_ref(row), Conflict::Fail, returning)
    });
    sql.finish()
}

/// The same in no language.
fn insertion(
    table: &TableDescriptor,
    given: &[usize],
    rows: &[Arc<Record>],
    conflict: Conflict<'_>,
    returning: Vec<String>,
) -> Operation {
    let deleted = rows.first().is_some_and(|row| is_deleted(table, row));
    let merge = match conflict {
        Conflict::Fail => None,
        Conflict::Update { columns, within, restores, renews, kinship, .. } => {
            let actor = table.role(Role::UpdatedBy);
            let owner = within.owner.filter(|_| kinship.is_direct());
            let same: Vec<usize> = owner.into_iter().chain(table.tenant().filter(|_| within.tenanted)).collect();
            let made = table.role(Role::CreatedBy).filter(|_| renews);
            Some(Merge {
                columns: columns
                    .iter()
                    .copied()
                    .chain(actor)
                    .chain(made)
                    .map(|at| table.columns[at].name.clone())
                    .collect(),
                filled: filled_by(table, |_, role| match role {
                    Role::Version => Some(if renews { Fill::One } else { Fill::Next }),
                    Role::CreatedAt if renews => Some(Fill::Clock),
                    Role::UpdatedAt => Some(Fill::Clock),
                    Role::DeletedAt | Role::DeletedBy if restores => Some(Fill::Null),
                    _ => None,
                }),
                same: names(table, &same),
                kin: within.owner.filter(|_| !kinship.is_direct()).map(|at| Kin {
                    column: table.columns[at].name.clone(),
                    steps: kinship.steps().map(|(table, _, column)| (table.name, column)).collect(),
                }),
                live: within.live,
                deleted: within.deleted,
                by: within.by.map(|by| table.uniques[by].name.clone()),
            })
        }
    };
    Operation::Insert(Insertion {
        table: table.name,
        columns: names(table, given),
        rows: rows.iter().map(|row| given.iter().map(|&at| row[at].clone()).collect()).collect(),
        filled: filled_by(table, |_, role| match role {
            Role::Version => Some(Fill::One),
            Role::CreatedAt | Role::UpdatedAt => Some(Fill::Clock),
            Role::DeletedAt => Some(if deleted { Fill::Clock } else { Fill::Null }),
            _ => None,
        }),
        merge,
        returning,
    })
}
