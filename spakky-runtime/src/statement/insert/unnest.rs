//! INSERT of rows whose values travel as one array per column, which has one text for every number of rows.

use std::sync::Arc;

use super::{
    Answering, Conflict, filled, place_of, push_conflict, push_drawn, push_end, push_returning, push_target,
    target_name,
};
use crate::backend::{Backend, Statement};
use crate::error::Error;
use crate::schema::{ColumnDescriptor, Record, TableDescriptor};
use crate::statement::SqlWriter;
use crate::statement::array_literal::array_literal;
use crate::statement::guard::{RaiseStyle, push_guard};
use crate::value::{ColumnType, ScalarType, Value};

/// One text for every greater number of rows.
pub(super) fn insert_unnest(
    table: &TableDescriptor,
    given: &[usize],
    rows: &[Arc<Record>],
    conflict: Conflict<'_>,
    answering: Answering,
) -> Result<Statement, Error> {
    if let Conflict::Update { raise, .. } = conflict
        && conflict.is_confined()
    {
        return upsert_unnest(raise, table, given, rows, conflict);
    }
    let wants_xid = answering == Answering::Xid;
    let mut sql = SqlWriter::new(Backend::Postgres);
    if wants_xid {
        sql.push_sql("WITH spakky_w AS (");
    }
    push_selected(&mut sql, table, given, &rows[0]);
    sql.push_sql(" FROM ");
    push_unnest(&mut sql, table, given, &rows.into())?;
    sql.push_sql(" AS spakky_input(");
    push_names(&mut sql, given.len());
    sql.push_sql(")");
    push_draws(&mut sql, given, &rows[0]);
    push_conflict(&mut sql, table, conflict);
    push_returning(&mut sql, table, answering);
    if wants_xid {
        push_end(&mut sql, conflict);
    }
    Ok(sql.finish())
}

/// Inserts where rows that are there may be out of reach: the statement fails with the positions of those.
fn upsert_unnest(
    raise: RaiseStyle,
    table: &TableDescriptor,
    given: &[usize],
    rows: &[Arc<Record>],
    conflict: Conflict<'_>,
) -> Result<Statement, Error> {
    let mut sql = SqlWriter::new(Backend::Postgres);
    sql.push_sql("WITH spakky_input AS (SELECT * FROM ");
    push_unnest(&mut sql, table, given, &rows.into())?;
    sql.push_sql(" WITH ORDINALITY AS spakky_input(");
    push_names(&mut sql, given.len());
    sql.push_sql(", position)), spakky_w AS (");
    push_selected(&mut sql, table, given, &rows[0]);
    sql.push_sql(" FROM spakky_input");
    push_conflict(&mut sql, table, conflict);
    sql.push_sql(" RETURNING ");
    let target = match conflict {
        Conflict::Update { within, .. } => within.target(table),
        Conflict::Fail => table.key.clone(),
    };
    sql.push_list(target.iter().enumerate(), |sql, (number, &at)| {
        let column = &table.columns[at];
        sql.push_identifier(target_name(table)).push_sql(".").push_column(column).push_numbered(" AS k", number);
    });
    sql.push_sql(")");
    let mut missing = SqlWriter::new(Backend::Postgres);
    missing.push_sql(
        "(SELECT string_agg(spakky_input.position::text, ',' ORDER BY spakky_input.position) FROM spakky_input WHERE NOT EXISTS (SELECT 1 \
         FROM spakky_w WHERE ",
    );
    for (number, at) in target.iter().enumerate() {
        let carried = given.iter().position(|given| given == at).unwrap_or_default();
        missing.push_sql(if number > 0 { " AND " } else { "" }).push_numbered("spakky_w.k", number).push_sql(" = ");
        push_unnested(&mut missing, &table.columns[*at], carried);
    }
    missing.push_sql("))");
    push_guard(&mut sql, raise, "(SELECT count(*) FROM spakky_input)", &missing.finish().sql);
    Ok(sql.finish())
}

