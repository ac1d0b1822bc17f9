//! Which types a projection's fields may have.
//!
//! Derived code reaches a field's type through the one trait of its kind, so that a type that does not fit is one error.

use serde::de::DeserializeOwned;

use super::field::{LoadMaker, ManyMaker, OneMaker};
use super::{Loaded, Projection};
use crate::schema::Table;
use crate::value::{ColumnType, ColumnValue, Json, Value, ValueError};

/// The type of a field that some profiles leave out.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot tell that it was not loaded",
    label = "not loaded by every profile",
    note = "some profiles leave this field out; make it a `Loaded<{Self}>`, or remove its `profiles(..)`"
)]
pub trait MayBeNotLoaded: Sized {}

impl<T> MayBeNotLoaded for Loaded<T> {}

/// The type of a field that holds a column of type `Stored`.
#[diagnostic::on_unimplemented(
    message = "the column is a `{Stored}`, but the field is a `{Self}`",
    label = "not the type of the column",
    note = "a field has the type of its column, or an `Option` or `Loaded` of it"
)]
pub trait ProjectedColumn<Stored>: Sized {
    /// The field of a stored value.
    ///
    /// # Errors
    /// When the value cannot be read.
    fn from_column(value: Value) -> Result<Self, ValueError>;

    /// Whether the field can be without a value.
    const OPTIONAL: bool;

    /// The field, if it was not loaded.
    fn not_loaded() -> Option<Self> {
        None
    }
}

#[diagnostic::do_not_recommend]
impl<T: ColumnValue> ProjectedColumn<T> for T {
    const OPTIONAL: bool = T::TYPE.nullable;

    fn from_column(value: Value) -> Result<Self, ValueError> {
        T::from_value(value)
    }
}

#[diagnostic::do_not_recommend]
impl<T: ColumnValue> ProjectedColumn<T> for Option<T> {
    const OPTIONAL: bool = true;

    fn from_column(value: Value) -> Result<Self, ValueError> {
        if value.is_null() { Ok(None) } else { T::from_value(value).map(Some) }
    }
}

#[diagnostic::do_not_recommend]
impl<T: ColumnValue> ProjectedColumn<T> for Loaded<T> {
    const OPTIONAL: bool = T::TYPE.nullable;

    fn from_column(value: Value) -> Result<Self, ValueError> {
        T::from_value(value).map(Loaded::Loaded)
    }

    fn not_loaded() -> Option<Self> {
        Some(Loaded::NotLoaded)
    }
}

#[diagnostic::do_not_recommend]
impl<T: ColumnValue> ProjectedColumn<T> for Loaded<Option<T>> {
    const OPTIONAL: bool = true;

    fn from_column(value: Value) -> Result<Self, ValueError> {
        <Option<T> as ProjectedColumn<T>>::from_column(value).map(Loaded::Loaded)
    }

    fn not_loaded() -> Option<Self> {
        Some(Loaded::NotLoaded)
    }
}

/// The row's field is marked `#[table(json)]`.
#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned> ProjectedColumn<Json<T>> for T {
    const OPTIONAL: bool = false;

    fn from_column(value: Value) -> Result<Self, ValueError> {
        Json::<()>::decode(value)
    }
}

/// The row's field is an `Option`, marked `#[table(json)]`.
#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned> ProjectedColumn<Option<Json<T>>> for Option<T> {
    const OPTIONAL: bool = true;

    fn from_column(value: Value) -> Result<Self, ValueError> {
        if value.is_null() { Ok(None) } else { Json::<()>::decode(value) }
    }
}

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned> ProjectedColumn<Option<Json<T>>> for Loaded<Option<T>> {
    const OPTIONAL: bool = true;

    fn from_column(value: Value) -> Result<Self, ValueError> {
        <Option<T> as ProjectedColumn<Option<Json<T>>>>::from_column(value).map(Loaded::Loaded)
    }

    fn not_loaded() -> Option<Self> {
        Some(Loaded::NotLoaded)
    }
}

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned> ProjectedColumn<Json<T>> for Loaded<T> {
    const OPTIONAL: bool = false;

    fn from_column(value: Value) -> Result<Self, ValueError> {
        Json::<()>::decode(value).map(Loaded::Loaded)
    }

    fn not_loaded() -> Option<Self> {
        Some(Loaded::NotLoaded)
    }
}

/// The type of a field that is computed: `count`, `exists`, `sum`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot hold a computed value",
    label = "not a number or a `bool`",
    note = "`count` gives an `i64`, `exists` a `bool`, `sum` an `i64`, `f64` or decimal, each also as a newtype, or `Loaded`"
)]
pub trait ProjectedScalar: Sized {
    /// How it is computed.
    const TYPE: ColumnType;

