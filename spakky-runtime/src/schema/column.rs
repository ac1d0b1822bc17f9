//! Typed handles of columns, the leaves of predicates.

use std::marker::PhantomData;

/// A column of `Row` that holds a `T`: the typed handle in `OrderRow::COLUMNS.status`.
pub struct Column<Row, T> {
    prefix: &'static str,
    name: &'static str,
    marker: PhantomData<fn() -> (Row, T)>,
}

impl<Row, T> Column<Row, T> {
    /// A handle by the column's name; `prefix` is that of the flattened field it sits in.
    #[doc(hidden)]
    pub const fn new(prefix: &'static str, name: &'static str) -> Self {
        Column { prefix, name, marker: PhantomData }
    }

    /// Prefix and name, as a constraint names the column.
    #[doc(hidden)]
    pub const fn parts(&self) -> (&'static str, &'static str) {
        (self.prefix, self.name)
    }

    /// The column's name in the database.
    pub fn name(&self) -> String {
        format!("{}{}", self.prefix, self.name)
    }
}

impl<Row, T> Clone for Column<Row, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<Row, T> Copy for Column<Row, T> {}

impl<Row, T> std::fmt::Debug for Column<Row, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Column({}{})", self.prefix, self.name)
    }
}
