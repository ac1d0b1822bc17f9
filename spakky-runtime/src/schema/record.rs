//! One row as values, in the order of its descriptor's columns.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::TableDescriptor;
use crate::error::Error;
use crate::value::{ColumnValue, Json, Value, ValueError};

/// One row as values.
pub type Record = Vec<Value>;

/// Collects the values of a row; an error names table and column.
#[derive(Debug)]
pub struct RecordWriter<'a> {
    table: &'a TableDescriptor,
    values: Record,
}

impl<'a> RecordWriter<'a> {
    /// An empty record of `table`.
    pub fn new(table: &'a TableDescriptor) -> Self {
        RecordWriter { table, values: Vec::with_capacity(table.columns.len()) }
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

    /// The finished record.
    pub fn finish(self) -> Record {
        debug_assert_eq!(self.values.len(), self.table.columns.len());
        self.values
    }
}

/// Hands out the values of a row in order; an error names table and column.
#[derive(Debug)]
pub struct RecordReader<'a> {
    table: &'a TableDescriptor,
    values: std::vec::IntoIter<Value>,
    position: usize,
}

impl<'a> RecordReader<'a> {
    /// Reads `record`, a row of `table`.
    pub fn new(table: &'a TableDescriptor, record: Record) -> Self {
        RecordReader { table, values: record.into_iter(), position: 0 }
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
