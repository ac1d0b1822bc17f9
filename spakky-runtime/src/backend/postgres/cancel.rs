//! Cancel requests: a second line to the server, on which it is asked to stop what the first one runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use tokio::io::AsyncWriteExt;
use tokio::runtime::Handle;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::socket::{Opening, Place};
use super::startup::Key;

/// How long a cancel request may take.
pub(super) const CANCEL_LIMIT: Duration = Duration::from_secs(5);

/// What stands in a request to cancel in the place of the protocol's version.
const CANCEL_REQUEST: u32 = (1234 << 16) | 5678;

/// How a running statement can be stopped.
pub(super) enum Canceller {
    /// By a second line, opened like the first one, that names its key.
    Supported { place: Place, opening: Opening, key: Key },
    /// Not at all: what is in between does not pass the request on.
    Unsupported,
}

impl Canceller {
    /// Whether requests reach the server.
    pub(super) fn is_supported(&self) -> bool {
        !matches!(self, Canceller::Unsupported)
    }

    /// Answers whether the server took the request. It has acted on it by then, so that what is sent afterwards is safe
    /// from a late cancellation.
    async fn cancel(&self) -> bool {
        let Canceller::Supported { place, opening, key } = self else { return false };
        let Ok(mut line) = opening.open(place).await else { return false };
        let mut request = BytesMut::new();
        // The length, the code that asks for it, the process and its secret.
        request.put_u32(u32::try_from(12 + key.secret.len()).unwrap_or(u32::MAX));
        request.put_u32(CANCEL_REQUEST);
        request.put_i32(key.process);
        request.put_slice(&key.secret);
        if line.write_all(&request).await.is_err() {
            return false;
        }
        // Where this fails the server may have it all the same, and has closed the line behind it.
        let _ = line.flush().await;
        // The server closes the line after the signal was given; one that resets it instead is done with it all the same.
        let _ = tokio::io::copy(&mut line, &mut tokio::io::sink()).await;
        true
    }
}

/// The cancel requests of one connection.
///
/// Each goes its way by itself. One that nobody waits for any more reaches the server all the same, some time later, and would
/// stop whatever runs there by then: so what is sent next has to wait for it.
pub(super) struct CancelRequests {
    canceller: Arc<Canceller>,
    /// Held by the one that is under way.
    under_way: Arc<Mutex<()>>,
    /// One took too long, and may reach the server at any time.
    is_lost: Arc<AtomicBool>,
}

impl CancelRequests {
    pub(super) fn new(canceller: Canceller) -> Self {
        CancelRequests { canceller: Arc::new(canceller), under_way: Arc::default(), is_lost: Arc::default() }
    }

    /// Whether requests reach the server.
    pub(super) fn are_supported(&self) -> bool {
        self.canceller.is_supported()
    }

    /// Sends one, behind the one that is under way; answers whether the server took it and has acted on it.
    ///
    /// # Cancellation
    /// The request goes on. [`settled`](Self::settled) waits for it.
    pub(super) async fn send(&self, runtime: &Handle) -> bool {
        let under_way = Arc::clone(&self.under_way).lock_owned().await;
        let (canceller, is_lost) = (Arc::clone(&self.canceller), Arc::clone(&self.is_lost));
        let request = runtime.spawn(async move {
            let taken = timeout(CANCEL_LIMIT, canceller.cancel()).await;
            if taken.is_err() {
                is_lost.store(true, Ordering::Release);
            }
            drop(under_way);
            taken == Ok(true)
        });
        request.await.unwrap_or(false)
    }

    /// Waits for the one that is under way; `false` if one may reach the server at any time.
    pub(super) async fn settled(&self) -> bool {
        drop(self.under_way.lock().await);
        !self.is_lost.load(Ordering::Acquire)
    }
}
