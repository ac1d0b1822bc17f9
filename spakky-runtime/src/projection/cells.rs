//! What derived code reads a view from: the values of one row and of what was found by them.

use super::batch::Loads;
use super::load::{Found, Rows, What};
use super::plan::{FieldPlan, ViewPlan};
use super::{ProjectedColumn, ProjectedLoad, ProjectedMany, ProjectedOne, ProjectedScalar, Projection};
use crate::error::{Error, ErrorKind};
use crate::unit_of_work::show_key;
use crate::value::{ScalarType, Value, ValueError};

/// One row, as the fields of a view see it.
#[derive(Debug)]
pub struct Cells<'a> {
    pub(super) view: &'a ViewPlan,
    pub(super) rows: &'a Rows,
    pub(super) loads: &'a Loads,
    pub(super) at: usize,
}

impl<'a> Cells<'a> {
    pub(super) fn column<F: ProjectedColumn<T>, T>(&self, position: usize) -> Result<F, Error> {
        match self.view.fields.get(position) {
            Some(&FieldPlan::Column(slot)) => F::from_column(self.row()[slot].clone())
                .map_err(|error| Error::unreadable_value(self.rows.table, self.rows.columns[slot], error)),
            _ => F::not_loaded().ok_or_else(|| self.not_loaded(position)),
        }
    }

    pub(super) fn joined<F: ProjectedColumn<T>, T>(&self, position: usize) -> Result<F, Error> {
        let Some(&FieldPlan::Joined { link, slot }) = self.view.fields.get(position) else {
            return F::not_loaded().ok_or_else(|| self.not_loaded(position));
        };
        let (found, rows) = self.found(link);
        match (found.first(), rows) {
            (Some(&at), Some(rows)) => F::from_column(rows.values[at][slot].clone())
                .map_err(|error| Error::unreadable_value(rows.table, rows.columns[slot], error)),
            _ => F::from_column(Value::Null).map_err(|_| self.missing(position, link)),
        }
    }

    pub(super) fn one<F: ProjectedOne>(&self, position: usize) -> Result<F, Error> {
        let Some(FieldPlan::View { link, view }) = self.view.fields.get(position) else {
            return F::not_loaded().ok_or_else(|| self.not_loaded(position));
        };
        let (found, rows) = self.found(*link);
        let read = match (found, rows) {
            ([], _) | (_, None) => None,
            ([at], Some(rows)) => Some(F::View::read(&Cells { view, rows, loads: self.loads, at: *at })?),
            (several, Some(rows)) => {
                let message = format!(
                    "load `{}` of `{}`: `{}` has {} rows for one; make its foreign key unique, say which is meant with \
                     `order_by`, or use `has_many`",
                    self.field(position),
                    self.view.spec.name,
                    rows.table.name,
                    several.len()
                );
                return Err(Error::new(ErrorKind::Mapping, message).with_table(rows.table.name));
            }
        };
        F::from_view(read).ok_or_else(|| self.missing(position, *link))
    }

    pub(super) fn many<F: ProjectedMany>(&self, position: usize) -> Result<F, Error> {
        let Some(FieldPlan::View { link, view }) = self.view.fields.get(position) else {
            return F::not_loaded().ok_or_else(|| self.not_loaded(position));
        };
        let views: Result<Vec<F::View>, Error> = match self.found(*link) {
            (found, Some(rows)) => {
                found.iter().map(|&at| F::View::read(&Cells { view, rows, loads: self.loads, at })).collect()
            }
            (_, None) => Ok(Vec::new()),
        };
        views.map(F::from_views)
    }

    pub(super) fn scalar<F: ProjectedScalar>(&self, position: usize) -> Result<F, Error> {
        let value = match self.view.fields.get(position) {
            Some(&FieldPlan::Count(link)) => Value::I64(self.group(link).map_or(0, |(count, _)| *count)),
            Some(&FieldPlan::Exists(link)) => Value::Bool(self.group(link).is_some()),
            Some(&FieldPlan::Sum { link, sum, scalar }) => match self.group(link).and_then(|(_, sums)| sums.get(sum)) {
                Some(sum) => sum.clone(),
                None => zero(scalar),
            },
            _ => return F::not_loaded().ok_or_else(|| self.not_loaded(position)),
        };
        F::from_scalar(value).map_err(|error| self.unreadable(position, error))
    }

    pub(super) fn given<F: ProjectedLoad>(&self, position: usize) -> Result<F, Error> {
        let Some(&FieldPlan::Load { key }) = self.view.fields.get(position) else {
            return F::not_loaded().ok_or_else(|| self.not_loaded(position));
        };
        let given = self.loads.get(self.view.id, position, &self.row()[key]);
        let given = given.and_then(|given| given.downcast_ref::<F::Given>()).cloned();
        Ok(F::from_given(given.unwrap_or_default()))
    }

    fn row(&self) -> &'a [Value] {
        &self.rows.values[self.at]
    }

    fn link(&self, link: usize) -> Option<(&'a Found, &'a Value)> {
        self.rows.links.get(link).map(|found| (found, &self.row()[found.from]))
    }

    /// The rows that a link has led this one to.
    fn found(&self, link: usize) -> (&'a [usize], Option<&'a Rows>) {
        match self.link(link) {
            Some((Found { what: What::Rows(by, rows), .. }, key)) => {
                (by.get(key).map(Vec::as_slice).unwrap_or_default(), Some(rows))
            }
            _ => (&[], None),
        }
    }

    fn group(&self, link: usize) -> Option<&'a (i64, Vec<Value>)> {
        match self.link(link) {
            Some((Found { what: What::Groups(groups), .. }, key)) => groups.get(key),
            _ => None,
        }
    }

    fn field(&self, position: usize) -> &'static str {
        self.view.spec.fields.get(position).map_or("?", |field| field.name)
    }

    fn missing(&self, position: usize, link: usize) -> Error {
        let (field, name) = (self.field(position), self.view.spec.name);
        let (table, key) = match self.link(link) {
            Some((Found { what: What::Rows(_, rows), .. }, key)) => {
                (rows.table.name, show_key(std::slice::from_ref(key)))
            }
            _ => (self.rows.table.name, "?".to_owned()),
        };
        if self.link(link).is_some_and(|(_, key)| key.is_null()) {
            let message = format!("load `{field}` of `{name}`: the row refers to none; make the field an `Option`");
            return Error::new(ErrorKind::Mapping, message).with_table(table);
        }
        let message = format!(
            "load `{field}` of `{name}`: there is no row for {key} in `{table}`, or it is not to be seen; make the field an \
             `Option`"
        );
        Error::new(ErrorKind::Mapping, message).with_table(table)
    }

    fn not_loaded(&self, position: usize) -> Error {
        let (field, name) = (self.field(position), self.view.spec.name);
        Error::new(ErrorKind::Mapping, format!("load `{field}` of `{name}`: the profile leaves it out"))
    }

    fn unreadable(&self, position: usize, error: ValueError) -> Error {
        let (field, name) = (self.field(position), self.view.spec.name);
        Error::of_value(format!("load `{field}` of `{name}`"), error)
    }
}

/// The sum of no rows.
fn zero(scalar: ScalarType) -> Value {
    match scalar {
        ScalarType::F64 => Value::F64(0.0),
        ScalarType::Decimal => Value::Decimal("0".to_owned()),
        _ => Value::I64(0),
    }
}
