//! Requests to stop that nobody waits for.

use std::future::poll_fn;
use std::task::Poll;

use super::support::*;

#[tokio::test]
async fn a_request_that_was_given_up_stops_nothing_that_is_sent_later() {
    let database = TestDatabase::create().await;
    let connection = database.connect().await;
    // A request goes through few states; given up in each of them, several times, since the server takes its time, too.
    for polls in (1..=6).cycle().take(60) {
        let core = &connection.core;
        let mut asking = Box::pin(core.cancel_requests.send(&core.runtime));
        let mut polled = 0;
        poll_fn(|context| {
            polled += 1;
            match asking.as_mut().poll(context) {
                Poll::Pending if polled < polls => Poll::Pending,
                _ => Poll::Ready(()),
            }
        })
        .await;
        drop(asking);
        assert!(connection.reset(LIMIT).await, "given up at poll {polls}");
        // Long enough to be met by what comes late.
        answers(&connection, vec![cached("SELECT 1::int8 FROM pg_sleep(0.01)", Vec::new())]).await;
    }
}
