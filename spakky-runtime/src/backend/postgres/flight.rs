//! A burst on its way: handed over at once where nothing is under way, else when its turn comes.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;

use super::core::Core;
use super::encode::{Job, Sent, encode};
use super::exchange::{Exchange, Failure, Finished, Ticket};
use super::rows::RawRow;

/// A burst on its way.
///
/// # Cancellation
/// Dropped, it runs to its end in the server if it was handed over, and its answers are passed over by whoever uses the connection
/// next. One that still waited for its turn is not sent.
pub(super) struct Flight {
    core: Arc<Core>,
    stage: Stage,
    ticket: Ticket,
    pub(super) sent: Sent,
}

enum Stage {
    /// It waits for its turn; whether it insists on a transaction.
    Waiting(Job, bool),
    UnderWay,
    /// It could not be handed over.
    Failed(Option<(usize, Failure)>),
    Taken,
}

impl Flight {
    /// Hands over a job before it returns, unless another one is under way that may leave a transaction open.
    pub(super) fn launch(core: &Arc<Core>, job: Job) -> Self {
        let is_turn = matches!(job, Job::Turn);
        Flight::launch_if(core, job, false, |exchange| exchange.ends_transaction() && !is_turn)
    }

    /// Hands over a job with the one that is under way and opens a transaction. It fails where it turns out to run in none, whatever
    /// became of the other one.
    pub(super) fn launch_behind(core: &Arc<Core>, job: Job) -> Self {
        Flight::launch_if(core, job, true, Exchange::can_follow)
    }

    fn launch_if(core: &Arc<Core>, job: Job, insists: bool, may: impl FnOnce(&Exchange) -> bool) -> Self {
        let mut exchange = core.exchange();
        if exchange.is_quiet() || may(&exchange) {
            let (stage, ticket, sent) = start(core, &mut exchange, &job, insists);
            drop(exchange);
            return Flight { core: core.clone(), stage, ticket: ticket.unwrap_or_default(), sent };
        }
        let ticket = exchange.queue();
        drop(exchange);
        Flight { core: core.clone(), stage: Stage::Waiting(job, insists), ticket, sent: Sent::default() }
    }

    /// Waits for its turn, and hands it over then.
    fn poll_start(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Stage::Waiting(job, insists) = &self.stage else { return Poll::Ready(()) };
        let mut exchange = self.core.exchange();
        let (stage, ticket, sent) = match ready!(exchange.poll_turn(self.ticket, &self.core.types, cx)) {
            Ok(()) => start(&self.core, &mut exchange, job, *insists),
            Err(end) => (Stage::Failed(Some((0, Failure::Closed(end)))), None, Sent::default()),
        };
        self.ticket = ticket.unwrap_or_default();
        self.sent = sent;
        drop(exchange);
        self.stage = stage;
        Poll::Ready(())
    }

    /// Waits for all answers.
    pub(super) async fn finished(mut self) -> (Finished, Sent) {
        let finished = poll_fn(|cx| {
            ready!(self.poll_start(cx));
            if let Stage::Failed(failure) = &mut self.stage {
                return Poll::Ready(Finished { failure: failure.take(), ..Finished::default() });
            }
            self.core.exchange().poll_finished(self.ticket, &self.core.types, cx)
        })
        .await;
        self.stage = Stage::Taken;
        (finished, self.sent)
    }

    /// Waits for the next row of a query; `None` behind the last one, when [`take`](Self::take) tells what came of it.
    pub(super) fn poll_row(&mut self, cx: &mut Context<'_>) -> Poll<Option<RawRow>> {
        ready!(self.poll_start(cx));
        if matches!(self.stage, Stage::Failed(_) | Stage::Taken) {
            return Poll::Ready(None);
        }
        self.core.exchange().poll_row(self.ticket, &self.core.types, cx)
    }

    /// Waits until a server that is copied to takes more, and sends it a piece; `false` once it takes none.
    pub(super) fn poll_upload(&mut self, piece: &mut Bytes, cx: &mut Context<'_>) -> Poll<bool> {
        ready!(self.poll_start(cx));
        if matches!(self.stage, Stage::Failed(_) | Stage::Taken) {
            return Poll::Ready(false);
        }
        self.core.exchange().poll_upload(self.ticket, piece, &self.core.types, cx)
    }

    /// Tells a server that is copied to that this was all, or why it is to give up.
    pub(super) fn end_upload(&self, end: Result<(), &str>) {
        self.core.exchange().end_upload(self.ticket, end);
    }

    /// What came of a query whose rows have all been read.
    pub(super) fn take(&mut self) -> Finished {
        match std::mem::replace(&mut self.stage, Stage::Taken) {
            Stage::Failed(failure) => Finished { failure, ..Finished::default() },
            _ => self.core.exchange().take_finished(self.ticket),
        }
    }
}

/// Writes a job and hands it over.
fn start(core: &Core, exchange: &mut Exchange, job: &Job, insists: bool) -> (Stage, Option<Ticket>, Sent) {
    if matches!(job, Job::Turn) {
        exchange.skip();
        return (Stage::Failed(None), None, Sent::default());
    }
    // The server may have said meanwhile that it ends the connection: then nothing of this was done.
    let begins_outside = !exchange.is_idle() && !insists;
    exchange.catch_up(&core.types);
    match encode(core, exchange, job, insists).map(|(outgoing, sent)| {
        // What was under way was to end its transaction. If it did not, it is no business of this one.
        (outgoing, Sent { begins_outside: begins_outside || sent.begins_outside, ..sent })
    }) {
        Ok((outgoing, sent)) => match exchange.start(outgoing) {
            Ok(ticket) => (Stage::UnderWay, Some(ticket), sent),
            Err(end) => (Stage::Failed(Some((0, Failure::Closed(end)))), None, sent),
        },
        Err((step, error)) => {
            exchange.skip();
            (Stage::Failed(Some((step, Failure::Unsent(error)))), None, Sent::default())
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if matches!(self.stage, Stage::Waiting(..) | Stage::UnderWay) {
            self.core.exchange().abandon(self.ticket);
        }
    }
}
