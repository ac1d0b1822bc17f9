//! What a row must fulfil, by its typed columns.

use std::fmt;
use std::marker::PhantomData;

use super::{Comparison, Condition, Operand, Pattern};
use crate::schema::Column;
use crate::value::{ColumnValue, ScalarType, ValueError};

/// What a row must fulfil: `o.status.eq(OrderStatus::Paid).and(o.total.gt(100))`.
///
/// Logic is SQL's: where a column is NULL, a comparison with it is neither true nor false, and neither is its opposite,
/// so that the row is found by neither. `eq(None)` and `ne(None)` ask whether there is a value.
pub struct Predicate<Row> {
    pub(crate) condition: Condition,
    marker: PhantomData<fn() -> Row>,
}

impl<Row> Predicate<Row> {
    pub(super) fn new(condition: Condition) -> Self {
        Predicate { condition, marker: PhantomData }
    }

    /// Both.
    #[must_use]
    pub fn and(self, other: Predicate<Row>) -> Self {
        Predicate::new(self.condition.and(other.condition))
    }

    /// Either, or both.
    #[must_use]
    pub fn or(self, other: Predicate<Row>) -> Self {
        Predicate::new(self.condition.or(other.condition))
    }

    /// All of them; every row, if there are none.
    pub fn all(predicates: impl IntoIterator<Item = Predicate<Row>>) -> Self {
        Predicate::new(Condition::All(predicates.into_iter().map(|predicate| predicate.condition).collect()))
    }

    /// One of them at least; no row, if there are none.
    pub fn any(predicates: impl IntoIterator<Item = Predicate<Row>>) -> Self {
        Predicate::new(Condition::Any(predicates.into_iter().map(|predicate| predicate.condition).collect()))
    }
}

/// The opposite.
impl<Row> std::ops::Not for Predicate<Row> {
    type Output = Self;

    fn not(self) -> Self {
        Predicate::new(Condition::Not(Box::new(self.condition)))
    }
}

impl<Row> Clone for Predicate<Row> {
    fn clone(&self) -> Self {
        Predicate::new(self.condition.clone())
    }
}

impl<Row> fmt::Debug for Predicate<Row> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.condition.fmt(f)
    }
}

macro_rules! comparisons {
    ($($(#[$doc:meta])* $method:ident $comparison:ident;)+) => {
        impl<Row, T> Column<Row, T> {
            $($(#[$doc])*
            pub fn $method(self, other: impl Operand<Row, T>) -> Predicate<Row> {
                Predicate::new(Condition::compare(self.name(), Comparison::$comparison, other.into_term()))
            })+
        }
    };
}

comparisons! {
    /// The column equals a value or another column; `None` stands for NULL.
    eq Eq;
    /// The column has a value, and another one; with `None`, any value.
    ne Ne;
    /// The column is less.
    lt Lt;
    /// The column is less or equal.
    le Le;
    /// The column is greater.
    gt Gt;
    /// The column is greater or equal.
    ge Ge;
}

impl<Row, T> Column<Row, T> {
    /// The column is within the bounds, which count.
    pub fn between(self, low: impl Operand<Row, T>, high: impl Operand<Row, T>) -> Predicate<Row> {
        self.ge(low).and(self.le(high))
    }

    /// The column is one of the values, of which there may be any number; with none, no row is found. `None` among them
    /// stands for NULL.
    pub fn in_list<V: Operand<Row, T>>(self, values: impl IntoIterator<Item = V>) -> Predicate<Row> {
        self.list(values, false)
    }

    /// The column has a value and it is none of these; with none given, every row is found.
    pub fn not_in_list<V: Operand<Row, T>>(self, values: impl IntoIterator<Item = V>) -> Predicate<Row> {
        self.list(values, true)
    }

    /// The column is NULL.
    pub fn is_null(self) -> Predicate<Row> {
        Predicate::new(Condition::Null { column: self.name(), negated: false })
    }

    /// The column has a value.
    pub fn is_not_null(self) -> Predicate<Row> {
        Predicate::new(Condition::Null { column: self.name(), negated: true })
    }

    fn list<V: Operand<Row, T>>(self, values: impl IntoIterator<Item = V>, negated: bool) -> Predicate<Row> {
        let terms = values.into_iter().map(Operand::into_term);
        Predicate::new(Condition::in_list(self.name(), terms, negated))
    }
}

/// Columns that hold text. On any other column these do not compile.
impl<Row, T: ColumnValue> Column<Row, T> {
    /// The text matches a pattern: `%` stands for any text, `_` for any character, `\` before either for itself. Upper
    /// and lower case differ, on either backend.
    pub fn like(self, pattern: &str) -> Predicate<Row> {
        self.matches(Pattern::raw(pattern, false))
    }

    /// As [`like`](Self::like), with no difference between upper and lower case (on SQLite, of the letters A to Z).
    pub fn ilike(self, pattern: &str) -> Predicate<Row> {
        self.matches(Pattern::raw(pattern, true))
    }

    /// The text holds this text, as it is.
    pub fn contains(self, text: &str) -> Predicate<Row> {
        self.matches(Pattern::literal("%", text, "%"))
    }

    /// The text begins with this text, as it is.
    pub fn starts_with(self, text: &str) -> Predicate<Row> {
        self.matches(Pattern::literal("", text, "%"))
    }

    /// The text ends with this text, as it is.
    pub fn ends_with(self, text: &str) -> Predicate<Row> {
        self.matches(Pattern::literal("%", text, ""))
    }

    fn matches(self, pattern: Result<Pattern, ValueError>) -> Predicate<Row> {
        const {
            assert!(
                matches!(T::TYPE.scalar, ScalarType::Text) && !T::TYPE.array,
                "`like`, `ilike`, `contains`, `starts_with` and `ends_with` need a column that holds text"
            );
        }
        let column = self.name();
        Predicate::new(match pattern {
            Ok(pattern) => Condition::Like { column, pattern },
            Err(error) => Condition::Unstorable { column, error },
        })
    }
}