/// `INSERT INTO t (…) SELECT spakky_input.c0, …, now()`
fn push_selected(sql: &mut SqlWriter, table: &TableDescriptor, given: &[usize], row: &Record) {
    push_target(sql, table, given, row);
    sql.push_sql("SELECT ");
    let draws = draws_of(given, row);
    let mut number = 0;
    sql.push_list(given, |sql, &at| {
        match row[at] {
            Value::Drawn(id) => {
                let alias = draws.iter().position(|draw| *draw == id.draw).unwrap_or_default();
                sql.push_numbered("spakky_d", alias).push_numbered(".ids[spakky_input.c", number).push_sql("]");
            }
            _ => push_unnested(sql, &table.columns[at], number),
        }
        number += 1;
    });
    for (_, value) in filled(Backend::Postgres, table, row) {
        sql.push_sql(", ").push_sql(value);
    }
}

/// The draws from which these columns get their values.
fn draws_of(given: &[usize], row: &Record) -> Vec<usize> {
    let mut draws: Vec<usize> = Vec::new();
    for &at in given {
        if let Value::Drawn(id) = row[at]
            && !draws.contains(&id.draw)
        {
            draws.push(id.draw);
        }
    }
    draws
}

/// Joins the ids that were drawn for these columns. `OFFSET 0` keeps the text of the setting from being read for each row.
fn push_draws(sql: &mut SqlWriter, given: &[usize], row: &Record) {
    for (alias, number) in draws_of(given, row).into_iter().enumerate() {
        sql.push_sql(" CROSS JOIN (SELECT ");
        push_drawn(sql, number);
        sql.push_numbered(" AS ids OFFSET 0) AS spakky_d", alias);
    }
}

/// `UNNEST($1, $2, …)`, one array per column.
pub(in crate::statement) fn push_unnest(
    sql: &mut SqlWriter,
    table: &TableDescriptor,
    columns: &[usize],
    rows: &Arc<[Arc<Record>]>,
) -> Result<(), Error> {
    sql.push_sql("UNNEST(");
    for (position, &at) in columns.iter().enumerate() {
        if position > 0 {
            sql.push_sql(", ");
        }
        let column = &table.columns[at];
        let drawn = matches!(rows.first().map(|row| &row[at]), Some(Value::Drawn(_)));
        if drawn {
            let places = rows.iter().map(|row| match row[at] {
                Value::Drawn(id) => place_of(id),
                _ => Value::Null,
            });
            sql.push_bind_list(ColumnType::scalar(ScalarType::I32), places.collect());
        } else if column.ty.array {
            let literals = rows.iter().map(|row| match &row[at] {
                Value::Array(items) => array_literal(items).map(Value::Text),
                value => Ok(value.clone()),
            });
            let literals = literals.collect::<Result<_, _>>();
            let literals = literals.map_err(|error| Error::unstorable_value(table, at, error))?;
            sql.push_bind_list(carrier(column.ty), literals);
        } else {
            sql.push_bind_column(carrier(column.ty), Arc::clone(rows), at);
        }
    }
    sql.push_sql(")");
    Ok(())
}

/// The type in which a column's values travel in an array: native types as their scalar, arrays as text.
fn carrier(ty: ColumnType) -> ColumnType {
    let scalar = if ty.array { ScalarType::Text } else { ty.scalar };
    ColumnType::scalar(scalar).nullable()
}

/// `spakky_input.c0`, cast back to the column's type where it travels as another.
pub(in crate::statement) fn push_unnested(sql: &mut SqlWriter, column: &ColumnDescriptor, number: usize) {
    sql.push_numbered("spakky_input.c", number);
    if column.ty.array {
        let plain = ColumnType { pg_type: None, ..column.ty };
        sql.push_sql("::").push_sql(&plain.postgres_name());
    }
    sql.push_native_cast(column.ty);
}

/// `c0, c1, …`
pub(in crate::statement) fn push_names(sql: &mut SqlWriter, count: usize) {
    sql.push_list(0..count, |sql, number| {
        sql.push_numbered("c", number);
    });
}