    /// The field of a computed value.
    ///
    /// # Errors
    /// When the value cannot be read.
    fn from_scalar(value: Value) -> Result<Self, ValueError>;

    /// The field, if it was not loaded.
    fn not_loaded() -> Option<Self> {
        None
    }
}

#[diagnostic::do_not_recommend]
impl<T: ColumnValue> ProjectedScalar for T {
    const TYPE: ColumnType = <T as ColumnValue>::TYPE;

    fn from_scalar(value: Value) -> Result<Self, ValueError> {
        T::from_value(value)
    }
}

#[diagnostic::do_not_recommend]
impl<T: ColumnValue> ProjectedScalar for Loaded<T> {
    const TYPE: ColumnType = <T as ColumnValue>::TYPE;

    fn from_scalar(value: Value) -> Result<Self, ValueError> {
        T::from_value(value).map(Loaded::Loaded)
    }

    fn not_loaded() -> Option<Self> {
        Some(Loaded::NotLoaded)
    }
}

/// The type of a field that holds one related row.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not hold the view of one row",
    label = "not a projection",
    note = "a `belongs_to` or `has_one` field is a type that derives `Projection`, or an `Option` or `Loaded` of one"
)]
pub trait ProjectedOne: Sized {
    /// The view of the row.
    type View: Projection<Row = Self::Row>;

    /// The row type.
    type Row: Table;

    /// What makes a field of the type.
    #[doc(hidden)]
    type Maker;

    /// What makes a field of the type.
    #[doc(hidden)]
    const MAKER: Self::Maker;

    /// The columns of the row type.
    #[doc(hidden)]
    const HANDLES: <Self::Row as Table>::Handles;

    /// The profiles of the view.
    #[doc(hidden)]
    const PROFILES: <Self::View as Projection>::Profiles;

    /// Whether the field can be without a row.
    #[doc(hidden)]
    const OPTIONAL: bool = false;

    /// The field of a row, or `None` if it cannot be without one.
    fn from_view(view: Option<Self::View>) -> Option<Self>;

    /// The field, if it was not loaded.
    fn not_loaded() -> Option<Self> {
        None
    }
}

#[diagnostic::do_not_recommend]
impl<V: Projection> ProjectedOne for V {
    type View = V;
    type Row = V::Row;
    type Maker = OneMaker<Self, V, V::Row>;

    const MAKER: OneMaker<Self, V, V::Row> = OneMaker::NEW;
    const HANDLES: <V::Row as Table>::Handles = <V::Row as Table>::HANDLES;
    const PROFILES: V::Profiles = V::PROFILES;

    fn from_view(view: Option<V>) -> Option<Self> {
        view
    }
}

#[diagnostic::do_not_recommend]
impl<V: Projection> ProjectedOne for Option<V> {
    const OPTIONAL: bool = true;

    type View = V;
    type Row = V::Row;
    type Maker = OneMaker<Self, V, V::Row>;

    const MAKER: OneMaker<Self, V, V::Row> = OneMaker::NEW;
    const HANDLES: <V::Row as Table>::Handles = <V::Row as Table>::HANDLES;
    const PROFILES: V::Profiles = V::PROFILES;

    fn from_view(view: Option<V>) -> Option<Self> {
        Some(view)
    }
}

#[diagnostic::do_not_recommend]
impl<V: Projection> ProjectedOne for Loaded<V> {
    type View = V;
    type Row = V::Row;
    type Maker = OneMaker<Self, V, V::Row>;

    const MAKER: OneMaker<Self, V, V::Row> = OneMaker::NEW;
    const HANDLES: <V::Row as Table>::Handles = <V::Row as Table>::HANDLES;
    const PROFILES: V::Profiles = V::PROFILES;

    fn from_view(view: Option<V>) -> Option<Self> {
        view.map(Loaded::Loaded)
    }

    fn not_loaded() -> Option<Self> {
        Some(Loaded::NotLoaded)
    }
}

#[diagnostic::do_not_recommend]
impl<V: Projection> ProjectedOne for Loaded<Option<V>> {
    const OPTIONAL: bool = true;

    type View = V;
    type Row = V::Row;
    type Maker = OneMaker<Self, V, V::Row>;

    const MAKER: OneMaker<Self, V, V::Row> = OneMaker::NEW;
    const HANDLES: <V::Row as Table>::Handles = <V::Row as Table>::HANDLES;
    const PROFILES: V::Profiles = V::PROFILES;

    fn from_view(view: Option<V>) -> Option<Self> {
        Some(Loaded::Loaded(view))
    }

    fn not_loaded() -> Option<Self> {
        Some(Loaded::NotLoaded)
    }
}

