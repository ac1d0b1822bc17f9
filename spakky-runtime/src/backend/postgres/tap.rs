//! Watches the server's messages on their way to the driver.
//!
//! The driver hides three things that decide whether data is safe, so the stream under it looks for itself:
//!
//! * **The transaction's state.** Every `ReadyForQuery` carries it. It is right even when the futures that asked were
//!   dropped, since their answers pass here all the same.
//! * **A COMMIT that became ROLLBACK.** Its command tag says so, but the driver hands out only the number at the tag's
//!   end. `ROLLBACK` is passed on as `ROLLBK 1`, of the same length: a COMMIT that counts one row was rolled back.
//! * **Types the driver does not know.** It would look them up with queries of its own, in the middle of a burst: in an
//!   aborted transaction these fail in the place of the real error, and behind a large result they wait for ever. Such a
//!   column is passed on as `unknown`, its real type in the place of the type modifier ([`column_oid`] reads it back).
//!
//! It also holds back what is written while a burst is being handed over, so that the burst leaves in one piece, in as few
//! packets as it fits in, even when the socket's task runs on another thread.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use futures_util::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::sync::watch;
use tokio_postgres::Column;
use tokio_postgres::types::Type;

use crate::sql::Dialect;

const HEADER: usize = 5;
const ROLLBACK: &[u8; 9] = b"ROLLBACK\0";
const ROLLBACK_COUNTED: &[u8; 9] = b"ROLLBK 1\0";

/// What a COMMIT counts that the server turned into a ROLLBACK.
pub(super) const ROLLED_BACK: u64 = 1;

/// The state of the transaction, as of the last answer that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TransactionState {
    Idle,
    Open,
    Failed,
}

/// What was seen on the wire.
#[derive(Debug, Default)]
pub(super) struct WireState {
    status: AtomicU8,
    holding: AtomicBool,
    writer: AtomicWaker,
    /// Transactions that were begun and that the server has yet to begin.
    begins: watch::Sender<u32>,
    /// An error came whose `ReadyForQuery` has not.
    failing: watch::Sender<bool>,
    /// The server reads a backslash in a plain text as the mark of an escape: `standard_conforming_strings = off`.
    backslashes: AtomicBool,
}

impl WireState {
    pub(super) fn transaction(&self) -> TransactionState {
        match self.status.load(Ordering::Acquire) {
            b'T' => TransactionState::Open,
            b'E' => TransactionState::Failed,
            _ => TransactionState::Idle,
        }
    }

    /// How the server reads texts, as of the last answer that arrived.
    pub(super) fn dialect(&self) -> Dialect {
        Dialect::Postgres { backslashes: self.backslashes.load(Ordering::Acquire) }
    }

    /// A BEGIN is about to be sent.
    pub(super) fn expect_begin(&self) {
        self.begins.send_modify(|begins| *begins += 1);
    }

    /// All that was sent has been answered.
    pub(super) fn expect_nothing(&self) {
        self.begins.send_replace(0);
    }

    /// Waits until every BEGIN has run. A cancellation that hit one would have the statements behind it run outside any
    /// transaction, each committing by itself.
    pub(super) async fn begun(&self) {
        // The sender lives as long as what is borrowed here.
        let _ = self.begins.subscribe().wait_for(|begins| *begins == 0).await;
    }

    /// Waits until the transaction's state is that after the last error. The driver tells an error before the server has
    /// told the state; they may come in two packets.
    pub(super) async fn settled(&self) {
        let _ = self.failing.subscribe().wait_for(|failing| !failing).await;
    }

    /// Holds writes back until the guard is dropped.
    pub(super) fn hold_writes(&self) -> HeldWrites<'_> {
        self.holding.store(true, Ordering::Release);
        HeldWrites(self)
    }

    fn observe(&self, tag: u8, body: &mut [u8]) {
        match tag {
            b'Z' => {
                if let Some(status) = body.first() {
                    self.status.store(*status, Ordering::Release);
                }
                self.failing.send_if_modified(|failing| std::mem::replace(failing, false));
            }
            b'E' => {
                self.failing.send_replace(true);
            }
            b'C' if body == ROLLBACK => body.copy_from_slice(ROLLBACK_COUNTED),
            b'C' if body == b"BEGIN\0" => self.begins.send_modify(|begins| *begins = begins.saturating_sub(1)),
            b'S' => {
                if let Some(value) = body.strip_prefix(b"standard_conforming_strings\0") {
                    self.backslashes.store(value == b"off\0", Ordering::Release);
                }
            }
            b'T' => {
                hide_column_types(body);
            }
            b't' => {
                hide_parameter_types(body);
            }
            _ => {}
        }
    }
}

