//! A row as an expression to select, and as a result.

use std::fmt;
use std::marker::PhantomData;

use diesel::backend::Backend;
use diesel::deserialize::{self, FromSqlRow, StaticallySizedRow};
use diesel::expression::{
    AppearsOnTable, Expression, QueryMetadata, SelectableExpression, TypedExpressionType, ValidGrouping,
};
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::query_dsl::CompatibleType;
use diesel::result::UnexpectedEndOfRow;
use diesel::row::{Field, Row};
use diesel::sql_types::{IntoNullable, SqlType, is_nullable};
use diesel::{QueryResult, QuerySource};

use super::DieselBackend;
use crate::schema::{ColumnDescriptor, Record, RecordReader, Table};
use crate::value::Value;

/// A row whose table diesel knows.
pub trait DieselRow: Table {
    /// The `table` of a `diesel::table!` module.
    type Source: diesel::Table + Default;
}

/// A backend whose select of an `R` reads the rows that the `R` holds: there is none.
#[diagnostic::on_unimplemented(
    message = "`{R}` holds rows of other tables, which a select of diesel's does not read",
    note = "select columns of the table, or load the row through its repository"
)]
pub trait LoadsChildrenOf<R> {}

/// All columns of a row, in the order of its fields.
pub struct RowColumns<R: DieselRow>(<R::Source as QuerySource>::FromClause);

/// The SQL type of [`RowColumns`].
pub struct RowOf<R>(PhantomData<fn() -> R>);

/// The SQL type of [`RowColumns`] on the side of a join that may be missing.
pub struct MaybeRowOf<R>(PhantomData<fn() -> R>);

impl<R: DieselRow> RowColumns<R> {
    /// The columns.
    pub fn all() -> Self {
        RowColumns(R::Source::default().from_clause())
    }
}

impl<R: DieselRow> Expression for RowColumns<R> {
    type SqlType = RowOf<R>;
}

impl<R: DieselRow> QueryId for RowColumns<R> {
    type QueryId = RowOf<R>;

    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<R, DB> QueryFragment<DB> for RowColumns<R>
where
    R: DieselRow,
    DB: Backend,
    <R::Source as QuerySource>::FromClause: QueryFragment<DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        for (position, column) in R::descriptor().columns.iter().enumerate() {
            if position > 0 {
                out.push_sql(", ");
            }
            if !out.should_skip_from() {
                self.0.walk_ast(out.reborrow())?;
                out.push_sql(".");
            }
            out.push_identifier(&column.name)?;
        }
        Ok(())
    }
}

// A row can be selected wherever its key can.

impl<R, QS> AppearsOnTable<QS> for RowColumns<R>
where
    R: DieselRow,
    <R::Source as diesel::Table>::PrimaryKey: AppearsOnTable<QS>,
{
}

impl<R, QS> SelectableExpression<QS> for RowColumns<R>
where
    R: DieselRow,
    <R::Source as diesel::Table>::PrimaryKey: SelectableExpression<QS>,
{
}

impl<R, GB> ValidGrouping<GB> for RowColumns<R>
where
    R: DieselRow,
    <R::Source as diesel::Table>::PrimaryKey: ValidGrouping<GB>,
{
    type IsAggregate = <<R::Source as diesel::Table>::PrimaryKey as ValidGrouping<GB>>::IsAggregate;
}

impl<R: 'static> SqlType for RowOf<R> {
    type IsNull = is_nullable::NotNull;
}

impl<R: 'static> SqlType for MaybeRowOf<R> {
    type IsNull = is_nullable::IsNullable;
}

impl<R> TypedExpressionType for RowOf<R> {}

impl<R> TypedExpressionType for MaybeRowOf<R> {}

impl<R: 'static> IntoNullable for RowOf<R> {
    type Nullable = MaybeRowOf<R>;
}

impl<R: DieselRow, DB: DieselBackend> CompatibleType<R, DB> for RowOf<R> {
    type SqlType = Self;
}

impl<R: DieselRow, DB: DieselBackend> CompatibleType<Option<R>, DB> for MaybeRowOf<R> {
    type SqlType = Self;
}

macro_rules! metadata {
    ($backend:ty) => {
        impl<R: DieselRow> QueryMetadata<RowOf<R>> for $backend {
            fn row_metadata(_: &mut Self::MetadataLookup, out: &mut Vec<Option<Self::TypeMetadata>>) {
                out.extend(R::descriptor().columns.iter().map(|_| None));
            }
        }

        impl<R: DieselRow> QueryMetadata<MaybeRowOf<R>> for $backend {
            fn row_metadata(lookup: &mut Self::MetadataLookup, out: &mut Vec<Option<Self::TypeMetadata>>) {
                <$backend as QueryMetadata<RowOf<R>>>::row_metadata(lookup, out);
            }
        }
    };
}

#[cfg(feature = "postgres")]
metadata!(diesel::pg::Pg);

#[cfg(feature = "sqlite")]
metadata!(diesel::sqlite::Sqlite);

impl<R: DieselRow, DB: DieselBackend> FromSqlRow<MaybeRowOf<R>, DB> for Option<R> {
    fn build_from_row<'a>(row: &impl Row<'a, DB>) -> deserialize::Result<Self> {
        for position in &R::descriptor().key {
            if row.get(*position).ok_or(UnexpectedEndOfRow)?.is_null() {
                return Ok(None);
            }
        }
        read_row(row).map(Some)
    }
}

impl<R: DieselRow, DB: DieselBackend> StaticallySizedRow<MaybeRowOf<R>, DB> for Option<R> {
    const FIELD_COUNT: usize = R::COUNT;
}

/// A row that was selected by [`RowColumns`].
///
/// # Errors
/// When a stored value does not fit its field; the error names table and column.
pub fn read_row<'a, R: Table, DB: DieselBackend>(row: &impl Row<'a, DB>) -> deserialize::Result<R> {
    build(|position, column| field(row, position, column))
}

/// A row of which all columns of a `table!` were selected, in the order that they have there.
///
/// # Errors
/// As for [`read_row`], and when the `table!` lacks a column.
pub fn read_named_row<'a, R: Table, DB: DieselBackend>(row: &impl Row<'a, DB>) -> deserialize::Result<R> {
    build(|_, column| {
        let position = row.idx(column.name.as_str());
        let position = position.ok_or_else(|| format!("the result has no column `{}`", column.name))?;
        field(row, position, column)
    })
}

fn field<'a, DB: DieselBackend>(
    row: &impl Row<'a, DB>,
    position: usize,
    column: &ColumnDescriptor,
) -> deserialize::Result<Value> {
    let field = row.get(position).ok_or(UnexpectedEndOfRow)?;
    Ok(DB::read(field.value(), &column.ty))
}

fn build<R: Table>(read: impl Fn(usize, &ColumnDescriptor) -> deserialize::Result<Value>) -> deserialize::Result<R> {
    let table = R::descriptor();
    let columns = table.columns.iter().enumerate();
    let values = columns.map(|(position, column)| read(position, column)).collect::<deserialize::Result<Vec<_>>>()?;
    Ok(R::decode(&mut RecordReader::new(table, Record::from(values)))?)
}

impl<R: DieselRow> fmt::Debug for RowColumns<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RowColumns").field(&R::descriptor().name).finish()
    }
}
