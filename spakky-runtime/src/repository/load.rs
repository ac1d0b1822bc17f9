//! Loading the rows of relations: one query for each, whatever the number of rows they belong to.

use crate::backend::{Answer, Backend, Statement};
use crate::error::Error;
use crate::hash::FastMap;
use crate::query::{Condition, Ordering};
use crate::schema::{Record, Relation, TableDescriptor, canonical};
use crate::scope::Scope;
use crate::statement::{Select, equal_values};
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

/// Children that belong to no record whose key is spelled as they spell it, by their table and column.
#[derive(Debug, Default)]
pub(super) struct Strays(Vec<Stray>);

#[derive(Debug)]
struct Stray {
    table: &'static TableDescriptor,
    column: usize,
    /// The keys of the records.
    keys: Vec<Value>,
    /// What the children have in the column.
    found: Vec<Value>,
}

/// For a table and a column of it, the keys that the database finds equal to what is stored there.
#[derive(Debug, Default)]
pub(super) struct Spellings(Vec<(&'static TableDescriptor, usize, FastMap<Value, Value>)>);

impl Strays {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn note(
        &mut self,
        table: &'static TableDescriptor,
        column: usize,
        row: &Record,
        keys: impl Iterator<Item = Value>,
    ) {
        let same = |stray: &&mut Stray| stray.table.row_type == table.row_type && stray.column == column;
        match self.0.iter_mut().find(same) {
            Some(stray) => stray.found.push(row[column].clone()),
            None => self.0.push(Stray { table, column, keys: keys.collect(), found: vec![row[column].clone()] }),
        }
    }

    /// The questions to the database whose they are.
    ///
    /// # Errors
    /// When one cannot be written.
    pub(super) fn questions(&self, backend: Backend) -> Result<Vec<Statement>, Error> {
        let question = |stray: &Stray| equal_values(backend, stray.table, stray.column, &stray.keys, &stray.found);
        self.0.iter().map(question).collect()
    }

    /// What the answers to [`questions`](Self::questions) say.
    ///
    /// # Errors
    /// When a stored value cannot be read.
    pub(super) fn spellings(
        self,
        backend: Backend,
        answers: &mut impl Iterator<Item = Answer>,
    ) -> Result<Spellings, Error> {
        let mut spellings = Spellings::default();
        for Stray { table, column, keys, .. } in self.0 {
            let rows = answers.next().map(|answer| answer.rows).unwrap_or_default();
            spellings.0.push((table, column, equal_pairs(backend, table, column, &keys, rows)?.into_iter().collect()));
        }
        Ok(spellings)
    }
}

/// What the rows of an answer to [`equal_values`] say: what is stored, and the value asked for to which it is equal.
///
/// # Errors
/// When a stored value cannot be read.
pub(crate) fn equal_pairs(
    backend: Backend,
    table: &TableDescriptor,
    column: usize,
    asked: &[Value],
    rows: Vec<Vec<Value>>,
) -> Result<Vec<(Value, Value)>, Error> {
    let first = match backend {
        Backend::Postgres => 1,
        Backend::Sqlite => 0,
    };
    let mut pairs = Vec::with_capacity(rows.len());
    for row in rows {
        let mut values = row.into_iter();
        let (Some(stored), Some(Value::I64(position))) = (values.next(), values.next()) else { continue };
        let key = usize::try_from(position - first).ok().and_then(|at| asked.get(at));
        if let Some(key) = key {
            let stored = table.columns[column].ty.canonical(stored, backend);
            let stored = stored.map_err(|error| Error::unreadable_value(table, column, error))?;
            pairs.push((stored, key.clone()));
        }
    }
    Ok(pairs)
}

impl Spellings {
    fn key(&self, table: &TableDescriptor, column: usize, stored: &Value) -> Option<&Value> {
        let (.., keys) = self.0.iter().find(|(of, at, _)| of.row_type == table.row_type && *at == column)?;
        keys.get(stored)
    }
}

/// Hands each record its children out of the answers to [`child_queries`]. Those that spell its key in another way come
/// under the record's own spelling, if that is known from `spellings`, and are noted in `strays` else.
///
/// # Errors
/// When a stored value cannot be read.
pub(super) fn attach_children(
    backend: Backend,
    table: &'static TableDescriptor,
    records: &mut [Record],
    answers: &mut impl Iterator<Item = Answer>,
    spellings: &Spellings,
    strays: &mut Strays,
) -> Result<(), Error> {
    let Some(&key) = table.key.first() else { return Ok(()) };
    let owners: FastMap<&Value, usize> = records.iter().enumerate().map(|(at, record)| (&record[key], at)).collect();
    let mut children: Vec<Vec<Vec<Record>>> = vec![Vec::with_capacity(table.relations.len()); records.len()];
    for relation in &table.relations {
        let (child, column) = (relation.child(), relation.column_position());
        let rows = answers.next().map(|answer| answer.rows).unwrap_or_default();
        let rows: Result<Vec<Record>, Error> = rows.into_iter().map(|row| canonical(child, row, backend)).collect();
        let mut rows = rows?;
        attach_children(backend, child, &mut rows, answers, spellings, strays)?;
        children.iter_mut().for_each(|relations| relations.push(Vec::new()));
        for mut row in rows {
            if let Some(own) = owners.get(&row[column]).and_then(|&at| children[at].last_mut()) {
                own.push(row);
                continue;
            }
            if owners.is_empty() || !child.columns[column].ty.may_be_spelled_otherwise() {
                continue;
            }
            match spellings.key(child, column, &row[column]) {
                Some(key) => {
                    if let Some(own) = owners.get(key).and_then(|&at| children[at].last_mut()) {
                        row[column] = key.clone();
                        own.push(row);
                    }
                }
                None => strays.note(child, column, &row, owners.keys().map(|&key| key.clone())),
            }
        }
    }
    for (record, children) in records.iter_mut().zip(children) {
        record.set_children(children);
    }
    Ok(())
}
