//! What `#[derive(Mappable)]` calls.

use std::error::Error;
use std::sync::OnceLock;

use crate::mappable::{Mappable, Mapping, MappingError, Revision, VersionField};
use crate::schema::{ColumnDescriptor, Tagged};
use crate::value::{ColumnType, ColumnValue, Json, ScalarType, Value};

/// The types of a row field and of the domain field it is mapped to without a conversion: the same.
///
/// Both directions of a mapping go through this trait, so that a mismatch is one error.
#[diagnostic::on_unimplemented(
    message = "the row field is a `{Self}`, but the domain field is a `{Domain}`",
    label = "not the type of the domain field",
    note = "convert with `#[mappable(into)]`, `#[mappable(try_into)]` or `#[mappable(with = module)]`; a struct that \
            is mapped itself is `#[mappable(nested)]`"
)]
pub trait SameAs<Domain> {
    /// A copy of the domain field.
    fn from_domain(domain: &Domain) -> Self;

    /// The domain field.
    fn into_domain(self) -> Domain;
}

#[diagnostic::do_not_recommend]
impl<T: Clone> SameAs<T> for T {
    fn from_domain(domain: &T) -> T {
        domain.clone()
    }

    fn into_domain(self) -> T {
        self
    }
}

/// Keeps the impl above from being the only one, by which the compiler would infer the domain field's type
/// and report a mismatch where it is no help.
#[derive(Debug, Clone, Copy)]
pub struct Unmatched<T>(T);

#[diagnostic::do_not_recommend]
impl<T: Clone> SameAs<Unmatched<T>> for T {
    fn from_domain(domain: &Unmatched<T>) -> T {
        domain.0.clone()
    }

    fn into_domain(self) -> Unmatched<T> {
        Unmatched(self)
    }
}

/// What a getter may return for a row field: the value, or a reference to one.
#[diagnostic::on_unimplemented(
    message = "the row field is a `{Self}`, but the getter returns a `{Domain}`",
    label = "not what the getter returns",
    note = "a getter returns the field's type or a reference to it; convert with `#[mappable(into)]`, \
            `#[mappable(try_into)]` or `#[mappable(with = module)]`"
)]
pub trait FromGetter<Domain> {
    /// The row field's value.
    fn from_getter(domain: Domain) -> Self;
}

impl<T> FromGetter<T> for T {
    fn from_getter(domain: T) -> T {
        domain
    }
}

impl<T: Clone> FromGetter<&T> for T {
    fn from_getter(domain: &T) -> T {
        domain.clone()
    }
}

impl FromGetter<&str> for String {
    fn from_getter(domain: &str) -> String {
        domain.to_owned()
    }
}

impl<T: Clone> FromGetter<&[T]> for Vec<T> {
    fn from_getter(domain: &[T]) -> Vec<T> {
        domain.to_vec()
    }
}

impl<T: Clone> FromGetter<Option<&T>> for Option<T> {
    fn from_getter(domain: Option<&T>) -> Option<T> {
        domain.cloned()
    }
}

impl FromGetter<Option<&str>> for Option<String> {
    fn from_getter(domain: Option<&str>) -> Option<String> {
        domain.map(str::to_owned)
    }
}

/// What a getter may return for the version of a row.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot hold the version of a row",
    label = "not a version",
    note = "the getter returns a `Revision` or an `i64`, or a reference to one"
)]
pub trait RevisionGetter {
    /// The revision.
    fn revision(self) -> Revision;
}

impl RevisionGetter for Revision {
    fn revision(self) -> Revision {
        self
    }
}

impl RevisionGetter for &Revision {
    fn revision(self) -> Revision {
        self.clone()
    }
}

impl RevisionGetter for i64 {
    fn revision(self) -> Revision {
        self.to_revision()
    }
}

impl RevisionGetter for &i64 {
    fn revision(self) -> Revision {
        self.to_revision()
    }
}

/// A domain field that is converted into a row field, and back if there is a way.
///
/// The way back is that of [`Row`](Self::Row), which there is none of where the way there is missing, so that a field that is
/// converted in neither direction is one error. `By` is always `Std`, and inferred.
#[diagnostic::on_unimplemented(
    message = "a `{Self}` of the domain cannot be converted into a `{R}` of the row",
    label = "`From<{Self}>` is not implemented for `{R}`",
    note = "`into` and `try_into` convert in both directions: implement `From<{Self}>` for `{R}`, and for `{Self}` \
            `From<{R}>` (with `try_into`, `TryFrom<{R}>`); or convert with `#[mappable(with = module)]`"
)]
pub trait IntoRowField<R, By>: Sized {
    /// `R`.
    type Row;

