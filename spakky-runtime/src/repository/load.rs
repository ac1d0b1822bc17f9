//! Loading the rows of relations: one query for each, whatever the number of rows they belong to.

use std::collections::HashMap;

use crate::backend::{Answer, Backend, Statement};
use crate::error::Error;
use crate::query::{Condition, Ordering};
use crate::schema::{Record, Relation, TableDescriptor, canonical};
use crate::scope::Scope;
use crate::statement::Select;
use crate::value::Value;

/// The queries for the children of the rows with these keys, at every depth: each relation before those below it.
///
/// # Errors
/// When one cannot be written.
pub(super) fn child_queries(
    backend: Backend,
    scope: &Scope,
    table: &'static TableDescriptor,
    keys: &[Value],
) -> Result<Vec<Statement>, Error> {
    let mut statements = Vec::new();
    for relation in &table.relations {
        let column = relation.column.clone();
        let condition = Condition::In { column, values: keys.to_vec(), negated: false };
        push_queries(backend, scope, relation, condition, &mut statements)?;
    }
    Ok(statements)
}

fn push_queries(
    backend: Backend,
    scope: &Scope,
    relation: &'static Relation,
    condition: Condition,
    statements: &mut Vec<Statement>,
) -> Result<(), Error> {
    let child = relation.child();
    let condition = scope.narrow(child, condition)?;
    let mut order: Vec<Ordering> =
        relation.order.iter().map(|(name, descending)| Ordering::of(name, *descending)).collect();
    // Among the children of one row the column that names it sorts nothing, and costs the server more than the others.
    let sorts = |name: &str| name != relation.column && !relation.order.iter().any(|(sorted, _)| *sorted == name);
    let key = child.key_columns().filter(|column| sorts(&column.name));
    order.extend(key.map(|column| Ordering::of(&column.name, false)));
    statements.push(Select { order, ..Select::filtered(child, condition.clone()) }.rows(backend)?);
    for below in &child.relations {
        let column = below.column.clone();
        let condition = Condition::InSelect { column, table: child, condition: Box::new(condition.clone()) };
        push_queries(backend, scope, below, condition, statements)?;
    }
    Ok(())
}

/// Hands each record its children out of the answers to [`child_queries`].
///
/// # Errors
/// When a stored value cannot be read.
pub(super) fn attach_children(
    backend: Backend,
    table: &'static TableDescriptor,
    records: &mut [Record],
    answers: &mut impl Iterator<Item = Answer>,
) -> Result<(), Error> {
    let Some(&key) = table.key.first() else { return Ok(()) };
    let owners: HashMap<&Value, usize, foldhash::fast::RandomState> =
        records.iter().enumerate().map(|(at, record)| (&record[key], at)).collect();
    let mut children: Vec<Vec<Vec<Record>>> = vec![Vec::with_capacity(table.relations.len()); records.len()];
    for relation in &table.relations {
        let (child, column) = (relation.child(), relation.column_position());
        let rows = answers.next().map(|answer| answer.rows).unwrap_or_default();
        let rows: Result<Vec<Record>, Error> = rows.into_iter().map(|row| canonical(child, row, backend)).collect();
        let mut rows = rows?;
        attach_children(backend, child, &mut rows, answers)?;
        children.iter_mut().for_each(|relations| relations.push(Vec::new()));
        for row in rows {
            if let Some(own) = owners.get(&row[column]).and_then(|&at| children[at].last_mut()) {
                own.push(row);
            }
        }
    }
    for (record, children) in records.iter_mut().zip(children) {
        record.set_children(children);
    }
    Ok(())
}
