//! Read models: views of rows and of what is around them, loaded level by level.
//!
//! `#[derive(Projection)]` says for each field of a struct where its value comes from: a column of the row, rows that are
//! related to it, something computed of them. A query for a projection reads the row's table once and then, for each
//! level of relations, sends one query for each relation of that level in one burst. Nothing is loaded row by row.
//!
//! * `field` is what derived code says of a field, `spec` of the whole.
//! * `plan` makes of that, for one profile, the tree of tables to read.
//! * `load` sends its queries, which `sql` writes; `batch` calls the loaders of the user's own.
//! * `cells` hands what was read to derived code.
//!
//! A projection is read-only: the session does not remember what is in it.

mod batch;
mod cells;
mod field;
mod link;
mod load;
mod loaded;
mod page;
mod plan;
mod query;
mod spec;
mod sql;

pub use batch::{Batch, LoadInput, LoadedValues};
pub use cells::Cells;
pub use field::{Field, FieldSpec, Filtered, filtered};
pub use link::{
    GivenValue, LinkKey, MayBeNotLoaded, ProjectedColumn, ProjectedLoad, ProjectedMany, ProjectedOne, ProjectedScalar,
};
pub use loaded::Loaded;
pub use page::ViewStream;
pub(crate) use plan::first_problem;
pub use query::ProjectionQuery;
pub use spec::{NoProfiles, Profile, ProjectionEntry, ProjectionSpec};

use crate::error::Error;
use crate::schema::Table;

/// A view of a row and of what is around it, for reading.
///
/// Written by `#[derive(Projection)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a projection",
    label = "not a projection",
    note = "derive `Projection` for `{Self}` and name its row with `#[projection(row = …)]`"
)]
pub trait Projection: Sized + Send + Sync + 'static {
    /// The row type of the table that the view is of.
    type Row: Table;

    /// The struct of its profiles.
    #[doc(hidden)]
    type Profiles;

    /// Its profiles by name.
    #[doc(hidden)]
    const PROFILES: Self::Profiles;

    /// Where its fields come from.
    #[doc(hidden)]
    fn spec() -> &'static ProjectionSpec;

    /// The view of one row.
    ///
    /// # Errors
    /// When a stored value cannot be read as its field, or a row is missing that a field must have.
    #[doc(hidden)]
    fn read(cells: &Cells<'_>) -> Result<Self, Error>;
}
