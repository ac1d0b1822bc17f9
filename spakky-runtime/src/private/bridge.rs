//! What `#[table(diesel)]` and `#[column(diesel)]` expand to. Without a backend there is no diesel: a type of one column
//! then goes without it, and a row is refused.

pub use std::primitive::usize;
pub use std::result::Result::Ok;

#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub use diesel;

#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub use crate::bridge::*;
pub use crate::schema::Columns;
pub use crate::{__diesel_column as column, __diesel_module as module, __diesel_row as row};
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub use crate::{__diesel_columns as columns, __diesel_named_row as named_row, __diesel_table as table};

#[cfg(not(any(feature = "postgres", feature = "sqlite")))]
mod absent {
    /// Nothing.
    #[doc(hidden)]
    #[macro_export]
    macro_rules! __diesel_column {
        ($($items:tt)*) => {};
    }

    /// Nothing.
    #[doc(hidden)]
    #[macro_export]
    macro_rules! __diesel_module {
        ($($items:tt)*) => {};
    }

    /// The refusal.
    #[doc(hidden)]
    #[macro_export]
    macro_rules! __diesel_row {
        ($($items:tt)*) => {
            ::core::compile_error!("`diesel` needs a backend; turn on the feature `postgres` or `sqlite` of `spakky`");
        };
    }
}