    /// The row field.
    fn into_row(self) -> R;

    /// What makes the domain field by `Into`.
    fn by_into() -> fn(R) -> Self
    where
        Self::Row: IntoDomainField<Self>;

    /// What makes the domain field by `TryInto`.
    fn by_try_into<Back>() -> fn(R) -> TriedInto<Self::Row, Self, Back>
    where
        Self::Row: TryIntoDomainField<Self, Back>;
}

/// By the conversions of the standard library.
#[derive(Debug, Clone, Copy)]
pub struct Std;

/// By none. Where a trait can be implemented in several ways, the compiler looks whether one of them holds before it goes on
/// with it.
#[derive(Debug, Clone, Copy)]
pub struct Never;

/// What nothing is.
pub trait Nothing: Sized {
    /// Is never called.
    fn never<T>(self) -> T;
}

/// What `TryInto` gives.
type TriedInto<R, D, By> = Result<D, <R as TryIntoDomainField<D, By>>::Error>;

impl<R: From<D>, D> IntoRowField<R, Std> for D {
    type Row = R;

    fn into_row(self) -> R {
        R::from(self)
    }

    fn by_into() -> fn(R) -> D
    where
        R: IntoDomainField<D>,
    {
        R::into_domain
    }

    fn by_try_into<Back>() -> fn(R) -> TriedInto<R, D, Back>
    where
        R: TryIntoDomainField<D, Back>,
    {
        R::try_into_domain
    }
}

impl<R, D: Nothing> IntoRowField<R, Never> for D {
    type Row = R;

    fn into_row(self) -> R {
        self.never()
    }

    fn by_into() -> fn(R) -> D
    where
        R: IntoDomainField<D>,
    {
        R::into_domain
    }

    fn by_try_into<Back>() -> fn(R) -> TriedInto<R, D, Back>
    where
        R: TryIntoDomainField<D, Back>,
    {
        R::try_into_domain
    }
}

/// A type that is inferred, at the place of another.
pub type Inferred<T> = T;

/// A row field that is converted into a domain field by `#[mappable(into)]`.
#[diagnostic::on_unimplemented(
    message = "a `{Self}` of the row cannot be converted into a `{Domain}` of the domain",
    label = "`From<{Self}>` is not implemented for `{Domain}`",
    note = "`into` converts in both directions: implement `From<{Self}>` for `{Domain}`, or convert with \
            `#[mappable(try_into)]` or `#[mappable(with = module)]`"
)]
pub trait IntoDomainField<Domain> {
    /// The domain field.
    fn into_domain(self) -> Domain;
}

#[diagnostic::do_not_recommend]
impl<R: Into<D>, D> IntoDomainField<D> for R {
    fn into_domain(self) -> D {
        self.into()
    }
}

/// A row field that is converted into a domain field by `#[mappable(try_into)]`. `By` is always `Std`, and inferred.
#[diagnostic::on_unimplemented(
    message = "a `{Self}` of the row cannot be converted into a `{Domain}` of the domain by `try_into`",
    label = "`TryFrom<{Self}>` is not implemented for `{Domain}`",
    note = "`try_into` converts in both directions: implement `TryFrom<{Self}>` for `{Domain}`, or convert with \
            `#[mappable(try_with = module)]`"
)]
pub trait TryIntoDomainField<Domain, By> {
    /// Why a row field is refused.
    type Error;

    /// The domain field.
    ///
    /// # Errors
    /// When the conversion refuses the row field.
    fn try_into_domain(self) -> Result<Domain, Self::Error>;
}

impl<R: TryInto<D>, D> TryIntoDomainField<D, Std> for R {
    type Error = R::Error;

    fn try_into_domain(self) -> Result<D, R::Error> {
        self.try_into()
    }
}

impl<R: Nothing, D> TryIntoDomainField<D, Never> for R {
    type Error = R;

    fn try_into_domain(self) -> Result<D, R> {
        Err(self)
    }
}

/// Whether a domain type has the fields that a row is mapped to. The compiler has no such constant of a struct that lacks one,
/// and makes nothing of what is said of it.
#[derive(Debug, Clone, Copy)]
pub struct Checked<const FIELDS: bool>;

/// The domain type of [`Checked`] fields.
pub trait Literal<Domain> {
    /// `Domain`.
    type Domain;
}

impl<Domain, const FIELDS: bool> Literal<Domain> for Checked<FIELDS> {
    type Domain = Domain;
}