/// The type of a field that holds any number of related rows.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not hold the views of several rows",
    label = "not a list of projections",
    note = "a `has_many` or `many_to_many` field is a `Vec` of a type that derives `Projection`, or a `Loaded` of such a `Vec`"
)]
pub trait ProjectedMany: Sized {
    /// The view of each row.
    type View: Projection<Row = Self::Row>;

    /// The row type.
    type Row: Table;

    /// What makes a field of the type.
    #[doc(hidden)]
    type Maker;

    /// What makes a field of the type.
    #[doc(hidden)]
    const MAKER: Self::Maker;

    /// The columns of the row type.
    #[doc(hidden)]
    const HANDLES: <Self::Row as Table>::Handles;

    /// The profiles of the view.
    #[doc(hidden)]
    const PROFILES: <Self::View as Projection>::Profiles;

    /// The field of the rows.
    fn from_views(views: Vec<Self::View>) -> Self;

    /// The field, if it was not loaded.
    fn not_loaded() -> Option<Self> {
        None
    }
}

#[diagnostic::do_not_recommend]
impl<V: Projection> ProjectedMany for Vec<V> {
    type View = V;
    type Row = V::Row;
    type Maker = ManyMaker<Self, V, V::Row>;

    const MAKER: ManyMaker<Self, V, V::Row> = ManyMaker::NEW;
    const HANDLES: <V::Row as Table>::Handles = <V::Row as Table>::HANDLES;
    const PROFILES: V::Profiles = V::PROFILES;

    fn from_views(views: Vec<V>) -> Self {
        views
    }
}

#[diagnostic::do_not_recommend]
impl<V: Projection> ProjectedMany for Loaded<Vec<V>> {
    type View = V;
    type Row = V::Row;
    type Maker = ManyMaker<Self, V, V::Row>;

    const MAKER: ManyMaker<Self, V, V::Row> = ManyMaker::NEW;
    const HANDLES: <V::Row as Table>::Handles = <V::Row as Table>::HANDLES;
    const PROFILES: V::Profiles = V::PROFILES;

    fn from_views(views: Vec<V>) -> Self {
        Loaded::Loaded(views)
    }

    fn not_loaded() -> Option<Self> {
        Some(Loaded::NotLoaded)
    }
}

/// What a loader of the user's own gives for a row.
#[diagnostic::on_unimplemented(
    message = "a loader cannot fill a `{Self}`",
    label = "not a value that a loader gives",
    note = "a `load` field is `Clone + Default + Send + Sync`, or a `Loaded` of such a type; rows that the loader leaves \
            out get the default"
)]
pub trait GivenValue: Clone + Default + Send + Sync + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Clone + Default + Send + Sync + 'static> GivenValue for T {}

/// The type of a field that a loader of the user's own fills.
pub trait ProjectedLoad: Sized {
    /// What the loader gives for a row.
    type Given: GivenValue;

    /// What makes a field of the type.
    #[doc(hidden)]
    type Maker;

    /// What makes a field of the type.
    #[doc(hidden)]
    const MAKER: Self::Maker;

    /// The field of what was given.
    fn from_given(given: Self::Given) -> Self;

    /// The field, if it was not loaded.
    fn not_loaded() -> Option<Self> {
        None
    }
}

impl<T: GivenValue> ProjectedLoad for T {
    type Given = T;
    type Maker = LoadMaker<Self, T>;

    const MAKER: LoadMaker<Self, T> = LoadMaker::NEW;

    fn from_given(given: T) -> T {
        given
    }
}

impl<T: GivenValue> ProjectedLoad for Loaded<T> {
    type Given = T;
    type Maker = LoadMaker<Self, T>;

    const MAKER: LoadMaker<Self, T> = LoadMaker::NEW;

    fn from_given(given: T) -> Self {
        Loaded::Loaded(given)
    }

    fn not_loaded() -> Option<Self> {
        Some(Loaded::NotLoaded)
    }
}

/// A key by which related rows are found: one column's value.
#[diagnostic::on_unimplemented(
    message = "related rows cannot be found by the key `{Self}`",
    label = "the key has several columns",
    note = "relations, computed fields and loaders need a table with one `#[table(id)]` field"
)]
pub trait LinkKey: Sized {
    /// The key column's type.
    const TYPE: ColumnType;

    /// The key of its stored value.
    ///
    /// # Errors
    /// When the value cannot be read.
    fn from_key(value: Value) -> Result<Self, ValueError>;
}

#[diagnostic::do_not_recommend]
impl<T: ColumnValue> LinkKey for T {
    const TYPE: ColumnType = <T as ColumnValue>::TYPE;

    fn from_key(value: Value) -> Result<Self, ValueError> {
        T::from_value(value)
    }
}
