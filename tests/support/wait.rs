//! Waiting for something to become true.

use std::time::{Duration, Instant};

/// Asks again and again until the answer is `true`, and fails the test when that takes longer than `limit`.
pub(crate) async fn eventually(what: &str, limit: Duration, mut question: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !question().await {
        assert!(started.elapsed() < limit, "not within {limit:?}: {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
