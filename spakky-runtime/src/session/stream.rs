//! Rows read one by one.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use futures_util::Stream;
use tokio::runtime::Handle;
use tracing::Span;

use super::execute::{Call, Wire};
use super::{Session, SessionManager, SessionStatistics, give_back, runtime_or};
use crate::backend::{Backend, RowSource, Statement};
use crate::context::RequestContext;
use crate::error::{Error, ErrorKind};
use crate::instrument::Ending;
use crate::pool::Lease;
use crate::value::Value;

/// Rows as they arrive, and the connection they arrive on.
pub(crate) struct SessionStream {
    holds: Holds,
}

enum Holds {
    /// The session's own connection: other calls of the scope are refused meanwhile. The end of the scope is not.
    Session { session: Session, streaming: Arc<Streaming>, ended: bool },
    /// A connection of the stream's own.
    Lease(Option<Alone>),
}

/// A query on a connection of its own.
struct Alone {
    source: RowSource,
    lease: Lease,
    watch: Ending,
    /// On which the connection is cleaned where the stream is dropped outside of any.
    runtime: Option<Handle>,
}

/// What a stream takes from its session while it lasts; whoever takes it out ends the stream.
pub(crate) struct Streaming {
    open: Mutex<Option<Open>>,
}

struct Open {
    source: RowSource,
    _wire: Wire,
    watch: Ending,
    /// Who waits for the next row.
    reader: Option<Waker>,
}

impl Streaming {
    fn open(&self) -> MutexGuard<'_, Option<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_open(&self) -> bool {
        self.open().is_some()
    }

    /// Ends the stream, whoever holds it, and gives the connection back to the session.
    pub(crate) fn end(&self) {
        let reader = self.open().take().and_then(|open| open.reader);
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

impl Session {
    /// Sends a query and keeps the session's connection for its rows.
    pub(crate) async fn stream(&self, statement: Statement) -> Result<SessionStream, Error> {
        let mut wire = self.wire().await?;
        let connection = self.connection(&mut wire).await?;
        // On PostgreSQL the query is part of the transaction, with its isolation and settings, like any other.
        let transaction = self.inner.manager.backend() == Backend::Postgres;
        let outgoing = self.assemble(Call { transaction, ..Call::query(self, Vec::new()) })?;
        let alone = outgoing.burst.is_empty();
        let stream = || {
            self.inner.manager.echo_statement(&statement);
            let watch = self.inner.manager.watch_stream(&self.span_from_outside(), &statement);
            (connection.stream(statement, !alone), watch)
        };
        let (_, (source, watch)) = self.exchange_with(&connection, outgoing, stream).await?;
        let sent = SessionStatistics { statements: 1, round_trips: u64::from(alone), ..Default::default() };
        self.state().statistics += sent;
        self.inner.manager.count(sent);
        let streaming =
            Arc::new(Streaming { open: Mutex::new(Some(Open { source, _wire: wire, watch, reader: None })) });
        let mut state = self.state();
        // Until its end was read it may hold a failure that nobody saw.
        state.unobserved = true;
        state.stream = Arc::downgrade(&streaming);
        drop(state);
        Ok(SessionStream { holds: Holds::Session { session: self.clone(), streaming, ended: false } })
    }

    /// Ends a stream that is still open.
    pub(super) fn end_stream(&self) {
        let streaming = self.state().stream.upgrade();
        if let Some(streaming) = streaming.filter(|streaming| streaming.is_open()) {
            streaming.end();
            self.give_up_stream();
        }
    }
}

impl SessionManager {
    /// Streams outside any scope, on a connection of the stream's own.
    pub(crate) async fn stream_alone(&self, statement: Statement) -> Result<SessionStream, Error> {
        #[cfg(feature = "testing")]
        if let Some(outer) = self.enclosing() {
            return Box::pin(outer.stream(statement)).await;
        }
        RequestContext::with_current(RequestContext::check_settings)?;
        if RequestContext::with_current(RequestContext::has_settings) && self.backend() == Backend::Postgres {
            let message = "stream rows with the settings of the request's context outside a scope: they belong to a \
                           transaction; stream inside one";
            return Err(Error::new(ErrorKind::NoSession, message));
        }
        let lease = self.lease(!super::holds_connection(self, None)).await?;
        self.echo_statement(&statement);
        let watch = self.watch_stream(&Span::none(), &statement);
        let source = lease.connection().stream(statement, false);
        self.count(SessionStatistics { statements: 1, round_trips: 1, ..Default::default() });
        let runtime = Handle::try_current().ok();
        Ok(SessionStream { holds: Holds::Lease(Some(Alone { source, lease, watch, runtime })) })
    }
}

impl SessionStream {
    pub(crate) fn poll_record(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Vec<Value>, Error>>> {
        match &mut self.holds {
            Holds::Session { session, streaming, ended } => {
                let item = std::task::ready!(poll_in_session(session, streaming, *ended, context));
                if !matches!(item, Some(Ok(_))) {
                    *ended = true;
                    streaming.end();
                }
                Poll::Ready(item)
            }
            Holds::Lease(alone) => {
                let Some(Alone { source, .. }) = alone.as_mut() else { return Poll::Ready(None) };
                let item = std::task::ready!(Pin::new(source).poll_next(context));
                if !matches!(item, Some(Ok(_)))
                    && let Some(Alone { source, lease, mut watch, .. }) = alone.take()
                {
                    watch.end(if item.is_none() { "answered" } else { "failed" });
                    drop(source);
                    lease.release();
                }
                Poll::Ready(item.map(|result| result.map_err(Error::from_database)))
            }
        }
    }
}

fn poll_in_session(
    session: &Session,
    streaming: &Streaming,
    ended: bool,
    context: &mut Context<'_>,
) -> Poll<Option<Result<Vec<Value>, Error>>> {
    if ended {
        return Poll::Ready(None);
    }
    if let Err(error) = session.check() {
        return Poll::Ready(Some(Err(error)));
    }
    let mut streaming = streaming.open();
    let Some(open) = streaming.as_mut() else {
        let message = "read on in a stream whose scope has ended";
        return Poll::Ready(Some(Err(Error::new(ErrorKind::NoSession, message))));
    };
    let Poll::Ready(item) = Pin::new(&mut open.source).poll_next(context) else {
        open.reader = Some(context.waker().clone());
        return Poll::Pending;
    };
    match item {
        Some(Ok(record)) => {
            session.state().statistics.rows_read += 1;
            Poll::Ready(Some(Ok(record)))
        }
        Some(Err(error)) => {
            open.watch.end("failed");
            let error = Error::from_database(error);
            let name = session.scope_name();
            let mut state = session.state();
            state.note_failure(&error);
            state.doom(session.depth, format!("a statement in `{name}` failed: {error}"));
            Poll::Ready(Some(Err(error)))
        }
        None => {
            open.watch.end("answered");
            session.state().unobserved = false;
            Poll::Ready(None)
        }
    }
}

impl Drop for SessionStream {
    fn drop(&mut self) {
        match &mut self.holds {
            Holds::Session { session, streaming, .. } => {
                if streaming.is_open() {
                    streaming.end();
                    session.give_up_stream();
                }
            }
            Holds::Lease(alone) => {
                if let Some(Alone { source, lease, watch: _watch, runtime }) = alone.take() {
                    drop(source);
                    // The query may go on for long; whoever gets the connection next must not wait for it.
                    if let Some(runtime) = runtime_or(runtime.as_ref()) {
                        runtime.spawn(give_back(lease));
                    }
                }
            }
        }
    }
}
