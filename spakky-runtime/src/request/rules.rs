//! What one endpoint takes of what the table allows.

use super::QueryLimits;

/// What one endpoint takes of a request, where that is less than the table's `filterable(..)` and `sortable(..)` say.
///
/// ```
/// use spakky_runtime::request::QueryRules;
///
/// let rules = QueryRules::new().filterable(["status"]).sortable(["created_at"]).limits(|limits| limits.page_size = 50);
/// ```
#[derive(Debug, Clone, Default)]
pub struct QueryRules {
    pub(super) filterable: Option<Vec<String>>,
    pub(super) sortable: Option<Vec<String>>,
    pub(super) limits: QueryLimits,
    pub(super) ignore_case: bool,
}

impl QueryRules {
    /// Everything that the table allows.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes filters by these fields alone.
    #[must_use]
    pub fn filterable<T: Into<String>>(mut self, fields: impl IntoIterator<Item = T>) -> Self {
        self.filterable = Some(fields.into_iter().map(Into::into).collect());
        self
    }

    /// Sorts by these fields alone.
    #[must_use]
    pub fn sortable<T: Into<String>>(mut self, fields: impl IntoIterator<Item = T>) -> Self {
        self.sortable = Some(fields.into_iter().map(Into::into).collect());
        self
    }

    /// Changes how large a request may be.
    #[must_use]
    pub fn limits(mut self, change: impl FnOnce(&mut QueryLimits)) -> Self {
        change(&mut self.limits);
        self
    }

    /// The most rows of one page.
    pub(crate) fn page_limit(&self) -> u64 {
        self.limits.page_size
    }

    /// `contains`, `starts_with` and `ends_with` find text in upper and lower case alike (on SQLite, of the letters A to
    /// Z). Unless said so they mind the case, on either backend, as the methods of these names on columns do.
    #[must_use]
    pub fn ignore_case(mut self) -> Self {
        self.ignore_case = true;
        self
    }
}
