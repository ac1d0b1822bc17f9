//! Reading what a plan says, level by level: what is found by the rows of one level travels in one burst.

use std::collections::{HashMap, HashSet};

use super::plan::{Link, Node, Route, Target};
use super::sql::query;
use crate::backend::Backend;
use crate::error::{Error, ErrorKind};
use crate::repository::{Source, equal_pairs};
use crate::schema::TableDescriptor;
use crate::schema::fit::{Checked, Purpose};
use crate::statement::equal_values;
use crate::value::{ColumnType, ScalarType, Value};

/// The rows that were read at one place of the plan.
#[derive(Debug)]
pub(super) struct Rows {
    pub(super) table: &'static TableDescriptor,
    /// Positions of the columns that were read.
    pub(super) columns: Vec<usize>,
    pub(super) values: Vec<Vec<Value>>,
    pub(super) links: Vec<Found>,
}

/// What a link has led to.
#[derive(Debug)]
pub(super) struct Found {
    /// The slot of the column that it was found by.
    pub(super) from: usize,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    /// Which of the rows each key has.
    Rows(HashMap<Value, Vec<usize>>, Rows),
    /// For each key the number of rows, and sums.
    Groups(HashMap<Value, (i64, Vec<Value>)>),
}

impl Rows {
    /// The rows of a node's query.
    ///
    /// # Errors
    /// When a stored value cannot be read.
    pub(super) fn of(node: &Node, answer: Vec<Vec<Value>>, backend: Backend) -> Result<Self, Error> {
        let values = answer.into_iter().map(|row| canonical(node, row, backend)).collect::<Result<_, _>>()?;
        Ok(Rows { table: node.table, columns: node.columns.clone(), values, links: Vec::new() })
    }

    /// The different values in a slot, in order.
    fn keys(&self, slot: usize) -> Vec<Value> {
        let mut seen = HashSet::new();
        let values = self.values.iter().map(|row| &row[slot]).filter(|value| !value.is_null());
        values.filter(|value| seen.insert(*value)).cloned().collect()
    }
}

/// Reads everything that is linked to the rows of the first query.
///
/// # Errors
/// What the database says, or a stored value that cannot be read.
pub(super) async fn load_linked(source: &Source, root: &Node, rows: &mut Rows) -> Result<(), Error> {
    let backend = source.backend();
    let mut level: Vec<(&Node, &mut Rows)> = vec![(root, rows)];
    while !level.is_empty() {
        let mut statements = Vec::new();
        let (mut asked, mut columns) = (Vec::new(), Vec::new());
        for (node, rows) in &level {
            for link in &node.links {
                let keys = rows.keys(link.from);
                asked.push(!keys.is_empty());
                if !keys.is_empty() {
                    let (table, at) = link.to.found_by();
                    columns.push(Checked { table, at, purpose: Purpose::Compared });
                    statements.push(query(backend, source.scope(), &link.to, keys)?);
                }
            }
        }
        let answers = if statements.is_empty() { Vec::new() } else { source.found_by(&columns, statements).await? };
        let (mut answers, mut asked) = (answers.into_iter(), asked.into_iter());
        for (node, rows) in &mut level {
            for link in &node.links {
                let is_asked = asked.next().unwrap_or_default();
                let answer = if is_asked { answers.next().map(|answer| answer.rows) } else { None };
                rows.links.push(found(link, answer.unwrap_or_default(), backend)?);
            }
        }
        if source.has_catalog() {
            respell(source, &mut level).await?;
        }
        let mut next = Vec::new();
        for (node, rows) in level {
            for (link, found) in node.links.iter().zip(&mut rows.links) {
                if let (Target::Rows(_, node), What::Rows(_, rows)) = (&link.to, &mut found.what) {
                    next.push((node, rows));
                }
            }
        }
        level = next;
    }
    Ok(())
}

/// Asks the database to which of the keys those are equal that came back spelled otherwise, and has their rows found by these.
async fn respell(source: &Source, level: &mut [(&Node, &mut Rows)]) -> Result<(), Error> {
    let backend = source.backend();
    let (mut statements, mut places) = (Vec::new(), Vec::new());
    for (at, (node, rows)) in level.iter().enumerate() {
        for (number, link) in node.links.iter().enumerate() {
            let (table, column) = link.to.found_by();
            if !table.columns[column].ty.may_be_spelled_otherwise() {
                continue;
            }
            let (asked, what) = (rows.keys(link.from), &rows.links[number].what);
            let known: HashSet<&Value> = asked.iter().collect();
            let strays: Vec<Value> = what.keys().filter(|key| !known.contains(key)).cloned().collect();
            // Two rows may refer to the same one by different spellings.
            let is_missed = matches!(link.to, Target::Rows(Route::Key, _)) && asked.iter().any(|key| !what.has(key));
            let found = if is_missed { what.keys().cloned().collect() } else { strays };
            if !found.is_empty() {
                statements.push(equal_values(backend, table, column, &asked, &found)?);
                places.push((at, number, asked, table, column));
            }
        }
    }
    if statements.is_empty() {
        return Ok(());
    }
    // Seldom needed, so that it is no part of the futures of those who read.
    let answers = Box::pin(source.behind(statements)).await?;
    for ((at, number, asked, table, column), answer) in places.into_iter().zip(answers) {
        let pairs = equal_pairs(backend, table, column, &asked, answer.rows)?;
        level[at].1.links[number].what.respell(pairs);
    }
    Ok(())
}

