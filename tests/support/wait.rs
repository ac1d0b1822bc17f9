//! Waiting for something to become true.

use std::time::{Duration, Instant};

/// A machine that does much else may stop for seconds, and a longer limit costs nothing where all is well.
const LEAST: Duration = Duration::from_secs(60);

/// Asks again and again until the answer is `true`, and fails the test when that takes longer than `limit`, or than a
/// minute if that is more.
pub(crate) async fn eventually(what: &str, limit: Duration, mut question: impl AsyncFnMut() -> bool) {
    let limit = limit.max(LEAST);
    let started = Instant::now();
    while !question().await {
        assert!(started.elapsed() < limit, "not within {limit:?}: {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
