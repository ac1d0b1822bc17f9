//! What `#[derive(ColumnValue)]` calls for a newtype with `#[column(sql_type = path)]`.
//!
//! Whether diesel has the type on a backend is asked of the compiler: both traits below have the method `codec`, and the
//! one whose impl takes a reference less is found first.

use std::marker::PhantomData;

pub use crate::value::{Codec, Codecs, NativeColumn, NativeType, from_native, to_native};
pub use crate::{__if_postgres as if_postgres, __if_sqlite as if_sqlite};

/// The question whether a `T` can be stored as `ST`.
#[derive(Debug)]
pub struct Probe<ST, T>(PhantomData<fn() -> (ST, T)>);

impl<ST, T> Probe<ST, T> {
    /// The question.
    pub const ASK: Self = Probe(PhantomData);
}

/// The answer no.
pub trait Absent {
    /// What is stored.
    type Stored;

    /// No codec.
    fn codec(&self) -> Option<Codec<Self::Stored>>;
}

impl<ST, T> Absent for &Probe<ST, T> {
    type Stored = T;

    fn codec(&self) -> Option<Codec<T>> {
        None
    }
}

/// The answer yes for PostgreSQL.
#[cfg(feature = "postgres")]
pub mod postgres {
    use diesel::deserialize::FromSql;
    use diesel::pg::Pg;
    use diesel::serialize::ToSql;
    use diesel::sql_types::HasSqlType;

    pub use super::Absent;
    use super::{Codec, Probe};

    /// The answer yes.
    pub trait Present {
        /// What is stored.
        type Stored;

        /// The codec.
        fn codec(&self) -> Option<Codec<Self::Stored>>;
    }

    impl<ST, T> Present for Probe<ST, T>
    where
        Pg: HasSqlType<ST>,
        T: ToSql<ST, Pg> + FromSql<ST, Pg>,
    {
        type Stored = T;

        fn codec(&self) -> Option<Codec<T>> {
            Some(crate::backend::postgres::native_codec::<ST, T>())
        }
    }
}

/// The answer yes for SQLite.
#[cfg(feature = "sqlite")]
pub mod sqlite {
    use diesel::deserialize::FromSql;
    use diesel::serialize::ToSql;
    use diesel::sql_types::HasSqlType;
    use diesel::sqlite::Sqlite;

    pub use super::Absent;
    use super::{Codec, Probe};

    /// The answer yes.
    pub trait Present {
        /// What is stored.
        type Stored;

        /// The codec.
        fn codec(&self) -> Option<Codec<Self::Stored>>;
    }

    impl<ST, T> Present for Probe<ST, T>
    where
        Sqlite: HasSqlType<ST>,
        T: ToSql<ST, Sqlite> + FromSql<ST, Sqlite>,
    {
        type Stored = T;

        fn codec(&self) -> Option<Codec<T>> {
            Some(crate::backend::sqlite::native_codec::<ST, T>())
        }
    }
}

/// One of two pieces of code, as the runtime was compiled: the first with the feature `postgres`.
#[doc(hidden)]
#[cfg(feature = "postgres")]
#[macro_export]
macro_rules! __if_postgres {
    (items $($then:tt)*) => { $($then)* };
    ({ $($then:tt)* } else { $($otherwise:tt)* }) => {{ $($then)* }};
}

/// One of two pieces of code, as the runtime was compiled: the first with the feature `postgres`.
#[doc(hidden)]
#[cfg(not(feature = "postgres"))]
#[macro_export]
macro_rules! __if_postgres {
    (items $($then:tt)*) => {};
    ({ $($then:tt)* } else { $($otherwise:tt)* }) => {{ $($otherwise)* }};
}

/// One of two pieces of code, as the runtime was compiled: the first with the feature `sqlite`.
#[doc(hidden)]
#[cfg(feature = "sqlite")]
#[macro_export]
macro_rules! __if_sqlite {
    (items $($then:tt)*) => { $($then)* };
    ({ $($then:tt)* } else { $($otherwise:tt)* }) => {{ $($then)* }};
}

/// One of two pieces of code, as the runtime was compiled: the first with the feature `sqlite`.
#[doc(hidden)]
#[cfg(not(feature = "sqlite"))]
#[macro_export]
macro_rules! __if_sqlite {
    (items $($then:tt)*) => {};
    ({ $($then:tt)* } else { $($otherwise:tt)* }) => {{ $($otherwise)* }};
}
