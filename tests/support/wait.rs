//! Waiting for something to become true.

use std::time::{Duration, Instant};

/// A machine that does much else may stop for seconds, and a longer limit costs nothing where all is well.
const LEAST: Duration = Duration::from_secs(60);

/// Asks again and again until the answer is `true`, and fails the test when that takes longer than `limit`, or than a
/// minute if that is more.
pub(crate) async fn eventually(what: &str, limit: Duration, question: impl AsyncFnMut() -> bool) {
    let limit = limit.max(LEAST);
    assert!(within(limit, question).await, "not within {limit:?}: {what}");
}

/// Asks again and again until the answer is `true`; `false` when that takes longer than `limit`.
pub(crate) async fn within(limit: Duration, mut question: impl AsyncFnMut() -> bool) -> bool {
    let started = Instant::now();
    while !question().await {
        if started.elapsed() >= limit {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    true
}
