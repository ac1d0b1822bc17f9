//! The time of a scope, beyond its body.

use std::future::Future;

use tokio::time::{Instant, timeout_at};

use super::TransactionOptions;
use crate::error::Error;

/// Until when a scope may be at work, if it has a limit. What is left to be done behind its body and ahead of COMMIT (hooks, what a
/// nested scope sends at its end) is bound by it, too; COMMIT is not.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TimeLimit<'a>(Option<(Instant, &'a TransactionOptions)>);

impl<'a> TimeLimit<'a> {
    pub(crate) const NONE: TimeLimit<'static> = TimeLimit(None);

    /// That of a scope that begins now.
    pub(crate) fn from_now(options: &'a TransactionOptions) -> Self {
        // A moment that no clock reaches is none.
        let end = options.timeout.and_then(|limit| Instant::now().checked_add(limit));
        TimeLimit(end.map(|end| (end, options)))
    }

    /// Does it until the time is over.
    ///
    /// # Errors
    /// Its own, and one that the time is over: then it was dropped where it stood.
    pub(crate) async fn keep<T>(self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        match self.0 {
            Some((end, options)) => timeout_at(end, work).await.unwrap_or_else(|_| Err(options.out_of_time())),
            None => work.await,
        }
    }
}
