//! What is under way on a connection: one burst at a time, its messages, its answers.
//!
//! A burst ends in one Sync. The first of its statements that fails has the server skip all behind it up to there, COMMIT too, and
//! the answer to the Sync says what state the transaction is in. So when BEGIN is refused nothing runs outside of a transaction.
//!
//! What is sent while another burst is under way waits for its turn: behind a BEGIN that is not answered yet, statements might
//! run in no transaction at all. Where a second burst is to travel with the first, it begins with what fails outside of a transaction.

mod current;
mod upload;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::BytesMut;
use postgres_protocol::message::frontend;

use self::current::Current;
pub(super) use self::current::{CopyDirection, End, Failure, Finished, Portal, Purpose};
use super::line::{Frame, Line};
use super::notice::NoticeSink;
use super::rows::{RawRow, Rows, read_columns};
use super::server_error::ServerError;
use super::statement_cache::StatementCache;
use super::types::TypeCatalog;
use crate::sql::Dialect;

/// What one is told whose burst was given up by others: the connection that it was lent went back.
const GIVEN_UP: &str = "the connection was given back while this was under way";

/// The state of the transaction, as of the last answer that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TransactionState {
    Idle,
    Open,
    Failed,
}

/// Which burst.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket(u64);

/// What is to be sent, as messages, and what is expected for it.
pub(super) struct Outgoing {
    pub(super) messages: BytesMut,
    pub(super) portals: Vec<Portal>,
    /// How many portals stand before each Sync.
    pub(super) syncs: VecDeque<usize>,
    /// By the simple protocol: one message, any number of statements, no values.
    pub(super) is_simple: bool,
    /// Rows are handed on one by one instead of being gathered.
    pub(super) streams: bool,
    /// It is one statement that copies rows.
    pub(super) copies: Option<CopyDirection>,
}

/// One that waits for its turn.
struct Waiting {
    ticket: Ticket,
    waker: Option<Waker>,
}

/// What is under way on a connection.
pub(super) struct Exchange {
    line: Option<Line>,
    pub(super) cache: StatementCache,
    status: u8,
    backslashes: bool,
    end: Option<Arc<End>>,
    /// What was handed over and is not answered: the first one is being answered.
    under_way: VecDeque<Current>,
    waiting: VecDeque<Waiting>,
    next: u64,
    notices: NoticeSink,
}

impl Exchange {
    pub(super) fn new(line: Line, status: u8, statement_cache_size: usize, notices: NoticeSink) -> Self {
        Exchange {
            line: Some(line),
            cache: StatementCache::new(statement_cache_size),
            status,
            backslashes: false,
            end: None,
            under_way: VecDeque::new(),
            waiting: VecDeque::new(),
            next: 0,
            notices,
        }
    }

    pub(super) fn transaction(&self) -> TransactionState {
        match self.status {
            b'T' => TransactionState::Open,
            b'E' => TransactionState::Failed,
            _ => TransactionState::Idle,
        }
    }

    /// How the server reads texts, as of the last answer that arrived.
    pub(super) fn dialect(&self) -> Dialect {
        Dialect::Postgres { backslashes: self.backslashes }
    }

    /// Whether everything that was sent is answered, and nothing waits.
    pub(super) fn is_quiet(&self) -> bool {
        self.under_way.is_empty() && self.waiting.is_empty()
    }

