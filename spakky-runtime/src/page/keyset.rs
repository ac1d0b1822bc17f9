//! The order in which a query is paged through by cursor, and the condition of being behind a place in it.

use super::cursor::invalid;
use crate::error::{Error, ErrorKind};
use crate::query::{Comparison, Condition, NullsPlace, Ordering, Term};
use crate::schema::TableDescriptor;
use crate::value::{ColumnType, ScalarType, Value};

/// A total order of a table's rows: sort keys, and the key columns that are not among them.
#[derive(Debug, Clone)]
pub(crate) struct Keyset {
    keys: Vec<Key>,
}

#[derive(Debug, Clone)]
struct Key {
    ordering: Ordering,
    position: usize,
    ty: ColumnType,
}

impl Keyset {
    /// The order by these keys, with the rest of the primary key behind them, in the direction of the last one, so that
    /// one index can serve them all.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidQuery`] for a sort key that a cursor cannot hold.
    pub(crate) fn new(table: &TableDescriptor, order: &[Ordering]) -> Result<Self, Error> {
        let mut keys: Vec<Key> = Vec::new();
        let refused = |problem: String| {
            let message = format!("find a page of `{}`: {problem}", table.name);
            Error::new(ErrorKind::InvalidQuery, message).with_table(table.name)
        };
        for ordering in complete(table, order) {
            let Some(position) = table.position(&ordering.column) else {
                return Err(refused(format!("the table has no column `{}`", ordering.column)));
            };
            let ty = table.columns[position].ty;
            if ty.array || matches!(ty.scalar, ScalarType::Json | ScalarType::Native(_)) {
                return Err(refused(format!(
                    "a cursor cannot hold column `{}`, which is an array, JSON or of a type that only the database knows",
                    ordering.column
                )));
            }
            keys.push(Key { ordering, position, ty });
        }
        Ok(Keyset { keys })
    }

    /// The order, for walking forward or backward.
    pub(crate) fn order(&self, backward: bool) -> Vec<Ordering> {
        self.keys.iter().map(|key| key.directed(backward).ordering).collect()
    }

    /// The positions of the columns whose values are a row's place in the order.
    pub(crate) fn positions(&self) -> impl Iterator<Item = usize> {
        self.keys.iter().map(|key| key.position)
    }

    /// Refuses values that can be no place in the order.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidCursor`].
    pub(crate) fn check(&self, values: &[Value]) -> Result<(), Error> {
        let fits = |(key, value): (&Key, &Value)| match value {
            Value::Null => key.ty.nullable,
            value => matches!(
                (key.ty.scalar, value),
                (ScalarType::Bool, Value::Bool(_))
                    | (ScalarType::I16, Value::I16(_))
                    | (ScalarType::I32, Value::I32(_))
                    | (ScalarType::I64, Value::I64(_))
                    | (ScalarType::F32, Value::F32(_))
                    | (ScalarType::F64, Value::F64(_))
                    | (ScalarType::Text, Value::Text(_))
                    | (ScalarType::Bytes, Value::Bytes(_))
                    | (ScalarType::Uuid, Value::Uuid(_))
                    | (ScalarType::TimestampTz, Value::TimestampTz(_))
                    | (ScalarType::Timestamp, Value::Timestamp(_))
                    | (ScalarType::Date, Value::Date(_))
                    | (ScalarType::Time, Value::Time(_))
                    | (ScalarType::Decimal, Value::Decimal(_))
            ),
        };
        let fits = values.len() == self.keys.len() && self.keys.iter().zip(values).all(fits);
        if fits { Ok(()) } else { Err(invalid()) }
    }

