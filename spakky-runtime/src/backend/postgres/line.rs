//! What travels to and from a server, as bytes and as messages.
//!
//! Whoever waits for an answer moves the line on by polling it: it writes what the socket takes and reads what is there, both
//! at once, so that a server which stops reading until its answers are taken never stops it. Everything that is owed by either
//! side stays here, never in a future: a future that is dropped loses nothing.

use std::io;
use std::ops::Range;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWrite};

use super::socket::Stream;

/// The tag and the length, which counts itself but not the tag.
const HEADER: usize = 5;
/// The most that a buffer keeps between bursts.
const KEPT: usize = 1 << 20;
/// How much is read at once, at least.
const CHUNK: usize = 16 * 1024;
/// From here on, what was read is removed from in front of what was not.
const READ_ENOUGH: usize = 64 * 1024;

/// A message of the server's that is here as a whole.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    pub(super) tag: u8,
    body: Range<usize>,
}

/// The line to a server.
pub(super) struct Line {
    stream: Stream,
    /// What is yet to be written.
    pub(super) output: BytesMut,
    /// What was written may still be on this side, by an encryption that fills its records.
    is_unflushed: bool,
    input: BytesMut,
    /// Where in `input` the next message begins.
    read: usize,
}

impl Line {
    pub(super) fn new(stream: Stream) -> Self {
        let (output, input) = (BytesMut::new(), BytesMut::with_capacity(CHUNK));
        Line { stream, output, is_unflushed: false, input, read: 0 }
    }

    pub(super) fn stream(&self) -> &Stream {
        &self.stream
    }

    /// The next message, if all of it is here. Its body can be read until the line is moved on.
    ///
    /// # Errors
    /// For one that is shorter than its header.
    pub(super) fn next(&mut self) -> io::Result<Option<Frame>> {
        let rest = &self.input[self.read..];
        let Some([tag, length @ ..]) = rest.first_chunk::<HEADER>() else { return Ok(None) };
        let total = u32::from_be_bytes(*length) as usize + 1;
        if total < HEADER {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a server message is shorter than its header"));
        }
        if rest.len() < total {
            return Ok(None);
        }
        let body = self.read + HEADER..self.read + total;
        self.read = body.end;
        Ok(Some(Frame { tag: *tag, body }))
    }

    pub(super) fn body(&self, frame: &Frame) -> &[u8] {
        &self.input[frame.body.clone()]
    }

    /// Whether the server has said something that nobody has read.
    pub(super) fn has_unread(&self) -> bool {
        self.read < self.input.len()
    }

    /// Writes what the socket takes. A failure shows to whoever reads: the reason of it may be there.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while !self.output.is_empty() {
            match Pin::new(&mut self.stream).poll_write(cx, &self.output) {
                Poll::Ready(Ok(count)) if count > 0 => {
                    self.output.advance(count);
                    self.is_unflushed = self.stream.is_encrypted();
                }
                Poll::Ready(_) => self.output.clear(),
                Poll::Pending => return Poll::Pending,
            }
        }
        if self.is_unflushed {
            let _ = ready!(Pin::new(&mut self.stream).poll_flush(cx));
            self.is_unflushed = false;
        }
        Poll::Ready(())
    }

    /// Writes what the socket takes and waits for something to read.
    ///
    /// # Errors
    /// When the line has ended.
    pub(super) fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.poll_write(cx).is_ready() {
            self.shrink_output();
        }
        if self.read == self.input.len() {
            self.input.clear();
            self.read = 0;
            // Room for one very large answer is not kept for ever.
            if self.input.capacity() > KEPT {
                self.input = BytesMut::with_capacity(CHUNK);
            }
        } else if self.read > READ_ENOUGH {
            self.input.advance(self.read);
            self.read = 0;
        }
        if self.input.capacity() - self.input.len() < CHUNK / 4 {
            self.input.reserve(CHUNK);
        }
        // The future keeps nothing between polls, so that it may be dropped after each.
        match ready!(pin!(self.stream.read_buf(&mut self.input)).poll(cx))? {
            0 => Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the line"))),
            _ => Poll::Ready(Ok(())),
        }
    }

    fn shrink_output(&mut self) {
        if self.output.capacity() > KEPT {
            self.output = BytesMut::new();
        }
    }
}
