//! What derived code says of a field: where its value comes from, and how it is read.

use std::marker::PhantomData;

use futures_util::future::BoxFuture;

use super::batch::{LoadFn, LoadedValues, gathered};
use super::cells::Cells;
use super::{
    LinkKey, MayBeNotLoaded, Profile, ProjectedColumn, ProjectedLoad, ProjectedMany, ProjectedOne, ProjectedScalar,
    Projection, ProjectionSpec,
};
use crate::error::Error;
use crate::query::{Condition, Predicate};
use crate::schema::spec::ColumnName;
use crate::schema::{Column, Table, TableDescriptor};
use crate::value::{ColumnType, ColumnValue, ScalarType};

/// A field without its type.
#[derive(Debug, Clone, Copy)]
pub struct FieldSpec {
    pub(super) name: &'static str,
    /// The profiles that load it, a bit for each.
    pub(super) profiles: u64,
    pub(super) source: Source,
}

/// Where a field's value comes from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Source {
    /// A column of the row.
    Column(ColumnName),
    /// The row that a column refers to.
    BelongsTo { by: ColumnName, view: View },
    /// The rows that refer to this one.
    Has { by: ColumnName, which: Which, view: View },
    /// The rows that another table links to this one.
    Through { link: Descriptor, from: ColumnName, to: ColumnName, which: Which, view: View },
    /// A column of the row that a column refers to.
    Joined { by: ColumnName, table: Descriptor, column: ColumnName },
    /// Something computed of the rows that refer to this one.
    Computed { table: Descriptor, by: ColumnName, which: Which, what: Computed },
    /// A loader of the user's own, and the fields that it needs.
    Load { after: &'static [usize], load: LoadFn },
}

pub(super) type Descriptor = fn() -> &'static TableDescriptor;
pub(super) type Order = &'static [(ColumnName, bool)];

/// Which of the related rows are meant.
#[derive(Debug, Clone, Copy)]
pub(super) struct Which {
    pub(super) filter: Option<Filter>,
    pub(super) order: Order,
    /// How many for each row.
    pub(super) limit: Option<u64>,
}

impl Which {
    const ALL: Which = Which { filter: None, order: &[], limit: None };
}

/// What makes the condition of related rows, anew for each query.
#[derive(Debug, Clone, Copy)]
pub(super) struct Filter(fn() -> Filtered);

impl Filter {
    pub(super) fn condition(self) -> Condition {
        (self.0)().condition
    }
}

impl PartialEq for Filter {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::fn_addr_eq(self.0, other.0)
    }
}

/// The condition of related rows, without their type.
#[derive(Debug)]
pub struct Filtered {
    condition: Condition,
}

/// What the predicate says, which is one for rows of this type.
pub fn filtered<Row: Table>(predicate: Predicate<Row>) -> Filtered {
    Filtered { condition: predicate.condition }
}

/// Views of related rows, and which of their fields are loaded.
#[derive(Debug, Clone, Copy)]
pub(super) struct View {
    pub(super) spec: fn() -> &'static ProjectionSpec,
    pub(super) mask: u64,
}

/// What is computed of rows.
#[derive(Debug, Clone, Copy)]
pub(super) enum Computed {
    Count,
    Exists,
    Sum(ColumnName, ScalarType),
}

/// A field of type `F`.
#[derive(Debug)]
pub struct Field<F> {
    spec: FieldSpec,
    read: fn(&Cells<'_>, usize) -> Result<F, Error>,
}

impl<F> Field<F> {
    const fn new(name: &'static str, source: Source, read: fn(&Cells<'_>, usize) -> Result<F, Error>) -> Self {
        Field { spec: FieldSpec { name, profiles: u64::MAX, source }, read }
    }

    /// Without its type.
    pub const fn spec(&self) -> FieldSpec {
        self.spec
    }

    /// The field's value in the view of a row; `position` is its place among the fields.
    ///
    /// # Errors
    /// When what was loaded is no such value.
    pub fn read(&self, cells: &Cells<'_>, position: usize) -> Result<F, Error> {
        (self.read)(cells, position)
    }

    /// Loaded by some profiles alone, a bit for each.
    #[must_use]
    pub const fn profiles(mut self, mask: u64) -> Self
    where
        F: MayBeNotLoaded,
    {
        self.spec.profiles = mask;
        self
    }

    /// The order of related rows.
    #[must_use]
    pub const fn order(mut self, by: Order) -> Self {
        if let Source::Has { which, .. } | Source::Through { which, .. } = &mut self.spec.source {
            which.order = by;
        }
        self
    }

    /// The condition of related rows.
    #[must_use]
    pub const fn filter(mut self, make: fn() -> Filtered) -> Self {
        if let Source::Has { which, .. } | Source::Through { which, .. } | Source::Computed { which, .. } =
            &mut self.spec.source
        {
            which.filter = Some(Filter(make));
        }
        self
    }