    /// The rows behind a place, seen in the direction of walking; with the row at it, if there is one.
    ///
    /// Where all keys go one way and none is ever NULL it is one comparison of rows, which an index on the keys serves as
    /// it is. Otherwise it is taken apart key by key, with a bound on the first key in front for an index to start at.
    pub(crate) fn behind(&self, place: &[Value], backward: bool, include: bool) -> Condition {
        let keys: Vec<Key> = self.keys.iter().map(|key| key.directed(backward)).collect();
        let Some(first) = keys.first() else { return Condition::Constant(include) };
        let one_way = keys.iter().all(|key| key.ordering.descending == first.ordering.descending);
        if one_way && keys.iter().all(|key| !key.ty.nullable) {
            let comparison = compare(first.ordering.descending, include);
            return match (keys.as_slice(), place) {
                ([key], [value]) => key.compared(comparison, value),
                _ => Condition::Row {
                    columns: keys.iter().map(|key| key.ordering.column.clone()).collect(),
                    comparison,
                    values: place.to_vec(),
                },
            };
        }
        let steps = keys.iter().zip(place).rev();
        let behind = steps.fold(Condition::Constant(include), |rest, (key, value)| {
            let here = key.equal(value);
            let further = match rest {
                Condition::Constant(false) => None,
                Condition::Constant(true) => Some(here),
                rest => Some(here.and(rest)),
            };
            match (key.after(value), further) {
                (Some(after), Some(further)) => after.or(further),
                (Some(only), None) | (None, Some(only)) => only,
                (None, None) => Condition::Constant(false),
            }
        });
        match place.first().and_then(|value| first.bound(value)) {
            Some(bound) => Condition::All(vec![bound, behind]),
            None => behind,
        }
    }
}

/// The sort keys, each column once, and the key columns that are not among them.
pub(crate) fn complete(table: &TableDescriptor, order: &[Ordering]) -> Vec<Ordering> {
    let mut complete: Vec<Ordering> = Vec::new();
    for ordering in order {
        if !complete.iter().any(|earlier| earlier.column == ordering.column) {
            complete.push(ordering.clone());
        }
    }
    let descending = complete.last().is_some_and(|last| last.descending);
    for column in table.key_columns() {
        if !complete.iter().any(|earlier| earlier.column == column.name) {
            complete.push(Ordering { column: column.name.clone(), descending, nulls: None });
        }
    }
    complete
}

fn compare(descending: bool, include: bool) -> Comparison {
    match (descending, include) {
        (false, false) => Comparison::Gt,
        (false, true) => Comparison::Ge,
        (true, false) => Comparison::Lt,
        (true, true) => Comparison::Le,
    }
}

impl Key {
    /// The key as it is walked along.
    fn directed(&self, backward: bool) -> Key {
        let mut key = self.clone();
        if backward {
            key.ordering.descending = !key.ordering.descending;
            key.ordering.nulls = match key.ordering.nulls {
                Some(NullsPlace::First) => Some(NullsPlace::Last),
                Some(NullsPlace::Last) => Some(NullsPlace::First),
                None => None,
            };
        }
        key
    }

    fn nulls_first(&self) -> bool {
        match self.ordering.nulls {
            Some(place) => place == NullsPlace::First,
            None => self.ordering.descending,
        }
    }

    fn compared(&self, comparison: Comparison, value: &Value) -> Condition {
        Condition::compare(self.ordering.column.clone(), comparison, Ok(Term::Value(value.clone())))
    }

    fn null(&self, negated: bool) -> Condition {
        Condition::Null { column: self.ordering.column.clone(), negated }
    }

    /// The column equals the value, which may be NULL.
    fn equal(&self, value: &Value) -> Condition {
        self.compared(Comparison::Eq, value)
    }

    /// The column comes after the value, if anything does.
    fn after(&self, value: &Value) -> Option<Condition> {
        let (nullable, nulls_first) = (self.ty.nullable, self.nulls_first());
        if value.is_null() {
            return nulls_first.then(|| self.null(true));
        }
        let after = self.compared(compare(self.ordering.descending, false), value);
        Some(if nullable && !nulls_first { after.or(self.null(false)) } else { after })
    }

    /// The column is at the value or after it, where an index can start there.
    fn bound(&self, value: &Value) -> Option<Condition> {
        let (nullable, nulls_first) = (self.ty.nullable, self.nulls_first());
        match (value.is_null(), nulls_first) {
            (true, true) => None,
            (true, false) => Some(self.null(false)),
            (false, true) => Some(self.compared(compare(self.ordering.descending, true), value)),
            (false, false) if nullable => None,
            (false, false) => Some(self.compared(compare(self.ordering.descending, true), value)),
        }
    }
}
