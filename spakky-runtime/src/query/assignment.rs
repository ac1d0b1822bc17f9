//! What an UPDATE sets, and arithmetic on columns.

use std::fmt;
use std::marker::PhantomData;

use super::{Operand, Term};
use crate::schema::Column;
use crate::value::{ColumnValue, ValueError};

/// A type that a database can calculate with. Implement it for a newtype of one of them:
///
/// ```
/// # use spakky_runtime::value::{ColumnType, ColumnValue, Value, ValueError};
/// # #[derive(Clone, Copy)] struct Cents(i64);
/// # impl ColumnValue for Cents {
/// #     const TYPE: ColumnType = i64::TYPE;
/// #     fn to_value(&self) -> Result<Value, ValueError> { self.0.to_value() }
/// #     fn from_value(value: Value) -> Result<Self, ValueError> { i64::from_value(value).map(Cents) }
/// # }
/// impl spakky_runtime::query::Number for Cents {}
/// ```
#[diagnostic::on_unimplemented(
    message = "columns of type `{Self}` cannot be calculated with",
    label = "not a number",
    note = "for a newtype of a number, `impl spakky::query::Number for {Self} {{}}`"
)]
pub trait Number: ColumnValue {}

macro_rules! number {
    ($($ty:ty)+) => {$( impl Number for $ty {} )+};
}

number! { i16 i32 i64 f32 f64 }

#[cfg(feature = "rust_decimal")]
number! { rust_decimal::Decimal }

#[cfg(feature = "bigdecimal")]
number! { bigdecimal::BigDecimal }

impl<T: Number> Number for Option<T> {}

/// An arithmetic operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// Sum.
    Add,
    /// Difference.
    Subtract,
    /// Product.
    Multiply,
}

impl Operator {
    pub(crate) fn sql(self) -> &'static str {
        match self {
            Operator::Add => "+",
            Operator::Subtract => "-",
            Operator::Multiply => "*",
        }
    }
}

/// A calculated value: `o.stock - 1`.
pub struct Expression<Row, T> {
    term: Result<Term, ValueError>,
    marker: PhantomData<fn() -> (Row, T)>,
}

impl<Row, T> Expression<Row, T> {
    fn new(left: Result<Term, ValueError>, operator: Operator, right: Result<Term, ValueError>) -> Self {
        let term = left.and_then(|left| Ok(Term::Arithmetic(Box::new(left), operator, Box::new(right?))));
        Expression { term, marker: PhantomData }
    }

    pub(super) fn term(self) -> Result<Term, ValueError> {
        self.term
    }
}

impl<Row, T> Clone for Expression<Row, T> {
    fn clone(&self) -> Self {
        Expression { term: self.term.clone(), marker: PhantomData }
    }
}

impl<Row, T> fmt::Debug for Expression<Row, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.term).finish()
    }
}

macro_rules! operators {
    ($($kind:ident: $($trait:ident $method:ident $operator:ident,)+;)+) => {$($(
        impl<Row, T: Number, Right: Operand<Row, T>> std::ops::$trait<Right> for $kind<Row, T> {
            type Output = Expression<Row, T>;

            fn $method(self, right: Right) -> Expression<Row, T> {
                Expression::new(Operand::<Row, T>::into_term(self), Operator::$operator, right.into_term())
            }
        }
    )+)+};
}

operators! {
    Column: Add add Add, Sub sub Subtract, Mul mul Multiply,;
    Expression: Add add Add, Sub sub Subtract, Mul mul Multiply,;
}

/// What an UPDATE sets one column to.
pub struct Assignment<Row> {
    pub(crate) assigned: AssignedValue,
    marker: PhantomData<fn() -> Row>,
}

/// An assignment without the row's type.
#[derive(Debug, Clone)]
pub(crate) struct AssignedValue {
    pub(crate) column: String,
    pub(crate) term: Result<Term, ValueError>,
}

impl<Row, T> Column<Row, T> {
    /// Sets the column, in [`update`](crate::query): to a value, another column, or arithmetic on columns.
    pub fn set(self, value: impl Operand<Row, T>) -> Assignment<Row> {
        Assignment { assigned: AssignedValue { column: self.name(), term: value.into_term() }, marker: PhantomData }
    }
}

/// One assignment alone.
impl<Row> IntoIterator for Assignment<Row> {
    type Item = Self;
    type IntoIter = std::iter::Once<Self>;

    fn into_iter(self) -> Self::IntoIter {
        std::iter::once(self)
    }
}

impl<Row> Clone for Assignment<Row> {
    fn clone(&self) -> Self {
        Assignment { assigned: self.assigned.clone(), marker: PhantomData }
    }
}

impl<Row> fmt::Debug for Assignment<Row> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.assigned.fmt(f)
    }
}
