//! Writes to every row that fulfils a condition, whoever has loaded it.

use super::SqlWriter;
use super::condition::{find, invalid, no_deletion};
use super::guard::push_xid;
use super::operation::{Fill, Operation, filled_by};
use crate::backend::{Backend, Statement};
use crate::error::Error;
use crate::query::{AssignedValue, Condition, Term};
use crate::schema::{Lineage, Role, TableDescriptor};
use crate::scope::{Mark, Scope};
use crate::value::{Value, ValueError};

/// `UPDATE … SET … WHERE …`. The version of each row goes up by one, so that a save of a copy loaded before is refused,
/// and it is stamped with the time, unless that is assigned, and with the actor.
///
/// # Errors
/// When nothing is set or a column twice, when a column of the runtime is set or the key, or a value cannot be stored; when
/// the table wants an actor and the scope has none.
pub(crate) fn update_where(
    table: &TableDescriptor,
    assignments: &[AssignedValue],
    condition: &Condition,
    scope: &Scope,
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
            Role::Tenant => return Err(invalid(table, &format!("column `{name}` is the tenant, which never changes"))),
            Role::CreatedAt | Role::CreatedBy => {
                return Err(invalid(
                    table,
                    &format!("column `{name}` is set when the row is inserted and never changes"),
                ));
            }
            Role::DeletedAt | Role::DeletedBy => {
                return Err(invalid(
                    table,
                    &format!("column `{name}` is set by `soft_delete` and `restore`; use those"),
                ));
            }
            Role::UpdatedBy => {
                return Err(invalid(table, &format!("column `{name}` is set to the context's actor by itself")));
            }
            Role::Plain | Role::UpdatedAt => {}
        }
        if assignments[..number].iter().any(|earlier| earlier.column == *name) {
            return Err(invalid(table, &format!("column `{name}` is set twice")));
        }
        if number > 0 {
            sql.push_sql(", ");
        }
        sql.push_column(column).push_sql(" = ");
        match &assigned.term {
            Ok(term) => {
                if let Term::Value(value) = term {
                    column.check_length(value).map_err(|error| unstorable(table, name, error))?;
                }
                sql.push_term(table, column, term)?;
            }
            Err(error) => return Err(unstorable(table, name, error.clone())),
        }
    }
    let actor = push_stamps(&mut sql, table, assignments, scope)?;
    sql.push_where(table, condition)?;
    sql.means(|| Operation::UpdateWhere {
        table: table.name,
        set: assignments.iter().cloned().chain(actor).collect(),
        filled: stamps(table, assignments, None),
        above: None,
        condition: condition.clone(),
    });
    Ok(sql.finish())
}

fn unstorable(table: &TableDescriptor, column: &str, error: ValueError) -> Error {
    Error::unstorable_value(table, table.position(column).unwrap_or_default(), error)
}

/// What is done to the life of rows, and how.
#[derive(Debug, Clone)]
pub(crate) struct Marking {
    pub(crate) mark: Mark,
    /// They are deleted at the instant at which this row above them was, if it is.
    pub(crate) above: Option<Lineage>,
    /// The statement answers with the transaction's id.
    pub(crate) wants_xid: bool,
}

impl From<Mark> for Marking {
    fn from(mark: Mark) -> Self {
        Marking { mark, above: None, wants_xid: false }
    }
}

