//! What the derives expand to, as macros, so that the derives write no more than names and types.
//!
//! The table of `#[table(diesel)]` has the impls that diesel's own `table!` writes, but for those of `alias!`. That macro
//! itself cannot be used: the types of the columns are not known by name, only as what a trait says of the fields' types,
//! with which its code does not compile. So nothing here needs a diesel among the user's own dependencies, either.

/// What `#[column(diesel)]` expands to: the type as a value and as a result of diesel's queries.
#[doc(hidden)]
#[macro_export]
macro_rules! __diesel_column {
    ($ty:ty as native) => {
        $crate::__diesel_column!($ty as $crate::private::bridge::NativeSql<$ty>);
    };
    ($ty:ty as $sql:ty) => {
        const _: () = {
            use $crate::private::bridge as __b;
            #[automatically_derived]
            impl __b::DieselColumn for $ty {
                type SqlType = $sql;
            }
            $crate::__diesel_column!(@expression $ty, $ty);
            $crate::__diesel_column!(@expression $ty, &'__e $ty, '__e);
            #[automatically_derived]
            impl<__As: __b::TakesValue<$ty>, __DB: __b::DieselBackend> __b::diesel::serialize::ToSql<__As, __DB> for $ty {
                fn to_sql<'__b>(
                    &'__b self,
                    out: &mut __b::diesel::serialize::Output<'__b, '_, __DB>,
                ) -> __b::diesel::serialize::Result {
                    __b::write_column(self, out)
                }
            }
            #[automatically_derived]
            impl<__Sql: __b::SqlTypeOf<$ty>, __DB: __b::DieselBackend> __b::diesel::deserialize::FromSql<__Sql, __DB> for $ty {
                fn from_sql(value: __DB::RawValue<'_>) -> __b::diesel::deserialize::Result<Self> {
                    __b::read_column::<Self, __DB>(value)
                }
            }
            #[automatically_derived]
            impl<__Sql, __DB: __b::DieselBackend> __b::diesel::deserialize::Queryable<__Sql, __DB> for $ty
            where
                __Sql: __b::SqlTypeOf<$ty> + __b::diesel::sql_types::SingleValue,
            {
                type Row = Self;

                fn build(row: Self) -> __b::diesel::deserialize::Result<Self> {
                    __b::Ok(row)
                }
            }
        };
    };
    (@expression $of:ty, $ty:ty $(, $lifetime:lifetime)?) => {
        #[automatically_derived]
        impl<$($lifetime,)? __As> __b::diesel::expression::AsExpression<__As> for $ty
        where
            __As: __b::TakesValue<$of> + __b::diesel::sql_types::SqlType + __b::diesel::expression::TypedExpressionType,
        {
            type Expression = __b::diesel::internal::derives::as_expression::Bound<__As, Self>;

            fn as_expression(self) -> Self::Expression {
                __b::diesel::internal::derives::as_expression::Bound::new(self)
            }
        }
    };
}

/// The module of `#[table(diesel)]`, beside the row: the names that queries are written with.
#[doc(hidden)]
#[macro_export]
macro_rules! __diesel_module {
    (($outer:vis, $vis:vis, $deeper:vis) $module:ident $doc:literal { $($column:ident $column_doc:literal,)* }) => {
        #[doc = $doc]
        #[allow(dead_code, non_camel_case_types, unreachable_pub, unused_imports, missing_debug_implementations)]
        $outer mod $module {
            #[doc = $doc]
            #[derive(::core::fmt::Debug, ::core::clone::Clone, ::core::marker::Copy, ::core::default::Default)]
            $vis struct table;
            $(
                #[doc = $column_doc]
                #[derive(::core::fmt::Debug, ::core::clone::Clone, ::core::marker::Copy, ::core::default::Default)]
                $vis struct $column;
            )*
            /// The columns of the table.
            pub mod columns {
                pub use super::*;
            }
            /// The columns, and the table by its name, to be imported whole where queries are written.
            pub mod dsl {
                $deeper use super::table as $module;
                pub use super::*;
            }
        }
    };
}

