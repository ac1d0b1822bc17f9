//! What the library knows of the user's tables: descriptors, the registry of linked tables, and their DDL.

mod check;
mod column;
pub(crate) mod ddl;
pub(crate) mod default;
mod descriptor;
pub(crate) mod fit;
mod handle;
pub(crate) mod native_enum;
mod order;
mod owner;
pub(crate) mod raise;
mod record;
mod registry;
pub(crate) mod relation;
mod request;
pub(crate) mod role;
pub(crate) mod spec;
mod tagged;
#[cfg(test)]
mod tests;
mod way;

pub use column::Column;
pub(crate) use default::Constant;
pub use default::{ColumnDefault, DefaultFor, default_value};
pub use descriptor::{
    Check, ColumnDescriptor, ForeignKey, ForeignKeyAction, Index, IndexColumn, Role, TableDescriptor, UniqueKey,
};
pub use handle::{Embedded, FieldPrefix, Nested, NoPrefix, Part, Prefix};
pub(crate) use order::TableOrder;
pub use owner::{ActorColumn, DeletedAtColumn, DeleterColumn, Identity, SoftDelete, TenantColumn};
pub(crate) use record::canonical;
pub use record::{Record, RecordReader, RecordWriter};
pub use registry::SchemaRegistry;
pub use relation::{ChildRows, Relation};
pub(crate) use relation::{Lineage, dependents, holders, table_of};
pub use request::RequestField;
pub use role::{StampColumn, VersionColumn};
pub use tagged::{Tagged, TaggedColumns};
pub(crate) use way::Way;

use std::any::TypeId;

use crate::error::Error;
use crate::mappable::Mappable;
use crate::value::Value;

/// A group of columns: a whole table, or a struct embedded in one with `#[table(flatten)]`.
///
/// Written by `#[derive(Table)]`. Columns are visited in one order, that of the fields, by all three functions.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a group of columns",
    label = "not a row or an embedded struct",
    note = "derive `Table` for `{Self}`; an embedded struct is marked `#[table(embedded)]`"
)]
pub trait Columns: Sized + Send + Sync + 'static {
    /// How many columns there are.
    const COUNT: usize;

    /// Appends the columns, each name prefixed with `prefix`.
    fn describe(prefix: &str, columns: &mut Vec<ColumnDescriptor>);

    /// Writes every column's value.
    ///
    /// # Errors
    /// When a value cannot be stored; the error names table and column.
    fn encode(&self, record: &mut RecordWriter<'_>) -> Result<(), Error>;

    /// Reads every column's value.
    ///
    /// # Errors
    /// When a stored value cannot be read; the error names table and column.
    fn decode(record: &mut RecordReader<'_>) -> Result<Self, Error>;
}

/// A row type: a struct stored as one row of one table.
///
/// Written by `#[derive(Table)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a table row",
    label = "not a row type",
    note = "derive `Table` for `{Self}`"
)]
pub trait Table: Columns + Clone {
    /// The primary key: the type of the id field, or a tuple for a composite key.
    type Id: Clone + std::fmt::Debug + Send + Sync + 'static;

    /// `Self`. What is made of a row type that somebody names is reached through this trait alone, so that a type that is
    /// none is one error.
    #[doc(hidden)]
    type Itself;

    /// The struct of column handles.
    #[doc(hidden)]
    type Handles;

    /// The column handles, which are `COLUMNS` of the type, too.
    #[doc(hidden)]
    const HANDLES: Self::Handles;

    /// Whether rows can be soft-deleted.
    #[doc(hidden)]
    const SOFT_DELETED: bool = false;

    /// The table's description, made once.
    fn descriptor() -> &'static TableDescriptor;

    /// The key of this row.
    fn id(&self) -> Self::Id;

    /// The values of a key, in the order of [`TableDescriptor::key`].
    ///
    /// # Errors
    /// When a value cannot be stored.
    fn encode_id(id: &Self::Id) -> Result<Vec<Value>, Error>;
}

/// One table linked into the program, as `#[derive(Table)]` submits it to the registry.
#[derive(Debug, Clone, Copy)]
pub struct TableEntry {
    /// The description.
    pub descriptor: fn() -> &'static TableDescriptor,
}

inventory::collect!(TableEntry);

/// A domain type named by `#[mappable(domain = …)]`.
#[derive(Debug, Clone, Copy)]
pub struct MappingEntry {
    /// The table the row type stores.
    pub descriptor: fn() -> &'static TableDescriptor,
    /// The domain type.
    pub domain: fn() -> (TypeId, &'static str),
    /// Marked `primary`: the table that a lookup by domain type finds when there are several.
    pub primary: bool,
}

inventory::collect!(MappingEntry);

impl MappingEntry {
    /// The entry of a row type.
    pub const fn of<Row: Table + Mappable>(primary: bool) -> Self {
        MappingEntry {
            descriptor: Row::descriptor,
            domain: || (TypeId::of::<Row::Domain>(), std::any::type_name::<Row::Domain>()),
            primary,
        }
    }
}
