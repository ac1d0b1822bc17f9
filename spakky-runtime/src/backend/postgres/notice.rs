//! Notices: what a server says beside its answers.

use std::fmt;

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::server_error::ServerError;

/// How many notices are kept for a subscriber who does not take them.
const KEPT: usize = 256;

/// What PostgreSQL says beside an answer: `RAISE NOTICE` and `RAISE WARNING`, and its own hints.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Notice {
    /// `WARNING`, `NOTICE`, `INFO`, `LOG` or `DEBUG`, whatever language the server speaks.
    pub severity: String,
    /// The SQLSTATE, `00000` for one that a function raises without another.
    pub code: String,
    /// What is said. It may hold anything, stored values too.
    pub message: String,
    /// More of it, where there is more.
    pub detail: Option<String>,
    /// What to do, where the server knows.
    pub hint: Option<String>,
}

/// Without what is said, which may be anything.
impl fmt::Debug for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notice").field("severity", &self.severity).field("code", &self.code).finish_non_exhaustive()
    }
}

/// A subscriber to the notices of all connections of a [`SessionManager`](crate::SessionManager).
#[derive(Debug)]
pub struct Notices {
    receiver: broadcast::Receiver<Notice>,
    missed: u64,
}

impl Notices {
    /// Waits for the next notice; `None` once the manager and all its connections are gone.
    ///
    /// Of more than 256 that were not taken, the oldest are left out, and [counted](Self::missed).
    ///
    /// # Cancellation
    /// Dropping the future loses nothing.
    pub async fn recv(&mut self) -> Option<Notice> {
        loop {
            match self.receiver.recv().await {
                Ok(notice) => return Some(notice),
                Err(RecvError::Lagged(missed)) => self.missed += missed,
                Err(RecvError::Closed) => return None,
            }
        }
    }

    /// How many were left out so far.
    pub fn missed(&self) -> u64 {
        self.missed
    }
}

/// Where connections tell their notices.
#[derive(Clone)]
pub(super) struct NoticeSink {
    sender: broadcast::Sender<Notice>,
}

impl Default for NoticeSink {
    fn default() -> Self {
        NoticeSink { sender: broadcast::Sender::new(KEPT) }
    }
}

impl NoticeSink {
    pub(super) fn subscribe(&self) -> Notices {
        Notices { receiver: self.sender.subscribe(), missed: 0 }
    }

    /// Tells a `NoticeResponse` to whoever has subscribed.
    pub(super) fn tell(&self, body: &[u8]) {
        if self.sender.receiver_count() == 0 {
            return;
        }
        let ServerError { severity, code, message, detail, hint, .. } = ServerError::read(body);
        // Whoever has unsubscribed by now does not miss it.
        let _ = self.sender.send(Notice { severity, code, message, detail, hint });
    }
}

impl fmt::Debug for NoticeSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NoticeSink").field("subscribers", &self.sender.receiver_count()).finish()
    }
}
