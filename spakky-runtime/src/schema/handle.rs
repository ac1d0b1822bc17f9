//! Column handles of flattened structs, whose names depend on the field that flattens them.

use std::marker::PhantomData;

use super::{ColumnDescriptor, Columns, RecordReader, RecordWriter};
use crate::error::Error;

/// A prefix of column names, as a type: that of one `#[table(flatten(prefix = "…"))]` field, or of several nested ones.
pub trait Prefix: 'static {
    /// The whole prefix.
    const PREFIX: &'static str;
}

/// The columns of the table itself, which have no prefix.
#[derive(Debug, Clone, Copy)]
pub struct NoPrefix;

impl Prefix for NoPrefix {
    const PREFIX: &'static str = "";
}

/// The prefix that a derived struct gives to its field at position `N`.
pub trait FieldPrefix<const N: usize>: 'static {
    /// The prefix as written in `#[table(flatten(prefix = "…"))]`.
    const PREFIX: &'static str;
}

/// The prefix of `Struct`'s field at position `N`, where the struct itself sits under the prefix `Outer`.
#[derive(Debug, Clone, Copy)]
pub struct Nested<Outer, Struct, const N: usize>(PhantomData<fn() -> (Outer, Struct)>);

impl<Outer: Prefix, Struct: FieldPrefix<N>, const N: usize> Prefix for Nested<Outer, Struct, N> {
    const PREFIX: &'static str = Joined::text(&Self::JOINED);
}

impl<Outer: Prefix, Struct: FieldPrefix<N>, const N: usize> Nested<Outer, Struct, N> {
    const JOINED: Joined = Joined::new(Outer::PREFIX, Struct::PREFIX);
}

/// Two texts joined in a constant.
struct Joined {
    bytes: [u8; Joined::CAPACITY],
    len: usize,
}

impl Joined {
    /// Twice the longest name that PostgreSQL takes.
    const CAPACITY: usize = 126;

    const fn new(outer: &str, inner: &str) -> Self {
        let mut joined = Joined { bytes: [0; Joined::CAPACITY], len: 0 };
        joined.push(outer.as_bytes());
        joined.push(inner.as_bytes());
        joined
    }

    const fn push(&mut self, text: &[u8]) {
        assert!(self.len + text.len() <= Self::CAPACITY, "the prefixes of nested `flatten` fields are too long");
        let mut position = 0;
        while position < text.len() {
            self.bytes[self.len] = text[position];
            self.len += 1;
            position += 1;
        }
    }

    const fn text(&self) -> &str {
        match std::str::from_utf8(self.bytes.split_at(self.len).0) {
            Ok(text) => text,
            Err(_) => "",
        }
    }
}

/// A struct of columns that a row of type `Row` flattens under the prefix `P`.
///
/// Written by `#[derive(Table)]` for a struct marked `#[table(embedded)]`. A row reaches its flattened fields through
/// this trait alone, so that a missing derive is one error; for the same reason [`Columns`] is not its supertrait.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be flattened into a row",
    label = "not an embedded struct",
    note = "derive `Table` for `{Self}` and mark it `#[table(embedded)]`, or mark the field `#[table(json)]`"
)]
pub trait Embedded<Row, P: Prefix>: Sized {
    /// The struct of column handles.
    type Handles;

    /// The column handles.
    const HANDLES: Self::Handles;

    /// The functions of [`Columns`].
    const PART: Part<Self>;
}

/// The functions of [`Columns`] as values.
#[derive(Debug)]
pub struct Part<T> {
    /// [`Columns::COUNT`].
    pub count: usize,
    /// [`Columns::describe`].
    pub describe: fn(&str, &mut Vec<ColumnDescriptor>),
    /// [`Columns::encode`].
    pub encode: fn(&T, &mut RecordWriter<'_>) -> Result<(), Error>,
    /// [`Columns::decode`].
    pub decode: fn(&mut RecordReader<'_>) -> Result<T, Error>,
}

impl<T: Columns> Part<T> {
    /// Those of `T`.
    pub const OF: Self = Part { count: T::COUNT, describe: T::describe, encode: T::encode, decode: T::decode };
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Order;
    impl FieldPrefix<3> for Order {
        const PREFIX: &'static str = "ship_";
    }

    struct Address;
    impl FieldPrefix<0> for Address {
        const PREFIX: &'static str = "geo_";
    }

    #[test]
    fn nested_prefixes_are_joined_outer_first() {
        assert_eq!(<Nested<Nested<NoPrefix, Order, 3>, Address, 0>>::PREFIX, "ship_geo_");
    }
}
