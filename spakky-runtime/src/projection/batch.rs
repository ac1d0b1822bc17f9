//! Loaders of the user's own: called once for all rows of a view, behind the fields that they depend on.

use std::any::Any;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::cells::Cells;
use super::field::Source as FieldSource;
use super::load::{Rows, What};
use super::plan::{FieldPlan, ViewPlan};
use super::{Field, LinkKey};
use crate::error::{Error, ErrorKind};
use crate::repository::{Repository, Source};
use crate::schema::Table;
use crate::value::Value;

/// The rows that a loader is asked about: the first argument of the function in `#[projection(load = function)]`.
///
/// The function is called once, however many rows there are, and returns pairs of id and value (a `HashMap`, a `Vec`).
/// A row that it leaves out gets the type's default.
#[derive(Debug, Clone)]
pub struct Batch<Id> {
    ids: Vec<Id>,
    source: Source,
}

impl<Id> Batch<Id> {
    /// The ids of the rows, each once.
    pub fn ids(&self) -> &[Id] {
        &self.ids
    }

    /// A repository that works in the session of the projection's query, and sees what it sees: the same tenant or all
    /// of them, soft-deleted rows or not.
    pub fn repository<Row: Table>(&self) -> Repository<Row> {
        self.source.repository()
    }
}

/// What a loader gave, by the row's key.
#[derive(Debug)]
pub struct LoadedValues(HashMap<Value, Arc<dyn Any + Send + Sync>>);

/// Calls a loader of the user's own.
pub(super) type LoadFn = fn(&LoadInput<'_>) -> Result<BoxFuture<'static, Result<LoadedValues, Error>>, Error>;

/// What derived code makes a loader's arguments of.
#[derive(Debug)]
pub struct LoadInput<'a> {
    source: &'a Source,
    view: &'a ViewPlan,
    rows: &'a Rows,
    loads: &'a Loads,
    /// The slot of the key.
    key: usize,
    /// The rows with different keys.
    wanted: Vec<usize>,
}

impl LoadInput<'_> {
    /// The loader's first argument.
    ///
    /// # Errors
    /// When a key cannot be read.
    pub fn batch<Id: LinkKey>(&self) -> Result<Batch<Id>, Error> {
        let (table, column) = (self.rows.table, self.rows.columns[self.key]);
        let keys = self.wanted.iter().map(|&at| self.rows.values[at][self.key].clone());
        let ids = keys.map(|key| Id::from_key(key).map_err(|error| Error::unreadable_value(table, column, error)));
        Ok(Batch { ids: ids.collect::<Result<_, _>>()?, source: self.source.clone() })
    }

    /// The values of a field that the loader depends on, in the order of the ids.
    ///
    /// # Errors
    /// As reading the field.
    pub fn values<F>(&self, field: &Field<F>, position: usize) -> Result<Vec<F>, Error> {
        let cells = |&at: &usize| Cells { view: self.view, rows: self.rows, loads: self.loads, at };
        self.wanted.iter().map(|at| field.read(&cells(at), position)).collect()
    }
}

/// The answer of a loader by the row's key.
pub(super) fn gathered<Row, Given, I, A>(answer: A) -> BoxFuture<'static, Result<LoadedValues, Error>>
where
    Row: Table,
    Given: Send + Sync + 'static,
    I: IntoIterator<Item = (Row::Id, Given)>,
    A: Future<Output = Result<I, Error>> + Send + 'static,
{
    Box::pin(async move {
        let mut values: HashMap<Value, Arc<dyn Any + Send + Sync>> = HashMap::new();
        for (id, value) in answer.await? {
            if let Some(key) = Row::encode_id(&id)?.into_iter().next() {
                values.insert(key, Arc::new(value));
            }
        }
        Ok(LoadedValues(values))
    })
}

/// What all loaders gave, by view and field.
#[derive(Debug)]
pub(super) struct Loads(Vec<HashMap<usize, LoadedValues>>);

impl Loads {
    /// None yet, for this many views.
    pub(super) fn new(views: usize) -> Self {
        Loads((0..views).map(|_| HashMap::new()).collect())
    }

    pub(super) fn get(&self, view: usize, field: usize, key: &Value) -> Option<&Arc<dyn Any + Send + Sync>> {
        self.0.get(view)?.get(&field)?.0.get(key)
    }
}

/// Calls the loaders of a view and of those inside it: inner views first, and each behind what it depends on.
///
/// # Errors
/// Those of the loaders.
pub(super) async fn run_loaders(source: &Source, view: &ViewPlan, rows: &Rows, loads: &mut Loads) -> Result<(), Error> {
    let mut places = Vec::new();
    collect(view, rows, &mut places);
    for (view, rows) in places {
        let mut waiting: Vec<usize> =
            (0..view.fields.len()).filter(|&at| matches!(view.fields[at], FieldPlan::Load { .. })).collect();
        while let Some(ready) = waiting.iter().position(|&at| after(view, at).iter().all(|of| !waiting.contains(of))) {
            let at = waiting.remove(ready);
            let answer = match (&view.spec.fields[at].source, &view.fields[at]) {
                (FieldSource::Load { load, .. }, &FieldPlan::Load { key }) => {
                    load(&LoadInput { source, view, rows, loads, key, wanted: distinct(rows, key) })?.await?
                }
                _ => continue,
            };
            loads.0[view.id].insert(at, answer);
        }
        if let Some(&at) = waiting.first() {
            // The derive refuses it.
            let message = format!("load `{}` of `{}`: it depends on itself", view.spec.fields[at].name, view.spec.name);
            return Err(Error::new(ErrorKind::InvalidQuery, message));
        }
    }
    Ok(())
}

fn after(view: &ViewPlan, at: usize) -> &'static [usize] {
    match view.spec.fields[at].source {
        FieldSource::Load { after, .. } => after,
        _ => &[],
    }
}

/// The views that have rows and loaders, inner ones first.
fn collect<'a>(view: &'a ViewPlan, rows: &'a Rows, places: &mut Vec<(&'a ViewPlan, &'a Rows)>) {
    if rows.values.is_empty() {
        return;
    }
    for field in &view.fields {
        if let FieldPlan::View { link, view } = field
            && let What::Rows(_, rows) = &rows.links[*link].what
        {
            collect(view, rows, places);
        }
    }
    if view.fields.iter().any(|field| matches!(field, FieldPlan::Load { .. })) {
        places.push((view, rows));
    }
}

/// The first row of each key.
fn distinct(rows: &Rows, key: usize) -> Vec<usize> {
    let mut seen = HashSet::new();
    (0..rows.values.len()).filter(|&at| seen.insert(&rows.values[at][key])).collect()
}
