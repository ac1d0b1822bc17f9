//! Pages of a query.

use super::query::{unexpected, unnamed};
use super::{QueryBuilder, Repository};
use crate::backend::{Answer, Backend, Statement, Step};
use crate::error::{Error, ErrorKind};
use crate::mappable::Mappable;
use crate::page::{
    Cursor, CursorPage, CursorRequest, Direction, Keyset, Page, PageRequest, Total, TotalMode, binding, complete,
};
use crate::schema::{Record, Table, canonical};
use crate::session::{Call, Session};
use crate::statement::Select;
use crate::value::Value;

impl<Row: Table + Mappable> QueryBuilder<Row> {
    /// A page by its number, with the number of all rows, in one round trip. Behind the sort keys rows are sorted by their
    /// key, so that each has one place; a page behind the last one is empty and knows the total all the same.
    ///
    /// Takes a [`PageRequest`], or a request from outside: `repo.search(&query)?.page(&query)`.
    ///
    /// # Errors
    /// [`is_invalid_query`](Error::is_invalid_query) for page 0, a size that is not within 1 and 200, or a query with a
    /// limit or a lock, else as [`all`](Self::all).
    pub async fn page(self, request: impl Into<PageRequest>) -> Result<Page<Row::Domain>, Error> {
        let request = request.into();
        request.check()?;
        self.check_pageable("page")?;
        let backend = self.repository.manager.backend();
        let skipped = (request.number - 1).saturating_mul(request.size);
        let items = Select {
            order: complete(Row::descriptor(), &self.order),
            limit: Some(request.size + 1),
            offset: (skipped > 0).then_some(skipped),
            ..self.select()?
        };
        let mut statements = vec![unnamed(items.rows(backend)?)];
        statements.extend(self.totals(request.total, backend)?);

        let session = self.repository.place();
        let mut answers = self.repository.query_answers(session.as_ref(), statements).await?.into_iter();
        let mut records = self.repository.records(answers.next())?;
        let has_next = records.len() as u64 > request.size;
        records.truncate(usize::try_from(request.size).unwrap_or(usize::MAX));
        // The rows are counted a moment later than they are read.
        let seen = if records.is_empty() { 0 } else { skipped + records.len() as u64 + u64::from(has_next) };
        let total = read_total(request.total, seen, answers)?;
        self.repository.read_children(session.as_ref(), &mut records).await?;
        let items = records.into_iter().map(|record| self.repository.take_in(session.as_ref(), record));
        let items = items.collect::<Result<_, _>>()?;
        Ok(Page { items, page: request.number, page_size: request.size, total, has_next })
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
    /// [`is_invalid_query`](Error::is_invalid_query) for a size that is not within 1 and 200, a sort key that a cursor
    /// cannot hold, or a query with a limit or a lock, else as [`all`](Self::all).
    pub async fn cursor_page(self, request: impl Into<CursorRequest>) -> Result<CursorPage<Row::Domain>, Error> {
        let request = request.into();
        request.check()?;
        self.check_pageable("cursor_page")?;
        let table = Row::descriptor();
        let (repository, backend) = (&self.repository, self.repository.manager.backend());
        let keys = &repository.manager.config().cursor_keys;
        let keyset = Keyset::new(table, &self.order)?;
        let mut select = Select { order: keyset.order(false), ..self.select()? };
        let binding = binding(table, &select.question(backend)?);

        let cursor = match &request.cursor {
            Some(text) => Some(Cursor::open(text, keys.accepted()?, &binding)?),
            None => None,
        };
        let direction = cursor.as_ref().map_or(Direction::After, |cursor| cursor.direction);
        let backward = direction.is_backward();
        if let Some(cursor) = &cursor {
            keyset.check(&cursor.values)?;
            let behind = keyset.behind(&cursor.values, backward, direction.includes_place());
            select.condition = select.condition.and(behind);
            select.order = keyset.order(backward);
        }
        (select.limit, select.literal_limit) = (Some(request.size + 1), true);
        let statement = select.rows(backend)?;
        let statement = if self.requested { unnamed(statement) } else { statement };

        let session = repository.place();
        let answers = repository.query_answers(session.as_ref(), vec![statement]).await?;
        let mut records = repository.records(answers.into_iter().next())?;
        let more = records.len() as u64 > request.size;
        records.truncate(usize::try_from(request.size).unwrap_or(usize::MAX));
        if backward {
            records.reverse();
        }
        repository.read_children(session.as_ref(), &mut records).await?;
        let seal = |direction, values| {
            let cursor = Cursor { direction, values };
            keys.signing().map(|key| Some(cursor.seal(key, &binding)))
        };
        let at = |record: Option<&Record>, direction| match (record, &cursor) {
            (Some(record), _) => seal(direction, keyset.place(record)),
            // Nothing is left on this side: the row at the cursor itself is on the other, unless it was asked for here.
            (None, Some(cursor)) => {
                seal(direction.with_place(!cursor.direction.includes_place()), cursor.values.clone())
            }
            (None, None) => Ok(None),
        };
        let (behind, before) = if backward { (true, more) } else { (more, cursor.is_some()) };
        let next = if behind { at(records.last(), Direction::After)? } else { None };
        let previous = if before { at(records.first(), Direction::Before)? } else { None };
        let items = records.into_iter().map(|record| repository.take_in(session.as_ref(), record));
        Ok(CursorPage { items: items.collect::<Result<_, _>>()?, page_size: request.size, next, previous })
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

    fn totals(&self, mode: TotalMode, backend: Backend) -> Result<Vec<Statement>, Error> {
        let all = Select { order: Vec::new(), ..self.select()? };
        Ok(match mode {
            TotalMode::Exact => vec![unnamed(all.count(backend)?)],
            TotalMode::EstimateAbove(most) => {
                let estimate = (backend == Backend::Postgres).then(|| all.explain()).transpose()?;
                let counted = Select { limit: Some(most.saturating_add(1)), ..all };
                let counted = counted.count(backend)?;
                std::iter::once(counted).chain(estimate).map(unnamed).collect()
            }
            TotalMode::Skip => Vec::new(),
        })
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
                self.manager.run_alone(steps, false).await
            }
        }
    }

