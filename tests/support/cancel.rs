//! Futures that are dropped at a chosen moment.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Whether a future was dropped or came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cancelled<T> {
    /// It was dropped.
    Yes,
    /// It came to its end before.
    No(T),
}

/// A future that is polled no more than a number of times.
pub(crate) struct Cancellable<F> {
    future: Option<Pin<Box<F>>>,
    polls_left: usize,
    /// Dropped only when it is woken once more: the answer it waited for is there then.
    when_woken: bool,
}

/// Polls `future` up to `polls` times, then drops it: at once, or when it is woken after that.
pub(crate) fn cancel_after<F: Future>(polls: usize, when_woken: bool, future: F) -> Cancellable<F> {
    Cancellable { future: Some(Box::pin(future)), polls_left: polls, when_woken }
}

impl<F: Future> Future for Cancellable<F> {
    type Output = Cancelled<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.polls_left == 0 {
            self.future = None;
            return Poll::Ready(Cancelled::Yes);
        }
        self.polls_left -= 1;
        let Some(future) = self.future.as_mut() else { return Poll::Pending };
        match future.as_mut().poll(context) {
            Poll::Ready(value) => Poll::Ready(Cancelled::No(value)),
            Poll::Pending if self.polls_left == 0 && !self.when_woken => {
                self.future = None;
                Poll::Ready(Cancelled::Yes)
            }
            Poll::Pending => Poll::Pending,
        }
    }
}
