//! One row as values, in the order of its descriptor's columns, and the rows of its relations behind them.

use std::ops::{Deref, DerefMut};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::TableDescriptor;
use crate::backend::Backend;
use crate::error::{Error, ErrorKind};
use crate::value::{ColumnValue, Json, Value, ValueError};

/// One row as values: those of its columns, which it stands for as a slice, and the rows of its relations.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Record {
    values: Vec<Value>,
    /// For each relation of the table its rows; empty while they are not known.
    children: Vec<Vec<Record>>,
}

impl Record {
    /// For each relation of the table its rows; `None` while they are not known (or if there are no relations).
    pub(crate) fn children(&self) -> Option<&[Vec<Record>]> {
        (!self.children.is_empty()).then_some(&self.children)
    }

    pub(crate) fn children_mut(&mut self) -> &mut [Vec<Record>] {
        &mut self.children
    }

    pub(crate) fn set_children(&mut self, children: Vec<Vec<Record>>) {
        self.children = children;
    }

    /// The row itself.
    pub(crate) fn without_children(&self) -> Self {
        Record::from(self.values.clone())
    }
}

impl From<Vec<Value>> for Record {
    fn from(values: Vec<Value>) -> Self {
        Record { values, children: Vec::new() }
    }
}

impl Deref for Record {
    type Target = [Value];

    fn deref(&self) -> &[Value] {
        &self.values
    }
}

impl DerefMut for Record {
    fn deref_mut(&mut self) -> &mut [Value] {
        &mut self.values
    }
}

/// A record as writing it would give it, whichever backend it comes from.
pub(crate) fn canonical(table: &TableDescriptor, mut record: Vec<Value>, backend: Backend) -> Result<Record, Error> {
    if record.len() != table.columns.len() {
        let message = format!("read `{}`: {} columns came back for {}", table.name, record.len(), table.columns.len());
        return Err(Error::new(ErrorKind::Mapping, message).with_table(table.name));
    }
    for (at, (value, column)) in record.iter_mut().zip(&table.columns).enumerate() {
        if !column.ty.is_canonical(value) {
            let read = column.ty.canonical(std::mem::replace(value, Value::Null), backend);
            *value = read.map_err(|error| Error::unreadable_value(table, at, error))?;
        }
    }
    Ok(Record::from(record))
}

/// Collects the values of a row; an error names table and column.
#[derive(Debug)]
pub struct RecordWriter<'a> {
    table: &'a TableDescriptor,
    values: Vec<Value>,
    children: Vec<Vec<Record>>,
}

impl<'a> RecordWriter<'a> {
    /// An empty record of `table`.
    pub fn new(table: &'a TableDescriptor) -> Self {
        RecordWriter { table, values: Vec::with_capacity(table.columns.len()), children: Vec::new() }
    }

    /// Appends the next column.
    ///
    /// # Errors
    /// When the value cannot be stored.
    pub fn push<T: ColumnValue>(&mut self, value: &T) -> Result<(), Error> {
        match value.to_value() {
            Ok(value) => {
                self.values.push(value);
                Ok(())
            }
            Err(error) => Err(Error::unstorable_value(self.table, self.values.len(), error)),
        }
    }

    /// Appends the next columns, already converted. The slice is left empty of values.
    ///
    /// # Errors
    /// When one cannot be stored.
    #[doc(hidden)]
    pub fn extend(&mut self, values: &mut [Result<Value, ValueError>]) -> Result<(), Error> {
        for value in values {
            match std::mem::replace(value, Ok(Value::Null)) {
                Ok(value) => self.values.push(value),
                Err(error) => return Err(Error::unstorable_value(self.table, self.values.len(), error)),
            }
        }
        Ok(())
    }

    /// Appends the next column as JSON, for a field marked `#[table(json)]`.
    ///
    /// # Errors
    /// When the value does not serialize.
    pub fn push_json<T: Serialize>(&mut self, value: &T) -> Result<(), Error> {
        match Json::<()>::encode(value) {
            Ok(value) => {
                self.values.push(value);
                Ok(())
            }
            Err(error) => Err(Error::unstorable_value(self.table, self.values.len(), error)),
        }
    }

    /// Appends the rows of the next relation.
    pub(crate) fn relation(&mut self, rows: Vec<Record>) {
        self.children.push(rows);
    }

    /// The finished record.
    pub fn finish(self) -> Record {
        debug_assert_eq!(self.values.len(), self.table.columns.len());
        debug_assert_eq!(self.children.len(), self.table.relations.len());
        Record { values: self.values, children: self.children }
    }
}

/// Hands out the values of a row in order; an error names table and column.
#[derive(Debug)]
pub struct RecordReader<'a> {
    table: &'a TableDescriptor,
    values: std::vec::IntoIter<Value>,
    children: std::vec::IntoIter<Vec<Record>>,
    position: usize,
}

impl<'a> RecordReader<'a> {
    /// Reads `record`, a row of `table`.
    pub fn new(table: &'a TableDescriptor, record: Record) -> Self {
        let Record { values, children } = record;
        RecordReader { table, values: values.into_iter(), children: children.into_iter(), position: 0 }
    }

    /// The next column.
    ///
    /// # Errors
    /// When the stored value cannot be read as `T`.
    #[expect(clippy::should_implement_trait, reason = "each column has a type of its own")]
    pub fn next<T: ColumnValue>(&mut self) -> Result<T, Error> {
        let value = self.take();
        T::from_value(value).map_err(|error| self.unreadable(error))
    }

    /// The next column, read by a function.
    ///
    /// # Errors
    /// When the function refuses the stored value.
    #[doc(hidden)]
    pub fn read<T>(&mut self, read: fn(Value) -> Result<T, ValueError>) -> Result<T, Error> {
        let value = self.take();
        read(value).map_err(|error| self.unreadable(error))
    }

    /// The next column from JSON, for a field marked `#[table(json)]`.
    ///
    /// # Errors
    /// When the stored JSON does not have the shape of `T`.
    pub fn next_json<T: DeserializeOwned>(&mut self) -> Result<T, Error> {
        let value = self.take();
        Json::<()>::decode(value).map_err(|error| self.unreadable(error))
    }

    /// The rows of the next relation, and its position.
    pub(crate) fn relation(&mut self) -> Result<(&'a TableDescriptor, usize, Vec<Record>), Error> {
        let left = self.children.len();
        match self.children.next() {
            Some(rows) => Ok((self.table, self.table.relations.len() - left, rows)),
            None => Err(Error::children_not_read(self.table)),
        }
    }

    /// The outcome of putting the columns read last together; a failure is that of the last one.
    pub(crate) fn refuse<T>(&self, outcome: Result<T, ValueError>) -> Result<T, Error> {
        outcome.map_err(|error| self.unreadable(error))
    }

    fn take(&mut self) -> Value {
        self.position += 1;
        self.values.next().unwrap_or(Value::Null)
    }

    fn unreadable(&self, error: ValueError) -> Error {
        Error::unreadable_value(self.table, self.position - 1, error)
    }
}
