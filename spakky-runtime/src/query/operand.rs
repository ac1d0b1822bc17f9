//! What a column can be compared with, or set to.

use super::{Expression, Operator};
use crate::schema::Column;
use crate::value::{ColumnValue, Value, ValueError};

/// The other side of a comparison or an assignment, without types.
#[derive(Debug, Clone)]
pub enum Term {
    /// A value, of the type of the column it meets.
    Value(Value),
    /// A column of the same row.
    Column(String),
    /// Arithmetic on terms.
    Arithmetic(Box<Term>, Operator, Box<Term>),
}

/// What a column of type `T` can be compared with, or set to: a value, a column, arithmetic on them.
///
/// A text column takes `&str`; a nullable one takes the value without `Some`, too.
#[diagnostic::on_unimplemented(
    message = "a column of type `{T}` cannot be compared with `{Self}`",
    label = "expected a value or a column of type `{T}`"
)]
pub trait Operand<Row, T> {
    /// The term, unless the value cannot be stored.
    #[doc(hidden)]
    fn into_term(self) -> Result<Term, ValueError>;
}

impl<Row, T: ColumnValue> Operand<Row, T> for T {
    fn into_term(self) -> Result<Term, ValueError> {
        self.to_value().map(Term::Value)
    }
}

impl<Row, T: ColumnValue> Operand<Row, T> for &T {
    fn into_term(self) -> Result<Term, ValueError> {
        self.to_value().map(Term::Value)
    }
}

impl<Row, T: ColumnValue> Operand<Row, Option<T>> for T {
    fn into_term(self) -> Result<Term, ValueError> {
        self.to_value().map(Term::Value)
    }
}

impl<Row, T: ColumnValue> Operand<Row, Option<T>> for &T {
    fn into_term(self) -> Result<Term, ValueError> {
        self.to_value().map(Term::Value)
    }
}

macro_rules! borrowed {
    ($($borrowed:ty => $owned:ty, $from:expr;)+) => {$(
        impl<Row> Operand<Row, $owned> for &$borrowed {
            fn into_term(self) -> Result<Term, ValueError> {
                $from(self).to_value().map(Term::Value)
            }
        }

        impl<Row> Operand<Row, Option<$owned>> for &$borrowed {
            fn into_term(self) -> Result<Term, ValueError> {
                $from(self).to_value().map(Term::Value)
            }
        }

        impl<Row> Operand<Row, Option<$owned>> for Option<&$borrowed> {
            fn into_term(self) -> Result<Term, ValueError> {
                self.map($from).to_value().map(Term::Value)
            }
        }
    )+};
}

borrowed! {
    str => String, str::to_owned;
    [u8] => Vec<u8>, <[u8]>::to_vec;
}

macro_rules! of_the_row {
    ($($kind:ident)+) => {$(
        impl<Row, T> Operand<Row, T> for $kind<Row, T> {
            fn into_term(self) -> Result<Term, ValueError> {
                self.term()
            }
        }

        impl<Row, T> Operand<Row, Option<T>> for $kind<Row, T> {
            fn into_term(self) -> Result<Term, ValueError> {
                self.term()
            }
        }
    )+};
}

of_the_row! { Column Expression }

/// A nullable column beside one that is not; where it is NULL the comparison is not true.
impl<Row, T> Operand<Row, T> for Column<Row, Option<T>> {
    fn into_term(self) -> Result<Term, ValueError> {
        self.term()
    }
}

impl<Row, T> Column<Row, T> {
    fn term(self) -> Result<Term, ValueError> {
        Ok(Term::Column(self.name()))
    }
}