impl Target {
    /// The column that holds the keys its rows are found by.
    fn found_by(&self) -> (&'static TableDescriptor, usize) {
        match self {
            Target::Rows(Route::Key, node) => (node.table, node.table.key.first().copied().unwrap_or_default()),
            Target::Rows(Route::Column { by, .. }, node) => (node.table, *by),
            Target::Rows(Route::Through { link, from, .. }, _) => (link.0, *from),
            Target::Groups { table, by, .. } => (table, *by),
        }
    }
}

impl What {
    fn keys(&self) -> Box<dyn Iterator<Item = &Value> + '_> {
        match self {
            What::Rows(by, _) => Box::new(by.keys()),
            What::Groups(groups) => Box::new(groups.keys()),
        }
    }

    fn has(&self, key: &Value) -> bool {
        match self {
            What::Rows(by, _) => by.contains_key(key),
            What::Groups(groups) => groups.contains_key(key),
        }
    }

    /// Has what is stored under one key found by another, to which it is equal.
    fn respell(&mut self, pairs: Vec<(Value, Value)>) {
        match self {
            What::Rows(by, _) => {
                for (stored, key) in pairs.into_iter().filter(|(stored, key)| stored != key) {
                    let more = by.get(&stored).cloned().unwrap_or_default();
                    let rows = by.entry(key).or_default();
                    rows.extend(more);
                    // In the order of the query.
                    rows.sort_unstable();
                    rows.dedup();
                }
            }
            What::Groups(groups) => {
                for (stored, key) in pairs.into_iter().filter(|(stored, key)| stored != key) {
                    // What is equal to the database is one group to it, under one of the spellings.
                    if let Some(group) = groups.get(&stored).cloned() {
                        groups.entry(key).or_insert(group);
                    }
                }
            }
        }
    }
}

fn found(link: &Link, answer: Vec<Vec<Value>>, backend: Backend) -> Result<Found, Error> {
    let what = match &link.to {
        Target::Rows(route, node) => linked_rows(route, node, answer, backend)?,
        Target::Groups { table, by, sums, .. } => {
            let mut groups = HashMap::with_capacity(answer.len());
            for row in answer {
                let mut values = row.into_iter();
                let key = read(table, *by, values.next(), backend)?;
                let count = match values.next() {
                    Some(Value::I64(count)) => count,
                    other => return Err(unexpected(table, other.as_ref())),
                };
                let sums: Result<Vec<Value>, Error> = sums
                    .iter()
                    .zip(values)
                    .map(|(&(position, scalar), value)| computed(table, position, scalar, value, backend))
                    .collect();
                groups.insert(key, (count, sums?));
            }
            What::Groups(groups)
        }
    };
    Ok(Found { from: link.from, what })
}

fn linked_rows(route: &Route, node: &Node, mut answer: Vec<Vec<Value>>, backend: Backend) -> Result<What, Error> {
    let mut by: HashMap<Value, Vec<usize>> = HashMap::new();
    if let Route::Through { link, from, .. } = route {
        // The key that the row is linked to comes first.
        for (at, row) in answer.iter_mut().enumerate() {
            let first = (!row.is_empty()).then(|| row.remove(0));
            by.entry(read(link.0, *from, first, backend)?).or_default().push(at);
        }
        return Ok(What::Rows(by, Rows::of(node, answer, backend)?));
    }
    let column = match route {
        Route::Column { by, .. } => *by,
        Route::Key | Route::Through { .. } => node.table.key.first().copied().unwrap_or_default(),
    };
    let slot = node.columns.iter().position(|&known| known == column).unwrap_or_default();
    let rows = Rows::of(node, answer, backend)?;
    for (at, row) in rows.values.iter().enumerate() {
        by.entry(row[slot].clone()).or_default().push(at);
    }
    Ok(What::Rows(by, rows))
}

fn canonical(node: &Node, row: Vec<Value>, backend: Backend) -> Result<Vec<Value>, Error> {
    if row.len() != node.columns.len() {
        let (name, count) = (node.table.name, node.columns.len());
        let message = format!("read `{name}`: {} columns came back for {count}", row.len());
        return Err(Error::new(ErrorKind::Mapping, message).with_table(name));
    }
    row.into_iter().zip(&node.columns).map(|(value, &at)| read(node.table, at, Some(value), backend)).collect()
}

fn read(table: &TableDescriptor, at: usize, value: Option<Value>, backend: Backend) -> Result<Value, Error> {
    let value = value.unwrap_or(Value::Null);
    table.columns[at].ty.canonical(value, backend).map_err(|error| Error::unreadable_value(table, at, error))
}

fn computed(
    table: &TableDescriptor,
    at: usize,
    scalar: ScalarType,
    value: Value,
    backend: Backend,
) -> Result<Value, Error> {
    let value = ColumnType::scalar(scalar).canonical(value, backend);
    value.map_err(|error| Error::unreadable_value(table, at, error))
}

fn unexpected(table: &TableDescriptor, found: Option<&Value>) -> Error {
    let found = found.map_or("nothing", Value::kind);
    Error::new(ErrorKind::Mapping, format!("count rows of `{}`: expected int8, found {found}", table.name))
        .with_table(table.name)
}
