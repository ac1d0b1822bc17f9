//! What a client sends.

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

/// The kinds of message a client sends once it is signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MessageKind {
    /// SQL to be run at once, without values.
    Query,
    /// SQL to be prepared.
    Parse,
    /// Values for a prepared statement.
    Bind,
    /// Asks what a statement takes and answers.
    Describe,
    /// Runs a bound statement.
    Execute,
    /// Ends a unit of work.
    Sync,
    /// Asks to forget a prepared statement.
    Close,
    /// Asks for answers without ending the unit.
    Flush,
    /// Says farewell.
    Terminate,
    /// Anything else, by its first byte.
    Other(u8),
}

impl MessageKind {
    pub(super) fn of(tag: u8) -> Self {
        match tag {
            b'Q' => MessageKind::Query,
            b'P' => MessageKind::Parse,
            b'B' => MessageKind::Bind,
            b'D' => MessageKind::Describe,
            b'E' => MessageKind::Execute,
            b'S' => MessageKind::Sync,
            b'C' => MessageKind::Close,
            b'H' => MessageKind::Flush,
            b'X' => MessageKind::Terminate,
            other => MessageKind::Other(other),
        }
    }

    /// Whether the server ends its answer with `ReadyForQuery`.
    pub(super) fn ends_unit(self) -> bool {
        // `F` is the old call of a function.
        matches!(self, MessageKind::Query | MessageKind::Sync | MessageKind::Other(b'F'))
    }
}

/// One message of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// Which of the proxy's connections, counted from 0.
    pub connection: u64,
    /// What kind of message.
    pub kind: MessageKind,
    /// The text of a `Query` or `Parse`.
    pub sql: Option<String>,
}

impl Message {
    /// Whether this is a `Query` or `Parse` whose text begins with `prefix`, in capitals or not.
    pub fn is_sql(&self, prefix: &str) -> bool {
        let text = self.sql.as_deref().and_then(|sql| sql.get(..prefix.len()));
        text.is_some_and(|text| text.eq_ignore_ascii_case(prefix))
    }
}

/// A message with its bytes.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) tag: u8,
    pub(super) bytes: Bytes,
}

const HEADER: usize = 5;

impl Frame {
    pub(super) fn message(&self, connection: u64) -> Message {
        let kind = MessageKind::of(self.tag);
        let mut body = &self.bytes[HEADER.min(self.bytes.len())..];
        let sql = match kind {
            MessageKind::Query => text(&mut body),
            // The statement's name comes first.
            MessageKind::Parse => text(&mut body).and_then(|_| text(&mut body)),
            _ => None,
        };
        Message { connection, kind, sql }
    }
}

fn text(body: &mut &[u8]) -> Option<String> {
    let end = body.iter().position(|byte| *byte == 0)?;
    let text = String::from_utf8_lossy(&body[..end]).into_owned();
    *body = &body[end + 1..];
    Some(text)
}

/// Takes whole messages off a stream.
#[derive(Debug)]
pub(super) struct Reader<R> {
    stream: R,
    buffer: BytesMut,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    pub(super) fn new(stream: R) -> Self {
        Reader { stream, buffer: BytesMut::new() }
    }

    /// The next message, or `None` at the end of the stream.
    ///
    /// # Cancellation
    /// Nothing is lost when the future is dropped.
    pub(super) async fn next(&mut self) -> io::Result<Option<Frame>> {
        self.take(1).await
    }

    /// The first message of a client, which has no tag.
    pub(super) async fn next_untagged(&mut self) -> io::Result<Option<Frame>> {
        self.take(0).await
    }

    async fn take(&mut self, tag_length: usize) -> io::Result<Option<Frame>> {
        loop {
            let length = self.buffer.get(tag_length..tag_length + 4).and_then(<[u8]>::first_chunk::<4>);
            if let Some(length) = length {
                let total = u32::from_be_bytes(*length) as usize + tag_length;
                if self.buffer.len() >= total {
                    let tag = if tag_length == 0 { 0 } else { self.buffer[0] };
                    return Ok(Some(Frame { tag, bytes: self.buffer.split_to(total).freeze() }));
                }
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
        }
    }
}