    /// Whether nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.under_way.is_empty()
    }

    /// Whether a burst is under way whose answer somebody waits for.
    pub(super) fn is_awaited(&self) -> bool {
        self.under_way.iter().any(|current| !current.is_abandoned) || !self.waiting.is_empty()
    }

    /// Whether the line is open, as far as is known without asking. What the server said meanwhile is taken in.
    pub(super) fn is_open(&mut self, types: &TypeCatalog) -> bool {
        self.catch_up(types);
        self.line.is_some()
    }

    /// Takes in what the server has said already where nobody waits for it: answers to what was given up, and what was not asked
    /// for.
    pub(super) fn catch_up(&mut self, types: &TypeCatalog) {
        // One who waits is woken by the line, which knows of one alone.
        if !self.under_way.is_empty() && self.is_awaited() {
            return;
        }
        if self.poll_abandoned(types, &mut Context::from_waker(Waker::noop())).is_ready() {
            self.listen();
        }
    }

    /// Notes what the server said of a setting.
    pub(super) fn note_parameter(&mut self, body: &[u8]) {
        self.backslashes = reads_backslashes(body).unwrap_or(self.backslashes);
    }

    /// Closes the line at once.
    pub(super) fn close(&mut self) {
        self.finish(End::Line("the connection was closed on this side".to_owned()));
    }

    /// Says farewell on a line where nothing is under way, and closes it.
    pub(super) fn terminate(&mut self) {
        if let Some(line) = &mut self.line {
            frontend::terminate(&mut line.output);
            let _ = line.poll_write(&mut Context::from_waker(Waker::noop()));
        }
        self.close();
    }

    /// A place in the order of bursts.
    pub(super) fn queue(&mut self) -> Ticket {
        let ticket = self.ticket();
        self.waiting.push_back(Waiting { ticket, waker: None });
        ticket
    }

    fn ticket(&mut self) -> Ticket {
        self.next += 1;
        Ticket(self.next)
    }

    /// Whether what is under way ends its transaction: whatever becomes of it, what is sent behind it runs in none, or fails.
    pub(super) fn ends_transaction(&self) -> bool {
        self.waiting.is_empty() && self.under_way.iter().all(Current::ends_transaction)
    }

    /// Whether another burst can travel with the one that is under way.
    pub(super) fn can_follow(&self) -> bool {
        self.waiting.is_empty() && self.under_way.iter().all(|current| !current.is_abandoned)
    }

    /// Moves on what was given up, until it is this one's turn. The one that waits is then neither waiting nor under way. The end
    /// of its wait, where its turn never comes.
    pub(super) fn poll_turn(
        &mut self,
        ticket: Ticket,
        types: &TypeCatalog,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Arc<End>>> {
        let Some(mut place) = self.waiting.iter().position(|waiting| waiting.ticket == ticket) else {
            return Poll::Ready(Err(Arc::new(End::Line(GIVEN_UP.to_owned()))));
        };
        if place == 0 && self.poll_abandoned(types, cx).is_ready() && self.under_way.is_empty() {
            self.waiting.pop_front();
            return Poll::Ready(Ok(()));
        }
        // Nothing is handed over any more, in whatever order.
        if self.line.is_none() {
            place = self.waiting.iter().position(|waiting| waiting.ticket == ticket).unwrap_or(place);
            self.waiting.remove(place);
            return Poll::Ready(Err(self.ended()));
        }
        if let Some(waiting) = self.waiting.get_mut(place) {
            waiting.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Moves on what was given up, as far as that comes first.
    fn poll_abandoned(&mut self, types: &TypeCatalog, cx: &mut Context<'_>) -> Poll<()> {
        while self.under_way.front().is_some_and(|current| current.is_abandoned) {
            ready!(self.poll_over(types, cx));
            self.under_way.pop_front();
            self.settle_cache();
            self.wake();
        }
        Poll::Ready(())
    }

    /// Waits until a burst that is under way is the one that is being answered.
    fn poll_front(&mut self, ticket: Ticket, types: &TypeCatalog, cx: &mut Context<'_>) -> Poll<()> {
        let Some(current) = self.under_way.iter_mut().find(|current| current.ticket == ticket) else {
            return Poll::Ready(());
        };
        // Whoever moves the line on, and whatever ends it, wakes those who wait.
        match &mut current.waker {
            Some(waker) if waker.will_wake(cx.waker()) => {}
            waker => *waker = Some(cx.waker().clone()),
        }
        ready!(self.poll_abandoned(types, cx));
        match self.under_way.iter().position(|current| current.ticket == ticket) {
            None | Some(0) => Poll::Ready(()),
            Some(_) => Poll::Pending,
        }
    }

    /// Hands over a burst; why it cannot, if the line had ended before.
    pub(super) fn start(&mut self, outgoing: Outgoing) -> Result<Ticket, Arc<End>> {
        let ticket = self.ticket();
        let Some(line) = &mut self.line else {
            self.wake();
            return Err(self.ended());
        };
        let Outgoing { messages, portals, syncs, is_simple, streams, copies } = outgoing;
        // Where something is being written, whoever writes it goes on with this.
        let is_first = line.output.is_empty();
        line.output.unsplit(messages);
        if is_first {
            let _ = line.poll_write(&mut Context::from_waker(Waker::noop()));
        }
        let answers = Vec::with_capacity(portals.last().map_or(0, |portal| portal.step + 1));
        self.under_way.push_back(Current {
            ticket,
            portals,
            at: 0,
            syncs,
            is_simple,
            streams,
            copies,
            accepts: false,
            is_abandoned: false,
            waker: None,
            columns: None,
            reader: None,
            building: Rows::default(),
            finished: Finished { answers, ..Finished::default() },
            is_committed: false,
            is_spoilt: false,
            is_over: false,
            rows: VecDeque::new(),
        });
        Ok(ticket)
    }

    /// Lets the next one have its turn, where this one had nothing to send.
    pub(super) fn skip(&mut self) {
        self.settle_cache();
        self.wake();
    }

    /// An empty buffer for the messages of the next burst.
    pub(super) fn messages(&mut self) -> BytesMut {
        match &mut self.line {
            // The line's own room, so that nothing is copied.
            Some(line) if line.output.is_empty() => std::mem::take(&mut line.output),
            _ => BytesMut::new(),
        }
    }

    /// Waits for all of a burst's answers.
    pub(super) fn poll_finished(
        &mut self,
        ticket: Ticket,
        types: &TypeCatalog,
        cx: &mut Context<'_>,
    ) -> Poll<Finished> {
        ready!(self.poll_front(ticket, types, cx));
        if self.under_way.front().is_some_and(|current| current.ticket == ticket) {
            ready!(self.poll_over(types, cx));
        }
        Poll::Ready(self.take_finished(ticket))
    }

    /// Waits for the next row of a burst; `None` when there is none any more, and [`take_finished`](Self::take_finished) tells
    /// what came of it.
    pub(super) fn poll_row(
        &mut self,
        ticket: Ticket,
        types: &TypeCatalog,
        cx: &mut Context<'_>,
    ) -> Poll<Option<RawRow>> {
        ready!(self.poll_front(ticket, types, cx));
        loop {
            let Some(current) = self.under_way.front_mut().filter(|current| current.ticket == ticket) else {
                return Poll::Ready(None);
            };
            if let Some(row) = current.rows.pop_front() {
                return Poll::Ready(Some(row));
            }
            if current.is_over {
                return Poll::Ready(None);
            }
            ready!(self.poll_some(types, cx));
        }
    }

    /// What came of a burst that is over.
    pub(super) fn take_finished(&mut self, ticket: Ticket) -> Finished {
        let place = self.under_way.iter().position(|current| current.ticket == ticket);
        match place.and_then(|place| self.under_way.remove(place)) {
            Some(current) => {
                self.settle_cache();
                self.wake();
                current.finished
            }
            None => {
                let end = End::Line(GIVEN_UP.to_owned());
                Finished { failure: Some((0, Failure::Ended(Arc::new(end)))), ..Finished::default() }
            }
        }
    }

    /// Nobody waits for a burst any more. One that was not handed over never will be.
    pub(super) fn abandon(&mut self, ticket: Ticket) {
        self.waiting.retain(|waiting| waiting.ticket != ticket);
        self.end_upload(ticket, Err("the rows were given up"));
        if let Some(current) = self.under_way.iter_mut().find(|current| current.ticket == ticket) {
            current.is_abandoned = true;
            current.rows.clear();
        }
        while self.under_way.front().is_some_and(|current| current.is_abandoned && current.is_over) {
            self.under_way.pop_front();
            self.settle_cache();
        }
        self.wake();
    }

    /// Nobody is to wait any more for anything: who still does is told so.
    pub(super) fn abandon_all(&mut self) {
        let given_up = std::mem::take(&mut self.waiting).into_iter().filter_map(|waiting| waiting.waker);
        let under_way = self.under_way.iter_mut().filter_map(|current| current.waker.take());
        given_up.chain(under_way).for_each(Waker::wake);
        let tickets: Vec<_> = self.under_way.iter().map(|current| current.ticket).collect();
        tickets.into_iter().for_each(|ticket| self.abandon(ticket));
        // Whoever still asks finds nothing, and leaves the line to those who use it.
        self.under_way.iter_mut().for_each(|current| current.ticket = Ticket::default());
    }

    /// Why nothing is handed over any more.
    fn ended(&self) -> Arc<End> {
        self.end.clone().unwrap_or_else(|| Arc::new(End::Line("the connection is closed".to_owned())))
    }

    /// Once all is answered, what was not confirmed never will be.
    fn settle_cache(&mut self) {
        if self.under_way.is_empty() {
            self.cache.drop_unconfirmed();
        }
    }

    /// Lets the first one look again that is not answered yet, or the first that waits for its turn.
    fn wake(&mut self) {
        let next = self.under_way.iter_mut().find(|current| !current.is_abandoned).map(|current| &mut current.waker);
        let next = next.or(self.waiting.front_mut().map(|waiting| &mut waiting.waker));
        if let Some(waker) = next.and_then(Option::take) {
            waker.wake();
        }
    }

    /// Moves the current burst on until it is over.
    fn poll_over(&mut self, types: &TypeCatalog, cx: &mut Context<'_>) -> Poll<()> {
        while self.under_way.front().is_some_and(|current| !current.is_over) {
            ready!(self.poll_some(types, cx));
        }
        Poll::Ready(())
    }

    /// Moves the current burst on by what is there. Answers early where a row is to be handed on.
    fn poll_some(&mut self, types: &TypeCatalog, cx: &mut Context<'_>) -> Poll<()> {
        let moved = match &mut self.line {
            Some(line) if !line.has_unread() => line.poll_turn(cx),
            Some(_) => Poll::Ready(Ok(())),
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        };
        if let Err(error) = ready!(moved) {
            self.broke(&error);
            return Poll::Ready(());
        }
        let is_stopped = |exchange: &Exchange| {
            let is_stopped = |current: &Current| current.is_over || current.accepts || !current.rows.is_empty();
            exchange.under_way.front().is_none_or(is_stopped)
        };
        while !is_stopped(self) {
            let Some(line) = &mut self.line else { break };
            match line.next() {
                Ok(Some(frame)) => self.take(&frame, types),
                // A part of a message is there: the rest has to come.
                Ok(None) => match ready!(line.poll_turn(cx)) {
                    Ok(()) => {}
                    Err(error) => self.broke(&error),
                },
                Err(error) => self.broke(&error),
            }
        }
        Poll::Ready(())
    }

    /// Takes in what the server says while nothing is under way.
    fn listen(&mut self) {
        let mut cx = Context::from_waker(Waker::noop());
        loop {
            let Some(line) = &mut self.line else { return };
            match line.next() {
                Ok(Some(frame)) => self.take_unasked(&frame),
                Ok(None) => match line.poll_turn(&mut cx) {
                    Poll::Pending => return,
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(error)) => self.broke(&error),
                },
                Err(error) => self.broke(&error),
            }
        }
    }

    fn take_unasked(&mut self, frame: &Frame) {
        let Some(line) = &self.line else { return };
        let body = line.body(frame);
        match frame.tag {
            b'S' => self.backslashes = reads_backslashes(body).unwrap_or(self.backslashes),
            b'E' => {
                let error = ServerError::read(body);
                if error.is_fatal() {
                    self.finish(End::Server(error));
                }
            }
            b'N' => self.notices.tell(body),
            b'A' => {}
            _ => self.finish(End::Line("the server sent an answer that nobody has asked for".to_owned())),
        }
    }

    /// Takes in a message of the server's.
    fn take(&mut self, frame: &Frame, types: &TypeCatalog) {
        let (Some(line), Some(current)) = (&mut self.line, self.under_way.front_mut()) else { return };
        let body = line.body(frame);
        match frame.tag {
            b'D' => {
                if !current.take_row(body, &mut self.cache, types) {
                    self.finish(End::Line("the server sent a row that it had not described".to_owned()));
                }
            }
            b'C' | b'I' => current.complete(body),
            b'n' => {
                if let Some(id) = current.portal().and_then(|portal| portal.statement) {
                    self.cache.confirm(id);
                }
            }
            b'T' => match read_columns(body) {
                Some(columns) => {
                    if let Some(id) = current.portal().and_then(|portal| portal.statement) {
                        self.cache.confirm(id);
                        self.cache.set_columns(id, columns.clone());
                    }
                    current.columns = Some(columns);
                }
                None => self.finish(End::Line("the server described columns in a way that cannot be read".to_owned())),
            },
            b'2' => current.bound(&mut self.cache),
            b'N' => self.notices.tell(body),
            // What was parsed or closed, the types of parameters, notifications. A statement counts as prepared once it is described,
            // too.
            b'1' | b'3' | b't' | b'A' => {}
            b'E' => current.fail(Failure::Server(ServerError::read(body))),
            b'Z' => {
                self.status = body.first().copied().unwrap_or(b'I');
                if !current.synced() {
                    self.finish(End::Line("the server has left out an answer".to_owned()));
                } else if current.is_over && current.is_spoilt {
                    self.finish(End::Line("rows of a COPY were asked for, which were not sent".to_owned()));
                }
            }
            b'S' => self.backslashes = reads_backslashes(body).unwrap_or(self.backslashes),
            b'G' if current.copies == Some(CopyDirection::In) && !current.is_abandoned => current.accepts = true,
            b'G' => {
                // The server reads nothing but rows until it is told that none come; the Sync was passed over.
                let reason = match current.copies {
                    Some(CopyDirection::Out) => "the statement copies rows to the server; use `copy_in`",
                    _ => "rows of a COPY cannot be sent by this call",
                };
                let _ = frontend::copy_fail(reason, &mut line.output);
                if !current.is_simple {
                    // Where the server fails before it reads on, it answers the other Sync, too: the line is not used again.
                    frontend::sync(&mut line.output);
                    current.is_spoilt = true;
                }
            }
            b'H' => current.copies_out(),
            b'd' => current.take_copied(body),
            b'c' => {}
            tag => {
                let tag = char::from(tag).escape_default();
                self.finish(End::Line(format!("the server sent a message of the unknown kind `{tag}`")));
            }
        }
    }

    /// The line broke. What the server said before is the reason.
    fn broke(&mut self, error: &io::Error) {
        self.finish(End::Line(error.to_string()));
    }

    /// The line has come to its end, and with it the burst that was under way.
    fn finish(&mut self, end: End) {
        self.line = None;
        let said = self.under_way.front().and_then(|current| match &current.finished.failure {
            Some((_, Failure::Server(error))) if error.is_fatal() => Some(End::Server(error.clone())),
            _ => None,
        });
        let end = self.end.get_or_insert_with(|| Arc::new(said.unwrap_or(end))).clone();
        for current in self.under_way.iter_mut().filter(|current| !current.is_over) {
            current.fail(Failure::Ended(end.clone()));
            current.finished.is_cut = true;
            current.is_over = true;
        }
        let under_way = self.under_way.iter_mut().filter_map(|current| current.waker.take());
        let waiting = self.waiting.iter_mut().filter_map(|waiting| waiting.waker.take());
        under_way.chain(waiting).for_each(Waker::wake);
    }
}

/// Whether a `ParameterStatus` (a name and a value, a zero behind each) has the server read a backslash in a plain text as the mark
/// of an escape; `None` if it is about something else.
fn reads_backslashes(body: &[u8]) -> Option<bool> {
    body.strip_prefix(b"standard_conforming_strings\0").map(|value| value == b"off\0")
}
