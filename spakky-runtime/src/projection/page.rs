//! Pages and streams of views.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt, TryStreamExt};

use super::load::Rows;
use super::query::Reader;
use super::{Projection, ProjectionQuery};
use crate::context::RequestContext;
use crate::error::{Error, ErrorKind};
use crate::page::{Chunks, CursorPage, CursorRequest, Page, PageRequest, Walk, complete, read_total, totals};
use crate::repository::unnamed;
use crate::schema::Table;
use crate::statement::Select;
use crate::value::Value;

impl<View: Projection> ProjectionQuery<View> {
    /// A page by its number, with the number of all rows, which are counted in the round trip of the first query: as
    /// [`QueryBuilder::page`](crate::repository::QueryBuilder::page).
    ///
    /// # Errors
    /// [`is_invalid_query`](Error::is_invalid_query) for page 0, a size of 0 or beyond its limit, or a query with a
    /// limit, else as [`all`](Self::all).
    ///
    /// # Cancellation
    /// As [`all`](Self::all).
    pub async fn page(self, request: impl Into<PageRequest>) -> Result<Page<View>, Error> {
        let request = request.into();
        let size = request.checked_size(self.page_limit)?;
        self.check_pageable("page")?;
        let reader = Reader::of(&self)?;
        let backend = reader.source.backend();
        let skipped = (request.number - 1).saturating_mul(size);
        let all = self.select(&reader)?;
        let items = Select {
            order: complete(View::Row::descriptor(), &self.order),
            limit: Some(size + 1),
            offset: (skipped > 0).then_some(skipped),
            ..all.clone()
        };
        let mut statements = vec![unnamed(reader.statement(&items)?)];
        statements.extend(totals(Select { order: Vec::new(), ..all }, request.total, backend)?);
        let mut answers = reader.source.queries(statements).await?.into_iter();
        let mut rows = reader.rows(answers.next())?;
        let has_next = rows.values.len() as u64 > size;
        rows.values.truncate(usize::try_from(size).unwrap_or(usize::MAX));
        // The rows are counted a moment later than they are read.
        let count = rows.values.len() as u64;
        let seen = if count == 0 { 0 } else { skipped + count + u64::from(has_next) };
        let total = read_total(request.total, seen, answers)?;
        let items = reader.views(rows).await?;
        Ok(Page { items, page: request.number, page_size: size, total, has_next })
    }

    /// A page by cursor, as [`QueryBuilder::cursor_page`](crate::repository::QueryBuilder::cursor_page). A cursor belongs to
    /// the rows, their conditions and order, whatever is shown of them: that of a page of views leads on in the pages of
    /// another view of the row, or of the rows themselves.
    ///
    /// # Errors
    /// [`is_invalid_cursor`](Error::is_invalid_cursor) for a cursor that is none of this query;
    /// [`is_invalid_query`](Error::is_invalid_query) for a size of 0 or beyond its limit, a sort key that a cursor
    /// cannot hold, or a query with a limit, else as [`all`](Self::all).
    ///
    /// # Cancellation
    /// As [`all`](Self::all).
    pub async fn cursor_page(self, request: impl Into<CursorRequest>) -> Result<CursorPage<View>, Error> {
        let request = request.into();
        let size = request.checked_size(self.page_limit)?;
        self.check_pageable("cursor_page")?;
        let mut reader = Reader::of(&self)?;
        let mut select = self.select(&reader)?;
        let source = reader.source.clone();
        let walk = Walk::begin(&request, size, &mut select, &self.order, source.cursor_keys(), source.backend())?;
        let slots = reader.slots(walk.positions());
        let statement = reader.statement(&select)?;
        let statement = if self.requested { unnamed(statement) } else { statement };
        let mut rows = reader.rows(source.queries(vec![statement]).await?.into_iter().next())?;
        let more = walk.arrange(&mut rows.values);
        let ends = [rows.values.first(), rows.values.last()].map(|row| row.map(|row| place(row, &slots)));
        let [first, last] = ends;
        let (next, previous) = walk.ends(first, last, more)?;
        let items = reader.views(rows).await?;
        Ok(CursorPage { items, page_size: size, next, previous })
    }

    /// The views one by one, for results too large to hold. They are read 500 at a time, each chunk with all that belongs to
    /// it, as its [`all`](Self::all) would be; the connection is free between chunks. Rows that stay are neither seen twice
    /// nor missed, whatever comes and goes meanwhile. Behind the sort keys they are sorted by the key of their row.
    ///
    /// # Errors
    /// As [`all`](Self::all), and [`is_invalid_query`](Error::is_invalid_query) for rows that are sorted by arrays, JSON or
    /// types that only the database knows. An error after the start is the stream's last item.
    ///
    /// # Cancellation
    /// Dropping the future or the stream has no effect on the scope.
    pub async fn stream(self) -> Result<ViewStream<View>, Error> {
        let mut reader = Reader::of(&self)?;
        let chunks = Chunks::new(self.select(&reader)?, &self.order)?;
        let slots = reader.slots(chunks.positions());
        // What cannot be written is said before the first row.
        reader.statement(&chunks.select())?;
        let start = Chunked { reader, slots, context: RequestContext::current(), chunks };
        let chunks = stream::try_unfold(Some(start), async |reader| match reader {
            Some(reader) => reader.chunk::<View>().await.map(Some),
            None => Ok(None),
        });
        Ok(ViewStream { views: chunks.map_ok(|chunk| stream::iter(chunk.into_iter().map(Ok))).try_flatten().boxed() })
    }

    fn check_pageable(&self, method: &str) -> Result<(), Error> {
        if self.limit.is_none() && self.offset.is_none() {
            return Ok(());
        }
        let table = View::Row::descriptor().name;
        let message = format!("find a page of `{table}` by a query with a limit: leave it out of `{method}`");
        Err(Error::new(ErrorKind::InvalidQuery, message).with_table(table))
    }
}

/// Reads views, a chunk at a time.
struct Chunked {
    reader: Reader,
    /// Where in a row its place in the order is.
    slots: Vec<usize>,
    /// That of the place where the stream was made: it may be read elsewhere.
    context: RequestContext,
    chunks: Chunks,
}

impl Chunked {
    /// The next views, and whoever reads those behind them, if there may be any.
    async fn chunk<View: Projection>(self) -> Result<(Vec<View>, Option<Self>), Error> {
        let Chunked { reader, slots, context, chunks } = self;
        let statement = unnamed(reader.statement(&chunks.select())?);
        let (views, chunks) = context
            .clone()
            .scope(async {
                let rows: Rows = reader.rows(reader.source.queries(vec![statement]).await?.into_iter().next())?;
                let end = rows.values.last().map(|row| place(row, &slots));
                let chunks = chunks.behind(rows.values.len(), end);
                Ok::<_, Error>((reader.views(rows).await?, chunks))
            })
            .await?;
        Ok((views, chunks.map(|chunks| Chunked { reader, slots, context, chunks })))
    }
}

fn place(row: &[Value], slots: &[usize]) -> Vec<Value> {
    slots.iter().map(|&slot| row[slot].clone()).collect()
}

/// The views of a query, one by one, from [`ProjectionQuery::stream`].
///
/// Polled after the scope it was made in has ended, it gives [`is_no_session`](Error::is_no_session).
pub struct ViewStream<View> {
    views: BoxStream<'static, Result<View, Error>>,
}

impl<View> Stream for ViewStream<View> {
    type Item = Result<View, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.views.poll_next_unpin(context)
    }
}

impl<View> std::fmt::Debug for ViewStream<View> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ViewStream").finish_non_exhaustive()
    }
}
