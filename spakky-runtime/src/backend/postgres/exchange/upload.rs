//! Rows that are copied to the server.

use std::task::{Context, Poll, Waker, ready};

use bytes::{BufMut, Bytes, BytesMut};
use postgres_protocol::message::frontend;

use super::{Exchange, Ticket};
use crate::backend::postgres::types::TypeCatalog;

/// How much may wait to be written.
const UPLOAD_AHEAD: usize = 256 * 1024;
/// The most that is copied by one message. The server takes no message of 1 GiB.
const MESSAGE: usize = 64 * 1024;
/// The tag and the length of a message.
const HEADER: usize = 5;

impl Exchange {
    /// Waits until the server reads what is copied to it and has taken most of what it was sent, and sends it a piece, of which no
    /// more is taken in at once than may wait to be written. `false` once the server takes no more, when
    /// [`poll_finished`](Self::poll_finished) tells why.
    pub(in super::super) fn poll_upload(
        &mut self,
        ticket: Ticket,
        piece: &mut Bytes,
        types: &TypeCatalog,
        cx: &mut Context<'_>,
    ) -> Poll<bool> {
        ready!(self.poll_front(ticket, types, cx));
        loop {
            let Some(current) = self.under_way.front().filter(|current| current.ticket == ticket && !current.is_over)
            else {
                return Poll::Ready(false);
            };
            let (Some(line), accepts) = (&mut self.line, current.accepts) else { return Poll::Ready(false) };
            if current.finished.failure.is_some() {
                return Poll::Ready(false);
            }
            if !accepts {
                ready!(self.poll_some(types, cx));
                continue;
            }
            // What the server says meanwhile, if only that it has had enough.
            match line.next() {
                Ok(Some(frame)) => self.take(&frame, types),
                Ok(None) => match line.poll_turn(cx) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(error)) => self.broke(&error),
                    Poll::Pending => {
                        let left = piece.len();
                        if copy_data(piece, &mut line.output) {
                            return Poll::Ready(true);
                        }
                        if piece.len() == left {
                            return Poll::Pending;
                        }
                    }
                },
                Err(error) => self.broke(&error),
            }
        }
    }

    /// Tells the server that all was copied to it, or that it is to give up, and why.
    pub(in super::super) fn end_upload(&mut self, ticket: Ticket, end: Result<(), &str>) {
        let current = self.under_way.iter_mut().find(|current| current.ticket == ticket && current.accepts);
        let (Some(current), Some(line)) = (current, &mut self.line) else { return };
        current.accepts = false;
        match end {
            Ok(()) => frontend::copy_done(&mut line.output),
            // The reason is ours, without a NUL character.
            Err(reason) => drop(frontend::copy_fail(reason, &mut line.output)),
        }
        let _ = line.poll_write(&mut Context::from_waker(Waker::noop()));
    }
}

/// Moves a piece of what is copied to the server into messages, as far as they may wait to be written; `false` where more would
/// have to.
fn copy_data(piece: &mut Bytes, out: &mut BytesMut) -> bool {
    loop {
        let length = piece.len().min(MESSAGE);
        if out.len() + HEADER + length > UPLOAD_AHEAD {
            return false;
        }
        if length == 0 {
            return true;
        }
        out.put_u8(b'd');
        // It counts itself.
        out.put_u32(length as u32 + 4);
        out.put(piece.split_to(length));
    }
}

#[cfg(test)]
mod tests {
    use bytes::Buf;

    use super::*;

    /// The rows of messages.
    fn read(mut messages: BytesMut) -> Vec<Bytes> {
        let mut rows = Vec::new();
        while messages.has_remaining() {
            assert_eq!(messages.get_u8(), b'd');
            let length = messages.get_u32() as usize - 4;
            rows.push(messages.split_to(length).freeze());
        }
        rows
    }

    #[test]
    fn a_long_piece_is_taken_in_as_it_is_written() {
        let all: Bytes = (0..8 * 1024 * 1024_u32).map(|at| at.to_le_bytes()[at as usize % 3]).collect();
        let (mut piece, mut sent) = (all.clone(), Vec::new());
        loop {
            let mut out = BytesMut::new();
            let is_over = copy_data(&mut piece, &mut out);
            assert!(out.len() <= UPLOAD_AHEAD && is_over == piece.is_empty());
            sent.extend(read(out));
            if is_over {
                break;
            }
        }
        assert!(sent.len() == all.len() / MESSAGE && sent.iter().all(|rows| rows.len() == MESSAGE));
        assert_eq!(sent.concat(), all);
    }

    #[test]
    fn a_short_piece_is_one_message_and_none_is_no_message() {
        let mut out = BytesMut::new();
        assert!(copy_data(&mut Bytes::new(), &mut out) && out.is_empty());
        assert!(copy_data(&mut Bytes::from_static(b"1\tx\n"), &mut out));
        assert_eq!(out[..], *b"d\0\0\0\x081\tx\n");
        // Where as much waits as may, the next one does, too.
        let mut full = BytesMut::zeroed(UPLOAD_AHEAD);
        let mut piece = Bytes::from_static(b"1\tx\n");
        assert!(!copy_data(&mut piece, &mut full) && !copy_data(&mut Bytes::new(), &mut full));
        assert_eq!((piece.len(), full.len()), (4, UPLOAD_AHEAD));
    }
}
