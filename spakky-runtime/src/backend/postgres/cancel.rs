//! Cancel requests: a second line to the server, on which it is asked to stop what the first one runs.

#[cfg(unix)]
use std::path::PathBuf;
use std::time::Duration;

use tokio_postgres::CancelToken;

use super::negotiate::Negotiator;

/// How long a cancel request may take that the caller sets no limit to.
pub(super) const CANCEL_LIMIT: Duration = Duration::from_secs(5);

/// How a running statement can be stopped.
pub(super) enum Canceller {
    /// By a second socket, opened like the first one.
    Tcp(CancelToken, Negotiator),
    #[cfg(unix)]
    Unix(CancelToken, Negotiator, PathBuf),
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
    pub(super) async fn cancel(&self) -> bool {
        match self {
            Canceller::Tcp(token, negotiator) => token.cancel_query(negotiator.clone()).await.is_ok(),
            #[cfg(unix)]
            Canceller::Unix(token, negotiator, path) => match tokio::net::UnixStream::connect(path).await {
                Ok(stream) => token.cancel_query_raw(stream, negotiator.on("")).await.is_ok(),
                Err(_) => false,
            },
            Canceller::Unsupported => false,
        }
    }
}