    fn records(&self, answer: Option<Answer>) -> Result<Vec<Record>, Error> {
        let backend = self.manager.backend();
        let rows = answer.into_iter().flat_map(|answer| answer.rows);
        rows.map(|record| canonical(Row::descriptor(), record, backend)).collect()
    }
}

fn read_total(mode: TotalMode, seen: u64, answers: impl Iterator<Item = Answer>) -> Result<Total, Error> {
    let mut values = answers.filter_map(|answer| answer.rows.into_iter().flatten().next());
    let mut counted = || match values.next() {
        Some(Value::I64(count)) => Ok(u64::try_from(count).unwrap_or_default().max(seen)),
        other => Err(unexpected("count", &other.unwrap_or(Value::Null))),
    };
    Ok(match mode {
        TotalMode::Exact => Total::Exact(counted()?),
        TotalMode::EstimateAbove(most) => match (counted()?, values.next()) {
            (count, _) if count <= most => Total::Exact(count),
            (count, Some(plan)) => Total::Estimated(planned_rows(&plan)?.max(count)),
            (count, None) => Total::AtLeast(count),
        },
        TotalMode::Skip => Total::Skipped,
    })
}

/// How many rows a plan expects: `[{"Plan": {"Plan Rows": 42, …}}]`.
fn planned_rows(plan: &Value) -> Result<u64, Error> {
    let rows = match plan {
        Value::Json(plan) => plan.pointer("/0/Plan/Plan Rows").and_then(serde_json::Value::as_f64),
        _ => None,
    };
    rows.map(|rows| rows as u64).ok_or_else(|| unexpected("a plan", plan))
}