/// `UPDATE … SET deleted_at = … WHERE …`: soft-deletes or restores every row of the condition.
///
/// # Errors
/// When the table has no such column or the condition cannot be written; when the table wants an actor and the scope has
/// none.
pub(crate) fn mark_where(
    table: &TableDescriptor,
    marking: Marking,
    condition: &Condition,
    scope: &Scope,
    backend: Backend,
) -> Result<Statement, Error> {
    let Marking { mark, above, wants_xid } = marking;
    let answers = wants_xid && backend == Backend::Postgres;
    let deleted_at = &table.columns[table.deleted_at().ok_or_else(|| no_deletion(table))?];
    let mut sql = SqlWriter::new(backend);
    sql.push_sql(if answers { "WITH spakky_w AS (UPDATE " } else { "UPDATE " });
    sql.push_table(table).push_sql(" SET ").push_column(deleted_at).push_sql(" = ");
    match (mark, &above) {
        (Mark::Deleted, None) => sql.push_clock(deleted_at.ty.scalar),
        (Mark::Deleted, Some(above)) => {
            sql.push_sql("COALESCE(");
            sql.push_stamp_above(table, deleted_at, above)?;
            sql.push_sql(", ").push_clock(deleted_at.ty.scalar).push_sql(")")
        }
        (Mark::Restored, _) => sql.push_sql("NULL"),
    };
    let mut set = Vec::new();
    if let Some(at) = table.role(Role::DeletedBy) {
        let column = &table.columns[at];
        sql.push_sql(", ").push_column(column).push_sql(" = ");
        match mark {
            Mark::Deleted => {
                let actor = scope.actor(table, at)?;
                set.push(assigned(&column.name, actor.clone()));
                sql.push_bind(column.ty, actor)
            }
            Mark::Restored => {
                set.push(assigned(&column.name, Value::Null));
                sql.push_sql("NULL")
            }
        };
    }
    set.extend(push_stamps(&mut sql, table, &[], scope)?);
    sql.push_where(table, condition)?;
    if answers {
        sql.push_sql(" RETURNING 1)");
        push_xid(&mut sql);
    }
    sql.means(|| Operation::UpdateWhere {
        table: table.name,
        set,
        filled: stamps(table, &[], Some(mark)),
        above: above.filter(|_| mark == Mark::Deleted),
        condition: condition.clone(),
    });
    Ok(sql.finish())
}

/// What the database itself writes into the rows of an UPDATE by condition.
fn stamps(table: &TableDescriptor, assignments: &[AssignedValue], mark: Option<Mark>) -> Vec<(String, Fill)> {
    filled_by(table, |column, role| match (role, mark) {
        (Role::Version, _) => Some(Fill::Next),
        (Role::UpdatedAt, _) if assignments.iter().any(|assigned| assigned.column == column.name) => None,
        (Role::UpdatedAt, _) | (Role::DeletedAt, Some(Mark::Deleted)) => Some(Fill::Clock),
        (Role::DeletedAt, Some(Mark::Restored)) => Some(Fill::Null),
        _ => None,
    })
}

fn assigned(column: &str, value: Value) -> AssignedValue {
    AssignedValue { column: column.to_owned(), term: Ok(Term::Value(value)) }
}

/// `, version = version + 1, updated_at = now(), updated_by = $1`; answers with the actor, if the table wants one.
fn push_stamps(
    sql: &mut SqlWriter,
    table: &TableDescriptor,
    assignments: &[AssignedValue],
    scope: &Scope,
) -> Result<Option<AssignedValue>, Error> {
    let mut stamped = None;
    for (at, column) in table.columns.iter().enumerate() {
        match column.role {
            Role::Version => {
                sql.push_sql(", ").push_column(column).push_sql(" = ").push_column(column).push_sql(" + 1");
            }
            Role::UpdatedAt if !assignments.iter().any(|assigned| assigned.column == column.name) => {
                sql.push_sql(", ").push_column(column).push_sql(" = ").push_clock(column.ty.scalar);
            }
            Role::UpdatedBy => {
                let actor = scope.actor(table, at)?;
                stamped = Some(assigned(&column.name, actor.clone()));
                sql.push_sql(", ").push_column(column).push_sql(" = ").push_bind(column.ty, actor);
            }
            _ => {}
        }
    }
    Ok(stamped)
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
    sql.means(|| Operation::DeleteWhere { table: table.name, condition: condition.clone() });
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
    sql.push_sql(if answers { "WITH spakky_w AS (DELETE FROM " } else { "DELETE FROM " });
    sql.push_table(table).push_where(table, condition)?;
    if answers {
        sql.push_sql(" RETURNING 1)");
        push_xid(&mut sql);
    }
    sql.means(|| Operation::DeleteWhere { table: table.name, condition: condition.clone() });
    Ok(sql.finish())
}
