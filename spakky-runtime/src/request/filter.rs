//! What rows a request asks for.

use serde_json::Value as Json;

/// What rows a request asks for: comparisons of fields, joined with and, or, not.
///
/// ```
/// use spakky_runtime::request::{Filter, FilterOperator};
///
/// let filter = Filter::eq("status", "paid").and(Filter::new("total", FilterOperator::Gte, 100));
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Filter {
    /// All of them; every row, if there are none.
    And(Vec<Filter>),
    /// One of them at least; no row, if there are none.
    Or(Vec<Filter>),
    /// The opposite.
    Not(Box<Filter>),
    /// One field, compared with a value.
    Field {
        /// The field, as the allow-list names it.
        field: String,
        /// How they compare.
        operator: FilterOperator,
        /// The value, or for `in`, `not_in` and `between` the list of values. Text stands for a value of any type.
        value: Json,
    },
}

impl Filter {
    /// The field compared with a value.
    pub fn new(field: impl Into<String>, operator: FilterOperator, value: impl Into<Json>) -> Self {
        Filter::Field { field: field.into(), operator, value: value.into() }
    }

    /// The field equals the value.
    pub fn eq(field: impl Into<String>, value: impl Into<Json>) -> Self {
        Filter::new(field, FilterOperator::Eq, value)
    }

    /// Both.
    #[must_use]
    pub fn and(self, other: Filter) -> Self {
        match self {
            Filter::And(mut parts) => {
                parts.push(other);
                Filter::And(parts)
            }
            first => Filter::And(vec![first, other]),
        }
    }

    /// Either, or both.
    #[must_use]
    pub fn or(self, other: Filter) -> Self {
        match self {
            Filter::Or(mut parts) => {
                parts.push(other);
                Filter::Or(parts)
            }
            first => Filter::Or(vec![first, other]),
        }
    }
}

/// The opposite.
impl std::ops::Not for Filter {
    type Output = Self;

    fn not(self) -> Self {
        Filter::Not(Box::new(self))
    }
}

macro_rules! operators {
    ($($(#[$doc:meta])* $variant:ident = $name:literal;)+) => {
        /// How a field is compared.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum FilterOperator {
            $($(#[$doc])* $variant,)+
        }

        impl FilterOperator {
            /// Every operator, as a request writes it.
            pub const NAMES: &'static [&'static str] = &[$($name),+];

            /// The operator of this name.
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(FilterOperator::$variant),)+
                    _ => None,
                }
            }

            /// As a request writes it.
            pub fn name(self) -> &'static str {
                match self {
                    $(FilterOperator::$variant => $name,)+
                }
            }
        }
    };
}

operators! {
    /// Equal; `null` asks for rows without a value.
    Eq = "eq";
    /// There is a value and it is another; `null` asks for rows with a value.
    Neq = "neq";
    /// One of a list; with an empty one no row is found.
    In = "in";
    /// There is a value and it is none of a list; with an empty one every row is found.
    NotIn = "not_in";
    /// Greater.
    Gt = "gt";
    /// Greater or equal.
    Gte = "gte";
    /// Less.
    Lt = "lt";
    /// Less or equal.
    Lte = "lte";
    /// Within two bounds, which count.
    Between = "between";
    /// The text holds this text.
    Contains = "contains";
    /// The text begins with this text.
    StartsWith = "starts_with";
    /// The text ends with this text.
    EndsWith = "ends_with";
    /// There is no value.
    IsNull = "is_null";
    /// There is a value.
    IsNotNull = "is_not_null";
}

impl FilterOperator {
    /// Whether it takes a list of values.
    pub(super) fn takes_list(self) -> bool {
        matches!(self, FilterOperator::In | FilterOperator::NotIn | FilterOperator::Between)
    }

    /// Whether it takes no value.
    pub(super) fn takes_nothing(self) -> bool {
        matches!(self, FilterOperator::IsNull | FilterOperator::IsNotNull)
    }
}
