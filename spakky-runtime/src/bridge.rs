//! The bridge to diesel's query builder: what `#[table(diesel)]` and `#[column(diesel)]` expand to.
//!
//! A row is selected by one expression, [`RowColumns`], whose columns come from the table's description, and read by the
//! library's own conversions. So a row may hold whatever the library stores, has as many columns as it likes, and needs no
//! code per column in the user's crate.
//!
//! A type of one column takes part by [`DieselColumn`], which names diesel's SQL type for it.

mod backend;
mod column;
mod expand;
mod row;

pub use backend::DieselBackend;
pub use column::{DieselColumn, NativeSql, SqlTypeOf, Takes, TakesValue, read_column, write_column};
pub use row::{DieselRow, LoadsChildrenOf, MaybeRowOf, RowColumns, RowOf, read_named_row, read_row};
