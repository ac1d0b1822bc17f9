//! Making a connection clean, or finding that it is not.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout, timeout_at};

use super::cancel::CANCEL_LIMIT;
use super::core::Core;
use super::encode::Job;
use super::exchange::TransactionState;
use crate::backend::connection::{AGAIN, GRACE};

/// How long all of it may take before the connection is closed instead.
const RESET_LIMIT: Duration = Duration::from_secs(30);

/// How often it is tried to undo what was left.
const ATTEMPTS: usize = 10;

impl Core {
    pub(super) async fn cancel(&self) {
        if !self.ask_to_stop().await {
            // It may run for hours; closing the socket is what is left.
            self.close();
        }
    }

    /// Asks the server to stop what it runs; answers whether it took the request.
    pub(super) async fn ask_to_stop(&self) -> bool {
        matches!(timeout(CANCEL_LIMIT, self.cancel_requests.send(&self.runtime)).await, Ok(true))
    }

    /// Ends what is left over. See [`Connection::reset`](crate::backend::Connection::reset).
    ///
    /// # Cancellation
    /// When dropped, the connection is as unclean as it was, and knows so.
    pub(super) async fn reset(self: &Arc<Self>, deadline: Duration) -> bool {
        let end = Instant::now() + deadline;
        if !self.is_usable() || !self.cancels_settled().await {
            return false;
        }
        let (is_quiet, transaction) = {
            let exchange = self.exchange();
            (exchange.is_quiet(), exchange.transaction())
        };
        if is_quiet && transaction == TransactionState::Idle && !self.is_touched() {
            return true;
        }
        let clean = timeout_at(end, self.clean_up()).await.unwrap_or(false);
        if !clean {
            self.close();
        }
        clean
    }

    async fn clean_up(self: &Arc<Self>) -> bool {
        if self.exchange().is_awaited() || !self.stop_and(self.turn()).await {
            return false;
        }
        // A cancellation may hit the ROLLBACK itself, or what is sent with it.
        for _ in 0..ATTEMPTS {
            let is_open = self.transaction() != TransactionState::Idle;
            if !is_open && !self.is_touched() {
                return self.is_usable();
            }
            if !self.undo(is_open).await {
                return false;
            }
        }
        false
    }

    /// Waits for a cancel request that nobody waited for to its end, which would hit what is sent next. Where it may come at any
    /// time, the connection is closed. Answers whether the connection can go on.
    pub(super) async fn cancels_settled(&self) -> bool {
        let settled = self.cancel_requests.settled().await;
        if !settled {
            self.close();
        }
        settled
    }

    /// Has the statements end that were sent and given up. Inside a transaction this fails it, up to its last savepoint.
    pub(super) async fn stop(self: &Arc<Self>) {
        if !matches!(timeout(RESET_LIMIT, self.stop_and(self.turn())).await, Ok(true)) {
            self.close();
        }
    }

    /// Does what is sent behind what is running, and has that cancelled.
    async fn stop_and(&self, behind: impl Future<Output = bool>) -> bool {
        let mut ended = std::pin::pin!(behind);
        let mut patience = GRACE;
        loop {
            match timeout(patience, ended.as_mut()).await {
                Ok(ended) => return ended,
                // The request is waited for before anything else: one that comes late would hit whoever uses the
                // connection next. It is repeated, since one that comes early hits nothing.
                Err(_) if self.cancel_requests.send(&self.runtime).await => patience = AGAIN,
                Err(_) => return false,
            }
        }
    }

    /// Waits until what was sent and given up has been answered.
    pub(super) async fn answered(self: &Arc<Self>) {
        let is_quiet = self.exchange().is_quiet();
        if !is_quiet {
            Box::pin(self.launch(Job::Turn).finished()).await;
        }
    }

    /// Waits until what was sent before has been answered; answers whether the connection can go on.
    async fn turn(self: &Arc<Self>) -> bool {
        self.launch(Job::Turn).finished().await;
        self.is_usable()
    }

    /// Sends a ROLLBACK where a transaction is to be ended, and behind it what undoes the rest that a user's own text left. Answers
    /// whether the connection can go on.
    pub(super) async fn undo(self: &Arc<Self>, transaction: bool) -> bool {
        let is_touched = self.is_touched();
        let mut texts: Vec<&str> = Vec::new();
        texts.extend(transaction.then_some("ROLLBACK"));
        if is_touched {
            texts.extend(self.restore.iter().map(String::as_str));
        }
        let (finished, _) = self.launch(Job::Text(texts.join("; "))).finished().await;
        if is_touched && finished.failure.is_none() {
            self.restored();
        }
        self.is_usable()
    }

    /// Whether the server answers.
    pub(super) async fn ping(self: &Arc<Self>, deadline: Duration) -> bool {
        let asked = async { self.launch(Job::Text(String::new())).finished().await };
        self.is_usable() && timeout(deadline, asked).await.is_ok() && self.is_usable()
    }
}