/// Lets writes go when it is dropped.
pub(super) struct HeldWrites<'a>(&'a WireState);

impl Drop for HeldWrites<'_> {
    fn drop(&mut self) {
        self.0.holding.store(false, Ordering::Release);
        self.0.writer.wake();
    }
}

/// The real type of a result column.
pub(super) fn column_oid(column: &Column) -> u32 {
    match column.type_().oid() {
        705 if column.type_modifier() != -1 => column.type_modifier() as u32,
        oid => oid,
    }
}

fn is_foreign(oid: [u8; 4]) -> bool {
    Type::from_oid(u32::from_be_bytes(oid)).is_none()
}

/// `RowDescription`: a count, then per column its name, table (4), attribute (2), type (4), size (2), modifier (4), format (2).
fn hide_column_types(body: &mut [u8]) -> Option<()> {
    let count = u16::from_be_bytes(*body.first_chunk()?);
    let mut rest = &mut body[2..];
    for _ in 0..count {
        let name = rest.iter().position(|byte| *byte == 0)? + 1;
        let field = rest.get_mut(name..name + 18)?;
        let oid: [u8; 4] = *field[6..].first_chunk()?;
        if is_foreign(oid) {
            field[6..10].copy_from_slice(&Type::UNKNOWN.oid().to_be_bytes());
            field[12..16].copy_from_slice(&oid);
        }
        rest = &mut rest[name + 18..];
    }
    Some(())
}

/// `ParameterDescription`: a count, then the types. Values are encoded by what was bound, so that the type is of no use.
fn hide_parameter_types(body: &mut [u8]) -> Option<()> {
    let (oids, _) = body.get_mut(2..)?.as_chunks_mut::<4>();
    for oid in oids {
        if is_foreign(*oid) {
            *oid = Type::UNKNOWN.oid().to_be_bytes();
        }
    }
    Some(())
}

/// The stream between socket (or TLS) and driver.
pub(super) struct Tap<S> {
    inner: S,
    state: Arc<WireState>,
    incoming: BytesMut,
    /// How much of `incoming` may be handed out.
    ready: usize,
    /// How much of a message that is not looked at is still to come.
    skip: usize,
}

impl<S> Tap<S> {
    pub(super) fn new(inner: S, state: Arc<WireState>) -> Self {
        Tap { inner, state, incoming: BytesMut::new(), ready: 0, skip: 0 }
    }

    pub(super) fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Looks at each whole message; one that is looked at is held back until it is complete.
    fn scan(&mut self) -> io::Result<()> {
        let mut at = self.ready;
        loop {
            let skipped = self.skip.min(self.incoming.len() - at);
            self.skip -= skipped;
            at += skipped;
            let Some(header) = self.incoming.get(at..at + HEADER).and_then(<[u8]>::first_chunk::<HEADER>) else {
                break;
            };
            let [tag, length @ ..] = *header;
            let total = u32::from_be_bytes(length) as usize + 1;
            if total < HEADER {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a server message is shorter than its header"));
            }
            if matches!(tag, b'Z' | b'E' | b'C' | b'S' | b'T' | b't') {
                let Some(message) = self.incoming.get_mut(at..at + total) else { break };
                self.state.observe(tag, &mut message[HEADER..]);
                at += total;
            } else {
                self.skip = total;
            }
        }
        self.ready = at;
        Ok(())
    }
}

impl<S> Drop for Tap<S> {
    fn drop(&mut self) {
        // Nothing more will come.
        self.state.failing.send_replace(false);
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Tap<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        while this.ready == 0 {
            if this.incoming.capacity() - this.incoming.len() < 4 * 1024 {
                this.incoming.reserve(16 * 1024);
            }
            // The future keeps nothing between polls, so that it may be dropped after each.
            if ready!(pin!(this.inner.read_buf(&mut this.incoming)).poll(cx))? == 0 {
                this.ready = this.incoming.len();
                break;
            }
            this.scan()?;
        }
        let taken = this.ready.min(buf.remaining());
        buf.put_slice(&this.incoming[..taken]);
        this.incoming.advance(taken);
        this.ready -= taken;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tap<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.state.holding.load(Ordering::Acquire) {
            self.state.writer.register(cx.waker());
            // It may have been let go in between.
            if self.state.holding.load(Ordering::Acquire) {
                return Poll::Pending;
            }
        }
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
