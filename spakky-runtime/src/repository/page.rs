//! Pages of a query.

use super::query::unnamed;
use super::{QueryBuilder, Repository};
use crate::backend::{Answer, Statement, Step};
use crate::error::{Error, ErrorKind};
use crate::mappable::Mappable;
use crate::page::{CursorPage, CursorRequest, Page, PageRequest, Walk, complete, read_total, totals};
use crate::schema::{Record, Table, canonical};
use crate::session::{Call, Session};
use crate::statement::Select;

impl<Row: Table + Mappable> QueryBuilder<Row> {
    /// A page by its number, with the number of all rows, in one round trip. Behind the sort keys rows are sorted by their
    /// key, so that each has one place; a page behind the last one is empty and knows the total all the same.
    ///
    /// Takes a [`PageRequest`], or a request from outside: `repo.search(&query)?.page(&query)`.
    ///
    /// # Errors
    /// [`is_invalid_query`](Error::is_invalid_query) for page 0, a size of 0 or beyond its limit, or a query with a
    /// limit or a lock, else as [`all`](Self::all).
    pub async fn page(self, request: impl Into<PageRequest>) -> Result<Page<Row::Domain>, Error> {
        let request = request.into();
        let size = request.checked_size(self.page_limit)?;
        self.check_pageable("page")?;
        let backend = self.repository.manager.backend();
        let skipped = (request.number - 1).saturating_mul(size);
        let items = Select {
            order: complete(Row::descriptor(), &self.order),
            limit: Some(size + 1),
            offset: (skipped > 0).then_some(skipped),
            ..self.select()?
        };
        let mut statements = vec![unnamed(items.rows(backend)?)];
        let all = Select { order: Vec::new(), ..self.select()? };
        statements.extend(totals(all, request.total, backend)?);

        let session = self.repository.place();
        let mut answers = self.repository.query_answers(session.as_ref(), statements).await?.into_iter();
        let mut records = self.repository.records(answers.next())?;
        let has_next = records.len() as u64 > size;
        records.truncate(usize::try_from(size).unwrap_or(usize::MAX));
        // The rows are counted a moment later than they are read.
        let seen = if records.is_empty() { 0 } else { skipped + records.len() as u64 + u64::from(has_next) };
        let total = read_total(request.total, seen, answers)?;
        self.repository.read_children(session.as_ref(), &mut records).await?;
        let items = records.into_iter().map(|record| self.repository.take_in(session.as_ref(), record));
        let items = items.collect::<Result<_, _>>()?;
        Ok(Page { items, page: request.number, page_size: size, total, has_next })
    }

    /// A page by cursor: the first one, or the one that a cursor of another page leads to. However deep it lies it costs the
    /// same, if an index has the sort keys and then the table's key. Rows that stay are neither seen twice nor missed,
    /// whatever comes and goes meanwhile.
    ///
    /// Takes a [`CursorRequest`], or a request from outside: `repo.search(&query)?.cursor_page(&query)`. A cursor belongs to
    /// its query, with the values of its filters, and to the tenant of the request.
    ///
    /// # Errors
    /// [`is_invalid_cursor`](Error::is_invalid_cursor) for a cursor that is none of this query;
    /// [`is_invalid_query`](Error::is_invalid_query) for a size of 0 or beyond its limit, a sort key that a cursor
    /// cannot hold, or a query with a limit or a lock, else as [`all`](Self::all).
    pub async fn cursor_page(self, request: impl Into<CursorRequest>) -> Result<CursorPage<Row::Domain>, Error> {
        let request = request.into();
        let size = request.checked_size(self.page_limit)?;
        self.check_pageable("cursor_page")?;
        let (repository, backend) = (&self.repository, self.repository.manager.backend());
        let keys = &repository.manager.config().cursor_keys;
        let mut select = self.select()?;
        let walk = Walk::begin(&request, size, &mut select, &self.order, keys, backend)?;
        let statement = select.rows(backend)?;
        let statement = if self.requested { unnamed(statement) } else { statement };

        let session = repository.place();
        let answers = repository.query_answers(session.as_ref(), vec![statement]).await?;
        let mut records = repository.records(answers.into_iter().next())?;
        let more = walk.arrange(&mut records);
        repository.read_children(session.as_ref(), &mut records).await?;
        let place = |record: &Record| walk.positions().map(|at| record[at].clone()).collect();
        let (next, previous) = walk.ends(records.first().map(place), records.last().map(place), more)?;
        let items = records.into_iter().map(|record| repository.take_in(session.as_ref(), record));
        Ok(CursorPage { items: items.collect::<Result<_, _>>()?, page_size: size, next, previous })
    }

    fn check_pageable(&self, method: &str) -> Result<(), Error> {
        if self.is_whole() {
            return Ok(());
        }
        let table = Row::descriptor().name;
        let message =
            format!("find a page of `{table}` by a query with a limit or a lock: leave them out of `{method}`");
        Err(Error::new(ErrorKind::InvalidQuery, message).with_table(table))
    }
}

impl<Row: Table> Repository<Row> {
    /// Runs queries in the session, or by themselves outside any, in one round trip.
    pub(super) async fn query_answers(
        &self,
        session: Option<&Session>,
        statements: Vec<Statement>,
    ) -> Result<Vec<Answer>, Error> {
        match session {
            Some(session) => session.execute(Call::query(session, statements)).await,
            None => {
                let steps = statements.into_iter().map(Step::Statement).collect();
                self.manager.run_alone(steps).await
            }
        }
    }

    fn records(&self, answer: Option<Answer>) -> Result<Vec<Record>, Error> {
        let backend = self.manager.backend();
        let rows = answer.into_iter().flat_map(|answer| answer.rows);
        rows.map(|record| canonical(Row::descriptor(), record, backend)).collect()
    }
}