    /// The first of the related rows alone, so many for each row.
    #[must_use]
    pub const fn limit(mut self, rows: u64) -> Self {
        if let Source::Has { which, .. } | Source::Through { which, .. } = &mut self.spec.source {
            which.limit = Some(rows);
        }
        self
    }

    /// A column of the row.
    pub const fn column<Row, T>(name: &'static str, column: &Column<Row, T>) -> Self
    where
        F: ProjectedColumn<T>,
    {
        Field::new(name, Source::Column(column.parts()), |cells, at| cells.column::<F, T>(at))
    }

    /// A column of the row that `by` refers to.
    #[track_caller]
    pub const fn joined<Row: Table, Target: Table, K: ColumnValue, T>(
        name: &'static str,
        by: &Column<Row, K>,
        column: &Column<Target, T>,
    ) -> Self
    where
        F: ProjectedColumn<T>,
        Target::Id: LinkKey,
    {
        check_link(K::TYPE, <Target::Id as LinkKey>::TYPE);
        check_seen(Target::SOFT_DELETED, F::OPTIONAL);
        let source = Source::Joined { by: by.parts(), table: Target::descriptor, column: column.parts() };
        Field::new(name, source, |cells, at| cells.joined::<F, T>(at))
    }

    /// How many rows refer to this one by `by`.
    #[track_caller]
    pub const fn count<Row: Table, Child: Table, K: ColumnValue>(name: &'static str, by: &Column<Child, K>) -> Self
    where
        F: ProjectedScalar,
        Row::Id: LinkKey,
    {
        check_link(K::TYPE, <Row::Id as LinkKey>::TYPE);
        assert!(is_scalar(F::TYPE, ScalarType::I64), "`count` gives an `i64`; the field is stored as something else");
        let source =
            Source::Computed { table: Child::descriptor, by: by.parts(), which: Which::ALL, what: Computed::Count };
        Field::new(name, source, |cells, at| cells.scalar::<F>(at))
    }

    /// Whether a row refers to this one by `by`.
    #[track_caller]
    pub const fn exists<Row: Table, Child: Table, K: ColumnValue>(name: &'static str, by: &Column<Child, K>) -> Self
    where
        F: ProjectedScalar,
        Row::Id: LinkKey,
    {
        check_link(K::TYPE, <Row::Id as LinkKey>::TYPE);
        assert!(is_scalar(F::TYPE, ScalarType::Bool), "`exists` gives a `bool`; the field is stored as something else");
        let source =
            Source::Computed { table: Child::descriptor, by: by.parts(), which: Which::ALL, what: Computed::Exists };
        Field::new(name, source, |cells, at| cells.scalar::<F>(at))
    }

    /// The sum of a column of the rows that refer to this one by `by`.
    #[track_caller]
    pub const fn sum<Row: Table, Child: Table, K: ColumnValue, T: ColumnValue>(
        name: &'static str,
        column: &Column<Child, T>,
        by: &Column<Child, K>,
    ) -> Self
    where
        F: ProjectedScalar,
        Row::Id: LinkKey,
    {
        check_link(K::TYPE, <Row::Id as LinkKey>::TYPE);
        let sum = match T::TYPE.scalar {
            ScalarType::I16 | ScalarType::I32 | ScalarType::I64 => ScalarType::I64,
            ScalarType::F32 | ScalarType::F64 => ScalarType::F64,
            ScalarType::Decimal => ScalarType::Decimal,
            _ => panic!("`sum` adds integers, floats and decimals; the column is none of these"),
        };
        assert!(!T::TYPE.array, "`sum` adds integers, floats and decimals; the column is none of these");
        assert!(
            is_scalar(F::TYPE, sum),
            "the sum of integers is an `i64`, that of floats an `f64`, that of decimals a decimal; the field is stored as \
             something else"
        );
        let what = Computed::Sum(column.parts(), sum);
        Field::new(
            name,
            Source::Computed { table: Child::descriptor, by: by.parts(), which: Which::ALL, what },
            |cells, at| cells.scalar::<F>(at),
        )
    }
}

/// Makes fields that hold one related row. It is a type of its own, so that derived code, which has it from the field's type,
/// makes nothing of a type that does not fit.
#[derive(Debug)]
pub struct OneMaker<F, V, R> {
    view: fn() -> &'static ProjectionSpec,
    optional: bool,
    read: fn(&Cells<'_>, usize) -> Result<F, Error>,
    marker: PhantomData<fn() -> (V, R)>,
}

impl<F: ProjectedOne> OneMaker<F, F::View, F::Row> {
    pub(super) const NEW: Self = OneMaker {
        view: F::View::spec,
        optional: F::OPTIONAL,
        read: |cells, at| cells.one::<F>(at),
        marker: PhantomData,
    };
}

impl<F, V, R> OneMaker<F, V, R> {
    /// The row that `by` refers to.
    #[track_caller]
    pub const fn belongs_to<Row: Table, K: ColumnValue>(
        self,
        name: &'static str,
        by: &Column<Row, K>,
        profile: Profile<V>,
    ) -> Field<F>
    where
        R: Table,
        R::Id: LinkKey,
    {
        check_link(K::TYPE, <R::Id as LinkKey>::TYPE);
        check_seen(R::SOFT_DELETED, self.optional);
        let view = View { spec: self.view, mask: profile.mask };
        Field::new(name, Source::BelongsTo { by: by.parts(), view }, self.read)
    }

    /// The one row that refers to this one by `by`.
    #[track_caller]
    pub const fn has_one<Row: Table, K: ColumnValue>(
        self,
        name: &'static str,
        by: &Column<R, K>,
        profile: Profile<V>,
    ) -> Field<F>
    where
        R: Table,
        Row::Id: LinkKey,
    {
        check_link(K::TYPE, <Row::Id as LinkKey>::TYPE);
        check_seen(R::SOFT_DELETED, self.optional);
        let view = View { spec: self.view, mask: profile.mask };
        Field::new(name, Source::Has { by: by.parts(), which: Which::ALL, view }, self.read)
    }
}

/// Makes fields that hold any number of related rows, as [`OneMaker`] does of one.
#[derive(Debug)]
pub struct ManyMaker<F, V, R> {
    view: fn() -> &'static ProjectionSpec,
    read: fn(&Cells<'_>, usize) -> Result<F, Error>,
    marker: PhantomData<fn() -> (V, R)>,
}

impl<F: ProjectedMany> ManyMaker<F, F::View, F::Row> {
    pub(super) const NEW: Self =
        ManyMaker { view: F::View::spec, read: |cells, at| cells.many::<F>(at), marker: PhantomData };
}

impl<F, V, R> ManyMaker<F, V, R> {
    /// The rows that refer to this one by `by`.
    #[track_caller]
    pub const fn has_many<Row: Table, K: ColumnValue>(
        self,
        name: &'static str,
        by: &Column<R, K>,
        profile: Profile<V>,
    ) -> Field<F>
    where
        Row::Id: LinkKey,
    {
        check_link(K::TYPE, <Row::Id as LinkKey>::TYPE);
        let view = View { spec: self.view, mask: profile.mask };
        Field::new(name, Source::Has { by: by.parts(), which: Which::ALL, view }, self.read)
    }

    /// The rows that a row of `Link` links to this one.
    #[track_caller]
    pub const fn many_to_many<Row: Table, Link: Table, K: ColumnValue, L: ColumnValue>(
        self,
        name: &'static str,
        from: &Column<Link, K>,
        to: &Column<Link, L>,
        profile: Profile<V>,
    ) -> Field<F>
    where
        Row::Id: LinkKey,
        R: Table,
        R::Id: LinkKey,
    {
        check_link(K::TYPE, <Row::Id as LinkKey>::TYPE);
        check_link(L::TYPE, <R::Id as LinkKey>::TYPE);
        let view = View { spec: self.view, mask: profile.mask };
        let source =
            Source::Through { link: Link::descriptor, from: from.parts(), to: to.parts(), which: Which::ALL, view };
        Field::new(name, source, self.read)
    }
}

/// Makes fields that a loader of the user's own fills, with what it gives for a row, as [`OneMaker`] makes others.
#[derive(Debug)]
pub struct LoadMaker<F, Given> {
    read: fn(&Cells<'_>, usize) -> Result<F, Error>,
    marker: PhantomData<fn() -> Given>,
}

impl<F: ProjectedLoad> LoadMaker<F, F::Given> {
    pub(super) const NEW: Self = LoadMaker { read: |cells, at| cells.given::<F>(at), marker: PhantomData };
}

impl<F, Given> LoadMaker<F, Given> {
    /// What a loader gives, behind the fields at the places `after`.
    pub const fn load<Row: Table>(self, name: &'static str, after: &'static [usize], load: LoadFn) -> Field<F>
    where
        Row::Id: LinkKey,
    {
        Field::new(name, Source::Load { after, load }, self.read)
    }

    /// The answer of a loader by the row's key.
    pub fn gathered<Row, I, A>(self, answer: A) -> BoxFuture<'static, Result<LoadedValues, Error>>
    where
        Row: Table,
        Given: Send + Sync + 'static,
        I: IntoIterator<Item = (Row::Id, Given)>,
        A: Future<Output = Result<I, Error>> + Send + 'static,
    {
        gathered::<Row, Given, I, A>(answer)
    }
}

const fn is_scalar(ty: ColumnType, scalar: ScalarType) -> bool {
    ty.scalar.number() == scalar.number() && !ty.array
}

/// A column refers to a key by being stored as the key.
#[track_caller]
const fn check_link(ty: ColumnType, key: ColumnType) {
    assert!(
        ty.scalar.number() == key.scalar.number() && !ty.array,
        "the column is not stored as the key of the rows that it refers to"
    );
}

/// A row that is soft-deleted is not to be seen, and would make every list with it fail.
#[track_caller]
const fn check_seen(soft_deleted: bool, optional: bool) {
    assert!(
        !soft_deleted || optional,
        "the row that this field comes from can be soft-deleted, and is not to be seen then; make the field an `Option`"
    );
}
