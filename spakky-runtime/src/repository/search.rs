//! Requests from outside as queries.

use super::{QueryBuilder, Repository};
use crate::error::Error;
use crate::request::{Query, QueryRules};
use crate::schema::Table;

impl<Row: Table> Repository<Row> {
    /// A query for the rows that a request from outside asks for, in its order, as far as the table's `filterable(..)` and
    /// `sortable(..)` allow. What the program adds with `filter` narrows it; `order_by` sorts what the request leaves open.
    ///
    /// The page that the request asks for is that of [`page`](QueryBuilder::page) or
    /// [`cursor_page`](QueryBuilder::cursor_page), which take it: `repo.search(&query)?.page(&query).await?`.
    ///
    /// # Errors
    /// [`is_invalid_query`](Error::is_invalid_query), naming the field and what is allowed or expected.
    pub fn search(&self, query: &Query) -> Result<QueryBuilder<Row>, Error> {
        self.query().apply(query, &QueryRules::new())
    }

    /// As [`search`](Self::search), for an endpoint that takes less than the table allows.
    ///
    /// # Errors
    /// As [`search`](Self::search), and for rules that name a field which the table does not allow.
    pub fn search_within(&self, query: &Query, rules: &QueryRules) -> Result<QueryBuilder<Row>, Error> {
        self.query().apply(query, rules)
    }
}

impl<Row: Table> QueryBuilder<Row> {
    /// Narrows the query to what a request from outside asks for, and sorts by its keys after what was asked for before. Its
    /// pages have no more rows than the rules allow.
    ///
    /// # Errors
    /// As [`Repository::search_within`].
    pub fn apply(mut self, query: &Query, rules: &QueryRules) -> Result<Self, Error> {
        let resolved = query.resolve(Row::descriptor(), rules)?;
        self.condition = self.condition.and(resolved.condition);
        self.order.extend(resolved.order);
        self.requested = true;
        let most = rules.page_limit();
        self.page_limit = Some(self.page_limit.map_or(most, |limit| limit.min(most)));
        Ok(self)
    }
}
