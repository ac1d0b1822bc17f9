//! What a row must fulfil, without the row's type.

use super::{Pattern, Term};
use crate::schema::{Lineage, TableDescriptor, Way};
use crate::value::{Value, ValueError};

/// How two sides compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

impl Comparison {
    pub(crate) fn sql(self) -> &'static str {
        match self {
            Comparison::Eq => "=",
            Comparison::Ne => "<>",
            Comparison::Lt => "<",
            Comparison::Le => "<=",
            Comparison::Gt => ">",
            Comparison::Ge => ">=",
        }
    }

    /// Whether it needs an order of the values, and not only equality.
    pub(crate) fn is_ordering(self) -> bool {
        !matches!(self, Comparison::Eq | Comparison::Ne)
    }
}

/// What a row must fulfil. Columns are named as in the database.
///
/// Logic is SQL's: a comparison with a column that is NULL is neither true nor false, and its row is not found.
#[derive(Debug, Clone)]
pub(crate) enum Condition {
    /// Always or never.
    Constant(bool),
    /// `column < term`. The term is no bare NULL.
    Compare { column: String, comparison: Comparison, term: Term },
    /// The column is one of the values, none of which is NULL.
    In { column: String, values: Vec<Value>, negated: bool },
    /// The key is one of these, each as long as the table's key.
    Keys(Vec<Vec<Value>>),
    /// The column is the key of one of these rows.
    InSelect { column: String, table: &'static TableDescriptor, condition: Box<Condition> },
    /// The column is NULL, or not.
    Null { column: String, negated: bool },
    /// The text matches.
    Like { column: String, pattern: Pattern },
    /// `(a, b) > (x, y)`: columns that are never NULL, compared as a tuple.
    Row { columns: Vec<String>, comparison: Comparison, values: Vec<Value> },
    /// The row leads to a row of another table that fulfils the condition.
    Exists { way: Way, condition: Box<Condition> },
    /// The row was soft-deleted with a row above it: at the same instant.
    DeletedWith(Lineage),
    /// All of them; true if there are none.
    All(Vec<Condition>),
    /// One of them; false if there are none.
    Any(Vec<Condition>),
    /// The opposite, which of "neither true nor false" is the same.
    Not(Box<Condition>),
    /// A value given for the column cannot be stored.
    Unstorable { column: String, error: ValueError },
    /// The question makes no sense, and why.
    Invalid(String),
}

impl Condition {
    /// A comparison; with NULL it asks for the presence of a value.
    pub(crate) fn compare(column: String, comparison: Comparison, term: Result<Term, ValueError>) -> Self {
        match (term, comparison) {
            (Err(error), _) => Condition::Unstorable { column, error },
            (Ok(Term::Value(Value::Null)), Comparison::Eq) => Condition::Null { column, negated: false },
            (Ok(Term::Value(Value::Null)), Comparison::Ne) => Condition::Null { column, negated: true },
            (Ok(Term::Value(Value::Null)), _) => Condition::Invalid(format!(
                "column `{column}` is compared by order with `None`, which no value is before or after; use `is_null`"
            )),
            (Ok(term), _) => Condition::Compare { column, comparison, term },
        }
    }

    /// The column is one of the terms (or none of them). `None` among them stands for NULL.
    pub(crate) fn in_list(
        column: String,
        terms: impl Iterator<Item = Result<Term, ValueError>>,
        negated: bool,
    ) -> Self {
        let mut values = Vec::new();
        let mut others = Vec::new();
        let comparison = if negated { Comparison::Ne } else { Comparison::Eq };
        for term in terms {
            match term {
                Ok(Term::Value(value)) if !value.is_null() => values.push(value),
                Ok(Term::Value(_)) if others.iter().any(Condition::is_null_test) => {}
                other => others.push(Condition::compare(column.clone(), comparison, other)),
            }
        }
        let list = Condition::In { column, values, negated };
        if negated {
            others.into_iter().fold(list, Condition::and)
        } else {
            others.into_iter().fold(list, Condition::or)
        }
    }

    fn is_null_test(&self) -> bool {
        matches!(self, Condition::Null { .. })
    }

    pub(crate) fn and(self, other: Condition) -> Self {
        match (self, other) {
            (Condition::Constant(true), other) => other,
            (first, Condition::Constant(true)) => first,
            (Condition::All(mut parts), Condition::All(others)) => {
                parts.extend(others);
                Condition::All(parts)
            }
            (Condition::All(mut parts), other) => {
                parts.push(other);
                Condition::All(parts)
            }
            // However a chain is put together, it is no deeper than it has to be.
            (first, Condition::All(mut parts)) => {
                parts.insert(0, first);
                Condition::All(parts)
            }
            (first, other) => Condition::All(vec![first, other]),
        }
    }

    pub(crate) fn or(self, other: Condition) -> Self {
        match (self, other) {
            (Condition::Any(mut parts), Condition::Any(others)) => {
                parts.extend(others);
                Condition::Any(parts)
            }
            (Condition::Any(mut parts), other) => {
                parts.push(other);
                Condition::Any(parts)
            }
            // However a chain is put together, it is no deeper than it has to be.
            (first, Condition::Any(mut parts)) => {
                parts.insert(0, first);
                Condition::Any(parts)
            }
            (first, other) => Condition::Any(vec![first, other]),
        }
    }

    /// Whether it is written with `AND` or `OR`, and so needs parentheses inside another.
    pub(crate) fn is_compound(&self) -> bool {
        matches!(self, Condition::All(_) | Condition::Any(_))
    }
}