/// The value of a `row_only` field in a new row.
#[diagnostic::on_unimplemented(
    message = "a new row has no value for a field of type `{Self}`",
    label = "no default",
    note = "give one with `#[mappable(row_only = expression)]`, or implement `Default` for `{Self}`"
)]
pub trait NewRowDefault {
    /// The value.
    fn new_row_default() -> Self;
}

#[diagnostic::do_not_recommend]
impl<T: Default> NewRowDefault for T {
    fn new_row_default() -> T {
        T::default()
    }
}

/// Something that is no key.
fn zero(ty: ColumnType) -> Value {
    match ty.scalar {
        _ if ty.nullable => Value::Null,
        ScalarType::I16 => Value::I16(0),
        ScalarType::I32 => Value::I32(0),
        ScalarType::I64 => Value::I64(0),
        ScalarType::Text => Value::Text(String::new()),
        ScalarType::Uuid => Value::Uuid(uuid::Uuid::nil()),
        _ => Value::Null,
    }
}

/// The value of a field marked `#[mappable(parent)]` in a new row, until the runtime fills in the key of the row that it
/// belongs to.
pub trait ParentKey: ColumnValue {
    /// Zero, the nil UUID, an empty text.
    fn unset() -> Self;
}

#[diagnostic::do_not_recommend]
impl<T: ColumnValue> ParentKey for T {
    #[expect(clippy::panic, reason = "a mistake in the mapping, which shows at its first use")]
    fn unset() -> T {
        match T::from_value(zero(T::TYPE)) {
            Ok(value) => value,
            Err(error) => panic!(
                "`#[mappable(parent)]` needs a value to begin with, and `{}` refuses zero ({error}); write \
                 `#[mappable(row_only = expression)]` instead",
                std::any::type_name::<T>()
            ),
        }
    }
}

/// A field marked `#[mappable(nested)]`: a mapped row, or several.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not mapped to a domain type",
    label = "no mapping",
    note = "a `#[mappable(nested)]` field is a type that derives `Mappable`, or an `Option` or `Vec` of one"
)]
pub trait NestedRow: Sized {
    /// [`NestedFns`].
    type Fns;

    /// How it is mapped. It is reached by this constant alone, so that nothing is made of a type that is not mapped.
    const FNS: Self::Fns;
}

/// How a row of type `R`, or several, are mapped to a domain field of type `D`.
#[derive(Debug)]
pub struct NestedFns<R, D> {
    /// [`Mappable::mapping`].
    pub mapping: fn() -> Mapping,
    /// [`Mappable::merges_fields`].
    pub merges_fields: fn() -> bool,
    /// [`Mappable::merge`].
    pub merge: fn(&D, Option<&R>) -> R,
    /// [`Mappable::to_domain`].
    pub to_domain: fn(R) -> Result<D, MappingError>,
}

#[diagnostic::do_not_recommend]
impl<Row: Mappable> NestedRow for Row {
    type Fns = NestedFns<Row, Row::Domain>;

    const FNS: Self::Fns = NestedFns {
        mapping: Row::mapping,
        merges_fields: Row::merges_fields,
        merge: Row::merge,
        to_domain: Row::to_domain,
    };
}

#[diagnostic::do_not_recommend]
impl<Row: Mappable> NestedRow for Option<Row> {
    type Fns = NestedFns<Option<Row>, Option<Row::Domain>>;

    const FNS: Self::Fns = NestedFns {
        mapping: Row::mapping,
        merges_fields: Row::merges_fields,
        merge: |domain, base| domain.as_ref().map(|domain| merged(domain, base.into_iter().flatten(), true)),
        to_domain: |row| row.map(Row::to_domain).transpose(),
    };
}

/// Elements that are no rows have no identity, so that each is mapped as a new one.
#[diagnostic::do_not_recommend]
impl<Row: Mappable> NestedRow for Vec<Row> {
    type Fns = NestedFns<Vec<Row>, Vec<Row::Domain>>;

    const FNS: Self::Fns = NestedFns {
        mapping: Row::mapping,
        merges_fields: Row::merges_fields,
        merge: |domain, base| domain.iter().map(|domain| merged(domain, base.into_iter().flatten(), false)).collect(),
        to_domain: |rows| rows.into_iter().map(Row::to_domain).collect(),
    };
}

/// A row that was one of `bases`, which are told apart by their ids, if it was. What has no id is the same if `alone`.
fn merged<'b, Row: Mappable>(domain: &Row::Domain, mut bases: impl Iterator<Item = &'b Row>, alone: bool) -> Row {
    let row = Row::from_domain(domain);
    match bases.find(|base| row.is_same_row(base).unwrap_or(alone)) {
        Some(base) => Row::merge(domain, Some(base)),
        None => row,
    }
}

