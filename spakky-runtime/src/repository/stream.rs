//! Aggregates one by one, for results too large to hold.
//!
//! Rows of one table are read from a query that stays open. Rows with children are read in chunks, since a connection that
//! has a query open takes no other: each chunk begins behind the last row of the one before, as a page by cursor does.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt, TryStreamExt};

use super::query::unnamed;
use super::{QueryBuilder, Repository};
use crate::context::RequestContext;
use crate::error::{Error, ErrorKind};
use crate::mappable::Mappable;
use crate::page::Chunks;
use crate::schema::{Record, Table, canonical};
use crate::session::{Call, Session, SessionStream};

impl<Row: Table + Mappable> QueryBuilder<Row> {
    /// The aggregates one by one as they arrive, for results too large to hold. The session does not remember them.
    ///
    /// Rows without children arrive on the session's connection, which is taken until the stream ends or is dropped: other
    /// calls in the scope are refused meanwhile. Rows with children are read 500 at a time, each chunk with its children, in
    /// two round trips: rows that stay are neither seen twice nor missed, whatever comes and goes meanwhile, and the
    /// connection is free between chunks. Behind the sort keys they are sorted by their key.
    ///
    /// # Errors
    /// As [`all`](Self::all), and [`is_invalid_query`](Error::is_invalid_query) for a query with a lock, or of rows with
    /// children that are sorted by arrays, JSON or types that only the database knows. An error after the start is the
    /// stream's last item.
    ///
    /// # Cancellation
    /// Dropping the future or the stream has no effect on the scope.
    pub async fn stream(self) -> Result<RowStream<Row>, Error> {
        if self.lock.is_some() {
            let message = "stream rows with a lock on them: use `all`, or leave the lock out";
            return Err(Error::new(ErrorKind::InvalidQuery, message).with_table(Row::descriptor().name));
        }
        let source = if Row::descriptor().relations.is_empty() {
            let statement = self.rows()?;
            Source::Rows(match self.repository.place() {
                Some(session) => session.stream(statement).await?,
                None => self.repository.manager.stream_alone(statement).await?,
            })
        } else {
            Source::Chunks(Reader::new(&self)?.into_rows().boxed())
        };
        Ok(RowStream { source, repository: self.repository, ended: false })
    }
}

/// The aggregates of a query, one by one.
///
/// Polled after the scope it was made in has ended, it gives [`is_no_session`](Error::is_no_session).
pub struct RowStream<Row> {
    source: Source,
    repository: Repository<Row>,
    ended: bool,
}

enum Source {
    Rows(SessionStream),
    Chunks(BoxStream<'static, Result<Record, Error>>),
}

/// Reads rows with their children, a chunk at a time.
struct Reader<Row> {
    repository: Repository<Row>,
    session: Option<Session>,
    /// That of the place where the stream was made: it may be read elsewhere.
    context: RequestContext,
    chunks: Chunks,
}

impl<Row: Table + Mappable> Reader<Row> {
    fn new(query: &QueryBuilder<Row>) -> Result<Self, Error> {
        let chunks = Chunks::new(query.select()?, &query.order)?;
        // What cannot be written is said before the first row.
        chunks.select().question(query.repository.manager.backend())?;
        let (repository, session) = (query.repository.clone(), query.repository.place());
        Ok(Reader { repository, session, context: RequestContext::current(), chunks })
    }

    fn into_rows(self) -> impl Stream<Item = Result<Record, Error>> + Send + 'static {
        let chunks = stream::try_unfold(Some(self), async |reader| match reader {
            Some(reader) => reader.chunk().await.map(Some),
            None => Ok(None),
        });
        chunks.map_ok(|chunk| stream::iter(chunk.into_iter().map(Ok))).try_flatten()
    }

    /// The next rows, and whoever reads those behind them, if there may be any.
    async fn chunk(self) -> Result<(Vec<Record>, Option<Self>), Error> {
        let Reader { repository, session, context, chunks } = self;
        let statement = unnamed(chunks.select().rows(repository.manager.backend())?);
        let call = match &session {
            Some(session) => Call::query(session, vec![statement]),
            None => Call::by_key(statement),
        };
        let records = context.clone().scope(repository.read(session.as_ref(), call)).await?;
        let place = records.last().map(|record| chunks.positions().map(|at| record[at].clone()).collect());
        let chunks = chunks.behind(records.len(), place);
        let next = chunks.map(|chunks| Reader { repository, session, context, chunks });
        Ok((records, next))
    }
}

impl<Row: Table + Mappable> Stream for RowStream<Row> {
    type Item = Result<Row::Domain, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let record = match &mut self.source {
            Source::Rows(rows) => ready!(rows.poll_record(context))
                .map(|row| row.and_then(|row| canonical(Row::descriptor(), row, self.repository.manager.backend()))),
            Source::Chunks(rows) => ready!(rows.poll_next_unpin(context)),
        };
        let item = record.map(|record| self.repository.domain(record?, 0));
        if !matches!(item, Some(Ok(_))) {
            self.ended = true;
        }
        Poll::Ready(item)
    }
}

impl<Row> std::fmt::Debug for RowStream<Row> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RowStream").field("ended", &self.ended).finish_non_exhaustive()
    }
}
