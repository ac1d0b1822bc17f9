//! Writes to every row that fulfils a condition, whoever has loaded it.

use super::SqlWriter;
use super::condition::{find, invalid};
use super::guard::push_xid;
use crate::backend::{Backend, Statement};
use crate::error::Error;
use crate::query::{AssignedValue, Condition};
use crate::schema::{Role, TableDescriptor};

/// `UPDATE … SET … WHERE …`. The version of each row goes up by one, so that a save of a copy loaded before is refused,
/// and its time of update is set, unless it is assigned.
///
/// # Errors
/// When nothing is set or a column twice, when the key or the version is set, or a value cannot be stored.
pub(crate) fn update_where(
    table: &TableDescriptor,
    assignments: &[AssignedValue],
    condition: &Condition,
    backend: Backend,
) -> Result<Statement, Error> {
    if assignments.is_empty() {
        return Err(invalid(table, "an update must set a column"));
    }
    let mut sql = SqlWriter::new(backend);
    sql.push_sql("UPDATE ").push_table(table).push_sql(" SET ");
    for (number, assigned) in assignments.iter().enumerate() {
        let name = &assigned.column;
        let column = find(table, name)?;
        match column.role {
            Role::Id => return Err(invalid(table, &format!("column `{name}` is the key, which never changes"))),
            Role::Version => {
                return Err(invalid(table, &format!("column `{name}` is the version, which goes up by itself")));
            }
            Role::Plain | Role::CreatedAt | Role::UpdatedAt => {}
        }
        if assignments[..number].iter().any(|earlier| earlier.column == *name) {
            return Err(invalid(table, &format!("column `{name}` is set twice")));
        }
        if number > 0 {
            sql.push_sql(", ");
        }
        sql.push_column(column).push_sql(" = ");
        match &assigned.term {
            Ok(term) => sql.push_term(table, column, term)?,
            Err(error) => {
                let position = table.position(name).unwrap_or_default();
                return Err(Error::unstorable_value(table, position, error.clone()));
            }
        }
    }
    for column in &table.columns {
        match column.role {
            Role::Version => {
                sql.push_sql(", ").push_column(column).push_sql(" = ").push_column(column).push_sql(" + 1");
            }
            Role::UpdatedAt if !assignments.iter().any(|assigned| assigned.column == column.name) => {
                sql.push_sql(", ").push_column(column).push_sql(" = ").push_clock(column.ty.scalar);
            }
            _ => {}
        }
    }
    sql.push_where(table, condition)?;
    Ok(sql.finish())
}

/// `DELETE … WHERE …`.
///
/// # Errors
/// When the condition cannot be written.
pub(crate) fn delete_where(
    table: &TableDescriptor,
    condition: &Condition,
    backend: Backend,
) -> Result<Statement, Error> {
    let mut sql = SqlWriter::new(backend);
    sql.push_sql("DELETE FROM ").push_table(table).push_where(table, condition)?;
    Ok(sql.finish())
}

/// The same as part of a flush; with `wants_xid` it answers with the transaction's id.
///
/// # Errors
/// When the condition cannot be written.
pub(crate) fn delete_all(
    backend: Backend,
    table: &TableDescriptor,
    condition: &Condition,
    wants_xid: bool,
) -> Result<Statement, Error> {
    let answers = wants_xid && backend == Backend::Postgres;
    let mut sql = SqlWriter::new(backend);
    sql.push_sql(if answers { "WITH w AS (DELETE FROM " } else { "DELETE FROM " });
    sql.push_table(table).push_where(table, condition)?;
    if answers {
        sql.push_sql(" RETURNING 1)");
        push_xid(&mut sql);
    }
    Ok(sql.finish())
}