/// Whether two ids are stored as the same.
pub fn same_id<T: ColumnValue>(one: &T, other: &T) -> bool {
    matches!((one.to_value(), other.to_value()), (Ok(one), Ok(other)) if one == other)
}

/// Why a conversion or a constructor refused a row.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the reason why a row was refused",
    label = "not an error",
    note = "implement `std::error::Error` for `{Self}`, or return a `String`"
)]
pub trait Refusal {
    /// As the source of an error.
    fn into_source(self) -> Box<dyn Error + Send + Sync>;
}

#[diagnostic::do_not_recommend]
impl<T: Into<Box<dyn Error + Send + Sync>>> Refusal for T {
    fn into_source(self) -> Box<dyn Error + Send + Sync> {
        self.into()
    }
}

/// What a conversion or a constructor that may fail returns.
#[diagnostic::on_unimplemented(
    message = "expected a `Result`, found `{Self}`",
    label = "cannot fail",
    note = "`try_with` and `try_construct` name functions that return a `Result`; use `with` or `construct` for one \
            that cannot fail"
)]
pub trait Outcome {
    /// The domain value.
    type Value;

    /// As a result whose error is a source.
    ///
    /// # Errors
    /// When the row was refused.
    fn into_result(self) -> Result<Self::Value, Box<dyn Error + Send + Sync>>;
}

impl<T, E: Refusal> Outcome for Result<T, E> {
    type Value = T;

    fn into_result(self) -> Result<T, Box<dyn Error + Send + Sync>> {
        self.map_err(E::into_source)
    }
}

/// The outcome of a column's conversion.
///
/// # Errors
/// When it refused the stored value.
pub fn converted<T: Outcome>(column: &str, outcome: T) -> Result<T::Value, MappingError> {
    outcome.into_result().map_err(|error| MappingError::column(column, error))
}

/// The outcome of a constructor.
///
/// # Errors
/// When it refused the row.
pub fn constructed<T: Outcome>(outcome: T) -> Result<T::Value, MappingError> {
    outcome.into_result().map_err(MappingError::construct)
}

/// A field marked `#[mappable(wrapped)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` wraps no domain type",
    label = "not a wrapper",
    note = "a `#[mappable(wrapped)]` field is a `Json<T>` or a `Tagged<T>` of the domain field's type `T`"
)]
pub trait Wrapped {
    /// The domain field's type.
    type Inner;

    /// The row field of a domain field.
    fn wrap(inner: Self::Inner) -> Self;

    /// The domain field.
    fn unwrap(self) -> Self::Inner;
}

macro_rules! wrapped {
    ($($wrapper:ident)+) => {$(
        impl<T> Wrapped for $wrapper<T> {
            type Inner = T;

            fn wrap(inner: T) -> Self {
                $wrapper(inner)
            }

            fn unwrap(self) -> T {
                self.0
            }
        }
    )+};
}

wrapped!(Json Tagged);

/// The outcome of a flattened struct's mapping.
///
/// # Errors
/// When it refused the stored data.
pub fn nested<T>(prefix: &str, outcome: Result<T, MappingError>) -> Result<T, MappingError> {
    outcome.map_err(|error| error.prefixed(prefix))
}

/// One field, as derived code says which of its columns are mapped.
#[derive(Debug, Clone, Copy)]
pub enum MappedSpec {
    /// One column.
    Column(bool),
    /// A flattened struct, as a whole.
    Group(fn(&str, &mut Vec<ColumnDescriptor>), bool),
    /// A flattened struct with a mapping of its own.
    Nested(fn() -> &'static [bool]),
}

/// Holds one row's mapped columns, made at first use.
#[derive(Debug)]
pub struct MappedCell {
    specs: &'static [MappedSpec],
    mapped: OnceLock<Vec<bool>>,
}

impl MappedCell {
    /// A cell that will hold what `specs` say.
    pub const fn new(specs: &'static [MappedSpec]) -> Self {
        MappedCell { specs, mapped: OnceLock::new() }
    }

    /// For each column, whether it is mapped.
    pub fn get(&'static self) -> &'static [bool] {
        self.mapped.get_or_init(|| {
            let mut mapped = Vec::new();
            for spec in self.specs {
                match *spec {
                    MappedSpec::Column(is_mapped) => mapped.push(is_mapped),
                    MappedSpec::Group(describe, is_mapped) => {
                        let mut columns = Vec::new();
                        describe("", &mut columns);
                        mapped.resize(mapped.len() + columns.len(), is_mapped);
                    }
                    MappedSpec::Nested(nested) => mapped.extend(nested()),
                }
            }
            mapped
        })
    }
}