/// The row of `#[table(diesel)]` and `#[table(diesel = path)]` as something to select and as a result. Behind it stand the
/// items that only this needs.
#[doc(hidden)]
#[macro_export]
macro_rules! __diesel_row {
    (($row:ty, $table:ty $(, $holds:ident)?) $($items:tt)*) => {
        $($items)*
        const _: () = {
            use $crate::private::bridge as __b;
            #[automatically_derived]
            impl __b::DieselRow for $row {
                type Source = $table;
            }
            #[automatically_derived]
            impl<__DB: __b::DieselBackend $(+ __b::$holds<$row>)?> __b::diesel::Selectable<__DB> for $row {
                type SelectExpression = __b::RowColumns<$row>;

                fn construct_selection() -> Self::SelectExpression {
                    __b::RowColumns::all()
                }
            }
            $crate::__if_postgres!(items $crate::__diesel_row!(@result $row, __b::diesel::pg::Pg););
            $crate::__if_sqlite!(items $crate::__diesel_row!(@result $row, __b::diesel::sqlite::Sqlite););
        };
    };
    (@result $row:ty, $backend:ty) => {
        $crate::__diesel_row!(@read $row, $backend, __b::RowOf<$row>, read_row);
        #[automatically_derived]
        impl __b::diesel::deserialize::StaticallySizedRow<__b::RowOf<$row>, $backend> for $row {
            const FIELD_COUNT: __b::usize = <$row as __b::Columns>::COUNT;
        }
    };
    (@read $row:ty, $backend:ty, $sql:ty, $read:ident) => {
        #[automatically_derived]
        impl __b::diesel::deserialize::FromSqlRow<$sql, $backend> for $row {
            fn build_from_row<'__a>(
                row: &impl __b::diesel::row::Row<'__a, $backend>,
            ) -> __b::diesel::deserialize::Result<Self> {
                __b::$read(row)
            }
        }
    };
}

/// The row as what a `table!` of the user's selects by itself: its columns in its own order.
#[doc(hidden)]
#[macro_export]
macro_rules! __diesel_named_row {
    ($row:ty, $table:ty) => {
        const _: () = {
            use $crate::private::bridge as __b;
            type __Sql = <$table as __b::diesel::query_builder::AsQuery>::SqlType;
            $crate::__if_postgres!(items $crate::__diesel_row!(@read $row, __b::diesel::pg::Pg, __Sql, read_named_row););
            $crate::__if_sqlite!(
                items $crate::__diesel_row!(@read $row, __b::diesel::sqlite::Sqlite, __Sql, read_named_row);
            );
        };
    };
}

