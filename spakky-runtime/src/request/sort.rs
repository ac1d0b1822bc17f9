//! The order that a request asks for.

use std::fmt;

use super::refused;
use crate::error::Error;
use crate::quote::shown;

/// One key of the order that a request asks for: `created_at`, `-created_at` for descending, with `:nulls_first` or
/// `:nulls_last` behind it where rows without a value are to be placed.
///
/// Unless said otherwise, rows without a value come last in ascending order and first in descending order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sort {
    /// The field, as the allow-list names it.
    pub field: String,
    /// Greatest first.
    pub descending: bool,
    /// Where rows without a value come, if the request says so: first or not.
    pub nulls_first: Option<bool>,
}

impl Sort {
    /// Smallest first.
    pub fn asc(field: impl Into<String>) -> Self {
        Sort { field: field.into(), descending: false, nulls_first: None }
    }

    /// Greatest first.
    pub fn desc(field: impl Into<String>) -> Self {
        Sort { descending: true, ..Sort::asc(field) }
    }

    /// One key as written.
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        let (key, nulls) = text.split_once(':').map_or((text, None), |(key, nulls)| (key, Some(nulls)));
        let nulls_first = match nulls {
            None => None,
            Some("nulls_first") => Some(true),
            Some("nulls_last") => Some(false),
            Some(other) => {
                return Err(refused(format!(
                    "`{}` is no place for rows without a value; use `nulls_first` or `nulls_last`",
                    shown(other)
                )));
            }
        };
        let (field, descending) = key.strip_prefix('-').map_or((key, false), |field| (field, true));
        if field.is_empty() {
            return Err(refused("a sort key is empty; write the name of a field, with `-` before it for descending"));
        }
        Ok(Sort { field: field.to_owned(), descending, nulls_first })
    }
}

/// As a request writes it.
impl fmt::Display for Sort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nulls = match self.nulls_first {
            None => "",
            Some(true) => ":nulls_first",
            Some(false) => ":nulls_last",
        };
        write!(f, "{}{}{nulls}", if self.descending { "-" } else { "" }, self.field)
    }
}
