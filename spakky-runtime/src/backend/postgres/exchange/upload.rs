//! Rows that are copied to the server.

use std::io;
use std::task::{Context, Poll, Waker, ready};

use bytes::BytesMut;
use postgres_protocol::message::frontend;

use super::{Exchange, Ticket};
use crate::backend::postgres::types::TypeCatalog;

/// How much may wait to be written before more is taken in.
const UPLOAD_AHEAD: usize = 256 * 1024;

impl Exchange {
    /// Waits until the server reads what is copied to it and has taken most of what it was sent, and sends it a piece. `false` once
    /// it takes no more, when [`poll_finished`](Self::poll_finished) tells why.
    pub(in super::super) fn poll_upload(
        &mut self,
        ticket: Ticket,
        piece: &[u8],
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
                    Poll::Pending if line.output.len() > UPLOAD_AHEAD => return Poll::Pending,
                    Poll::Pending => {
                        if !piece.is_empty() && copy_data(piece, &mut line.output).is_err() {
                            self.end_upload(ticket, Err("a piece of rows is longer than 1 GiB"));
                            return Poll::Ready(false);
                        }
                        return Poll::Ready(true);
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

/// Appends a piece of what is copied to the server.
fn copy_data(piece: &[u8], out: &mut BytesMut) -> io::Result<()> {
    let length = i32::try_from(piece.len() + 4).map_err(|_| io::ErrorKind::InvalidInput)?;
    out.extend_from_slice(b"d");
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(piece);
    Ok(())
}