/// The table of a module that [`__diesel_module`] made.
#[doc(hidden)]
#[macro_export]
macro_rules! __diesel_table {
    ($row:ty, $module:ident, $key:ty, $name:literal $(in $schema:literal)?) => {
        const _: () = {
            use $crate::private::bridge::diesel as __d;
            use __d::internal::table_macro as __t;
            use $module::table;

            impl __d::query_builder::QueryId for table {
                type QueryId = table;

                const HAS_STATIC_QUERY_ID: bool = true;
            }

            $crate::__diesel_table!(@name $name $($schema)?);

            impl __d::QuerySource for table {
                type FromClause = __t::StaticQueryFragmentInstance<table>;
                type DefaultSelection = <Self as __d::Table>::AllColumns;

                fn from_clause(&self) -> Self::FromClause {
                    __t::StaticQueryFragmentInstance::new()
                }

                fn default_selection(&self) -> Self::DefaultSelection {
                    <Self as __d::Table>::all_columns()
                }
            }

            impl<DB> __d::query_builder::QueryFragment<DB> for table
            where
                DB: __d::backend::Backend,
                <table as __t::StaticQueryFragment>::Component: __d::query_builder::QueryFragment<DB>,
            {
                fn walk_ast<'b>(&'b self, pass: __d::query_builder::AstPass<'_, 'b, DB>) -> __d::QueryResult<()> {
                    <_ as __d::query_builder::QueryFragment<DB>>::walk_ast(
                        <table as __t::StaticQueryFragment>::STATIC_COMPONENT,
                        pass,
                    )
                }
            }

            impl __d::query_builder::AsQuery for table {
                type SqlType = $crate::private::bridge::RowOf<$row>;
                type Query = __t::SelectStatement<__t::FromClause<Self>>;

                fn as_query(self) -> Self::Query {
                    __t::SelectStatement::simple(self)
                }
            }

            impl __d::Table for table {
                type PrimaryKey = $key;
                type AllColumns = $crate::private::bridge::RowColumns<$row>;

                fn primary_key(&self) -> Self::PrimaryKey {
                    ::core::default::Default::default()
                }

                fn all_columns() -> Self::AllColumns {
                    $crate::private::bridge::RowColumns::all()
                }
            }

            impl __d::associations::HasTable for table {
                type Table = Self;

                fn table() -> Self::Table {
                    table
                }
            }

            impl __d::query_builder::IntoUpdateTarget for table {
                type WhereClause = <<Self as __d::query_builder::AsQuery>::Query as __d::query_builder::IntoUpdateTarget>::WhereClause;

                fn into_update_target(self) -> __d::query_builder::UpdateTarget<Self::Table, Self::WhereClause> {
                    let query = __d::query_builder::AsQuery::as_query(self);
                    __d::query_builder::IntoUpdateTarget::into_update_target(query)
                }
            }

            impl __d::query_source::AppearsInFromClause<table> for table {
                type Count = __d::query_source::Once;
            }

            impl __d::query_source::AppearsInFromClause<table> for __t::NoFromClause {
                type Count = __d::query_source::Never;
            }

            $crate::__diesel_table!(@join [Left, Right, Kind] __t::Join<Left, Right, Kind>,
                [Left: __d::QuerySource, Right: __d::QuerySource]);
            $crate::__diesel_table!(@join [Join, On] __t::JoinOn<Join, On>, []);
            $crate::__diesel_table!(@join [F, S, D, W, O, L, Of, G]
                __t::SelectStatement<__t::FromClause<F>, S, D, W, O, L, Of, G>, [F: __d::QuerySource]);
            $crate::__diesel_table!(@join ['a, QS, ST, DB]
                __t::BoxedSelectStatement<'a, __t::FromClause<QS>, ST, DB>, [QS: __d::QuerySource]);

            $crate::__if_postgres!(items
                $crate::__diesel_table!(@join [S] __d::query_builder::Only<S>, []);
                $crate::__diesel_table!(@join [S, TSM] __d::query_builder::Tablesample<S, TSM>,
                    [TSM: __t::TablesampleMethod]);
                $crate::__diesel_table!(@part [] __d::query_builder::Only<table>, []);
                $crate::__diesel_table!(@part [TSM] __d::query_builder::Tablesample<table, TSM>,
                    [TSM: __t::TablesampleMethod]);
            );

            impl<T> __d::insertable::Insertable<T> for table
            where
                <table as __d::query_builder::AsQuery>::Query: __d::insertable::Insertable<T>,
            {
                type Values = <<table as __d::query_builder::AsQuery>::Query as __d::insertable::Insertable<T>>::Values;

                fn values(self) -> Self::Values {
                    __d::insertable::Insertable::values(__d::query_builder::AsQuery::as_query(self))
                }
            }

            impl<'a, T> __d::insertable::Insertable<T> for &'a table
            where
                table: __d::insertable::Insertable<T>,
            {
                type Values = <table as __d::insertable::Insertable<T>>::Values;

                fn values(self) -> Self::Values {
                    __d::insertable::Insertable::values(*self)
                }
            }
        };
    };
    (@name $name:literal) => {
        impl __t::StaticQueryFragment for table {
            type Component = __t::Identifier<'static>;
            const STATIC_COMPONENT: &'static Self::Component = &__t::Identifier($name);
        }
    };
    (@name $name:literal $schema:literal) => {
        impl __t::StaticQueryFragment for table {
            type Component = __t::InfixNode<__t::Identifier<'static>, __t::Identifier<'static>, &'static ::core::primitive::str>;
            const STATIC_COMPONENT: &'static Self::Component =
                &__t::InfixNode::new(__t::Identifier($schema), __t::Identifier($name), ".");
        }
    };
    (@part [$($parameter:tt)*] $source:ty, [$($bound:tt)*]) => {
        impl<$($parameter)*> __d::query_source::AppearsInFromClause<$source> for table
        where
            $($bound)*
        {
            type Count = __d::query_source::Once;
        }

        impl<$($parameter)*> __d::query_source::AppearsInFromClause<table> for $source
        where
            $($bound)*
        {
            type Count = __d::query_source::Once;
        }
    };
    (@join [$($parameter:tt)*] $source:ty, [$($bound:tt)*]) => {
        impl<$($parameter)*> __d::JoinTo<$source> for table
        where
            $source: __d::JoinTo<table>,
            $($bound)*
        {
            type FromClause = $source;
            type OnClause = <$source as __d::JoinTo<table>>::OnClause;

            fn join_target(other: $source) -> (Self::FromClause, Self::OnClause) {
                let (_, on) = <$source as __d::JoinTo<table>>::join_target(table);
                (other, on)
            }
        }
    };
}

/// The columns of a module that [`__diesel_module`] made. Behind a column stand those that come after it.
#[doc(hidden)]
#[macro_export]
macro_rules! __diesel_columns {
    ($module:ident { $($column:ident: $sql:ty = $name:literal $(max $length:literal)?, [$($later:ident)*];)* }) => {$(
        const _: () = {
            use $crate::private::bridge::diesel as __d;
            use __d::internal::table_macro as __t;
            use $module::{table, $column as __column};

            impl __d::query_builder::QueryId for __column {
                type QueryId = __column;

                const HAS_STATIC_QUERY_ID: bool = true;
            }

            impl __d::Expression for __column {
                type SqlType = $sql;
            }

            impl<DB> __d::query_builder::QueryFragment<DB> for __column
            where
                DB: __d::backend::Backend,
                __t::StaticQueryFragmentInstance<table>: __d::query_builder::QueryFragment<DB>,
            {
                fn walk_ast<'b>(&'b self, mut out: __d::query_builder::AstPass<'_, 'b, DB>) -> __d::QueryResult<()> {
                    if !out.should_skip_from() {
                        const FROM: __t::StaticQueryFragmentInstance<table> = __t::StaticQueryFragmentInstance::new();
                        __d::query_builder::QueryFragment::<DB>::walk_ast(&FROM, out.reborrow())?;
                        out.push_sql(".");
                    }
                    out.push_identifier($name)
                }
            }

            impl __d::SelectableExpression<table> for __column {}

            impl<QS> __d::AppearsOnTable<QS> for __column
            where
                QS: __d::query_source::AppearsInFromClause<table, Count = __d::query_source::Once>,
            {
            }

            impl<Left, Right> __d::SelectableExpression<__t::Join<Left, Right, __t::LeftOuter>> for __column
            where
                __column: __d::AppearsOnTable<__t::Join<Left, Right, __t::LeftOuter>>,
                Self: __d::SelectableExpression<Left>,
                Right: __d::query_source::AppearsInFromClause<table, Count = __d::query_source::Never> + __d::QuerySource,
                Left: __d::QuerySource,
            {
            }

            impl<Left, Right> __d::SelectableExpression<__t::Join<Left, Right, __t::Inner>> for __column
            where
                __column: __d::AppearsOnTable<__t::Join<Left, Right, __t::Inner>>,
                Left: __d::query_source::AppearsInFromClause<table> + __d::QuerySource,
                Right: __d::query_source::AppearsInFromClause<table> + __d::QuerySource,
                (Left::Count, Right::Count): __t::Pick<Left, Right>,
                Self: __d::SelectableExpression<<(Left::Count, Right::Count) as __t::Pick<Left, Right>>::Selection>,
            {
            }

            impl<Join, On> __d::SelectableExpression<__t::JoinOn<Join, On>> for __column
            where
                __column: __d::SelectableExpression<Join> + __d::AppearsOnTable<__t::JoinOn<Join, On>>,
            {
            }

            impl<From> __d::SelectableExpression<__t::SelectStatement<__t::FromClause<From>>> for __column
            where
                From: __d::QuerySource,
                __column: __d::SelectableExpression<From>
                    + __d::AppearsOnTable<__t::SelectStatement<__t::FromClause<From>>>,
            {
            }

            impl<Group> __d::expression::ValidGrouping<Group> for __column
            where
                Group: __d::expression::IsContainedInGroupBy<
                        __column,
                        Output = __d::expression::is_contained_in_group_by::Yes,
                    >,
            {
                type IsAggregate = __d::expression::is_aggregate::Yes;
            }

            impl __d::expression::ValidGrouping<()> for __column {
                type IsAggregate = __d::expression::is_aggregate::No;
            }

            impl __d::expression::IsContainedInGroupBy<__column> for __column {
                type Output = __d::expression::is_contained_in_group_by::Yes;
            }

            $(
                impl __d::expression::IsContainedInGroupBy<$module::$later> for __column {
                    type Output = __d::expression::is_contained_in_group_by::No;
                }

                impl __d::expression::IsContainedInGroupBy<__column> for $module::$later {
                    type Output = __d::expression::is_contained_in_group_by::No;
                }
            )*

            impl __d::Column for __column {
                type Table = table;

                const NAME: &'static ::core::primitive::str = $name;
            }

            $(
                impl __d::query_source::SizeRestrictedColumn for __column {
                    const MAX_LENGTH: ::core::primitive::usize = $length;
                }
            )?

            impl<T, ST> __d::EqAll<T> for __column
            where
                __column: __d::Expression<SqlType = ST>,
                ST: __d::sql_types::SingleValue,
                T: __d::expression::AsExpression<ST>,
                __d::dsl::Eq<__column, T::Expression>: __d::Expression<SqlType = __d::sql_types::Bool>,
            {
                type Output = __d::dsl::Eq<Self, T::Expression>;

                fn eq_all(self, other: T) -> Self::Output {
                    __d::ExpressionMethods::eq(self, other.as_expression())
                }
            }

            $crate::__if_postgres!(items
                $crate::__diesel_columns!(@part [] __d::query_builder::Only<table>, []);
                $crate::__diesel_columns!(@part [TSM] __d::query_builder::Tablesample<table, TSM>,
                    [TSM: __t::TablesampleMethod]);
            );

            $crate::__diesel_columns!(@operator Add, add);
            $crate::__diesel_columns!(@operator Sub, sub);
            $crate::__diesel_columns!(@operator Mul, mul);
            $crate::__diesel_columns!(@operator Div, div);
        };
    )*};
    (@part [$($parameter:tt)*] $source:ty, [$($bound:tt)*]) => {
        impl<$($parameter)*> __d::query_source::AppearsInFromClause<$source> for __column
        where
            $($bound)*
        {
            type Count = __d::query_source::Once;
        }

        impl<$($parameter)*> __d::SelectableExpression<$source> for __column
        where
            $($bound)*
        {
        }
    };
    // Whether the column is a number is known to the compiler alone, so this is there for all.
    (@operator $operator:ident, $method:ident) => {
        impl<Other, ST> ::core::ops::$operator<Other> for __column
        where
            __column: __d::Expression<SqlType = ST>,
            ST: __d::sql_types::ops::$operator,
            ST::Rhs: __d::sql_types::SqlType + __d::expression::TypedExpressionType,
            Other: __d::expression::AsExpression<ST::Rhs>,
        {
            type Output = __t::ops::$operator<Self, Other::Expression>;

            fn $method(self, other: Other) -> Self::Output {
                __t::ops::$operator::new(self, other.as_expression())
            }
        }
    };
}
