//! Making a connection clean, or finding that it is not.

use std::borrow::Cow;
use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, timeout, timeout_at};

use super::cancel::CANCEL_LIMIT;
use super::core::Core;
use super::tap::TransactionState;

/// How long a statement may go on before it is cancelled: most are done sooner than a cancel request would be.
const GRACE: Duration = Duration::from_millis(20);

/// How long all of it may take before the connection is closed instead.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// How long a cancelled statement may take to end before it is asked again.
const AGAIN: Duration = Duration::from_millis(100);

impl Core {
    pub(super) async fn cancel(&self) {
        if !self.ask_to_stop().await {
            // It may run for hours; closing the socket is what is left.
            self.close();
        }
    }

    /// Asks the server to stop what it runs; answers whether it took the request.
    pub(super) async fn ask_to_stop(&self) -> bool {
        let request = async {
            self.wire.begun().await;
            self.cancel_requests.send(&self.runtime).await
        };
        matches!(timeout(CANCEL_LIMIT, request).await, Ok(true))
    }

    /// Ends what is left over. See [`Connection::reset`](crate::backend::Connection::reset).
    ///
    /// # Cancellation
    /// When dropped, the connection is as unclean as it was, and knows so.
    pub(super) async fn reset(&self, deadline: Duration) -> bool {
        let end = Instant::now() + deadline;
        if !self.is_usable() || !self.cancels_settled().await {
            return false;
        }
        let (quiet, transaction) = {
            let outbox = self.outbox();
            (outbox.is_quiet(), outbox.transaction)
        };
        if quiet && !transaction && self.wire.transaction() == TransactionState::Idle && !self.is_touched() {
            return true;
        }
        let clean = timeout_at(end, self.clean_up(quiet, transaction)).await.unwrap_or(false);
        if !clean {
            self.close();
        }
        clean
    }

    async fn clean_up(&self, quiet: bool, transaction: bool) -> bool {
        // Sent behind what is running: its answer means that all of it is over.
        let mut transaction = transaction;
        if quiet {
            if !self.undo(transaction).await {
                return false;
            }
        } else if !self.stop_and(self.undo(transaction)).await {
            return false;
        }
        // The cancellation may have hit the ROLLBACK itself.
        loop {
            transaction = self.wire.transaction() != TransactionState::Idle;
            if !transaction {
                break;
            }
            self.undo(transaction).await;
            if !self.is_usable() {
                return false;
            }
        }
        // It may have hit what was sent with it, too.
        if self.is_touched() {
            self.undo(false).await;
        }
        if self.is_touched() || !self.is_usable() {
            return false;
        }
        let mut outbox = self.outbox();
        let clean = outbox.open == 0;
        if clean {
            outbox.unobserved = 0;
            outbox.transaction = false;
            self.wire.expect_nothing();
        }
        clean
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
    pub(super) async fn stop(&self) {
        if !matches!(timeout(STOP_LIMIT, self.stop_and(self.run(""))).await, Ok(true)) {
            self.close();
        }
    }

    /// Does what is sent behind what is running, and has that cancelled.
    async fn stop_and(&self, behind: impl Future<Output = bool>) -> bool {
        let mut ended = std::pin::pin!(behind);
        let mut patience = GRACE;
        loop {
            let in_time = timeout(patience, ended.as_mut()).await.ok();
            let ended = match in_time {
                Some(ended) => Some(ended),
                None => tokio::select! {
                    ended = ended.as_mut() => Some(ended),
                    () = self.wire.begun() => None,
                },
            };
            match ended {
                Some(ended) => return ended,
                // The request is waited for before anything else: one that comes late would hit whoever uses the
                // connection next. It is repeated, since one that comes early hits nothing.
                None if self.cancel_requests.send(&self.runtime).await => patience = AGAIN,
                None => return false,
            }
        }
    }

    /// Sends a ROLLBACK where a transaction is to be ended, and behind it what undoes the rest that a user's own text left; an
    /// empty query where there is neither. Waits for the answer to everything sent.
    async fn undo(&self, transaction: bool) -> bool {
        let touched = self.is_touched();
        let restore = if touched { self.restore.as_str() } else { "" };
        let sql = match (transaction, touched) {
            (true, true) => Cow::Owned(format!("ROLLBACK; {restore}")),
            (true, false) => Cow::Borrowed("ROLLBACK"),
            (false, _) => Cow::Borrowed(restore),
        };
        self.run(&sql).await
    }

    /// Sends a text and waits for the answer to everything sent; answers whether the connection can go on.
    async fn run(&self, sql: &str) -> bool {
        match self.client.batch_execute(sql).await {
            Ok(()) => {
                if sql.ends_with(&self.restore) {
                    self.restored();
                }
                true
            }
            Err(error) => {
                self.failure(error);
                self.wire.settled().await;
                self.is_usable()
            }
        }
    }

    /// Whether the server answers.
    pub(super) async fn ping(&self, deadline: Duration) -> bool {
        self.is_usable() && matches!(timeout(deadline, self.run("")).await, Ok(true)) && self.is_usable()
    }
}
