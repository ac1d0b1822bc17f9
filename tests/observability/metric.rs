//! Counters and histograms.

use std::time::Duration;

use spakky::Error;
use spakky::config::DatabaseConfig;
use spakky::prelude::*;
use spakky::testing::TestDatabase;

use super::capture::Capture;
use super::{Letter, letter};

#[spakky::test(schema = [Letter])]
async fn units_of_work_are_counted_by_name_and_outcome(sessions: SessionManager, letters: Repository<Letter>) {
    let capture = Capture::begin();
    let options = TransactionOptions::new().name("write");
    for id in [1, 2, 2] {
        // The last one finds its id taken.
        let _ = sessions.transaction(options, async |_| letters.add(&mut letter(id))).await;
    }
    let count = |outcome| capture.metric("spakky_units_of_work_total", &[("outcome", outcome), ("name", "write")]);
    assert_eq!((count("committed"), count("rolled back"), count("unknown")), (2, 1, 0));
}

#[spakky::test(schema = [Letter])]
async fn round_trips_and_statements_are_counted_and_bursts_are_timed(
    sessions: SessionManager,
    letters: Repository<Letter>,
) {
    let capture = Capture::begin();
    let before = sessions.statistics();
    sessions
        .transaction(TransactionOptions::new(), async |_| {
            letters.add_now(&mut letter(1)).await?;
            assert_eq!(letters.query().count().await?, 1);
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    letters.get(1).await.unwrap();
    let sent = sessions.statistics();
    assert_eq!(capture.metric("spakky_round_trips_total", &[]), 4);
    assert_eq!(sent.round_trips - before.round_trips, 4);
    // BEGIN and INSERT, SELECT, COMMIT, SELECT.
    assert_eq!(capture.metric("spakky_statements_total", &[]), 5);
    assert_eq!(sent.statements - before.statements, 5);
    assert_eq!(capture.metric("spakky_burst_duration_seconds", &[]), 4);
    assert_eq!(capture.metric("spakky_pool_wait_duration_seconds", &[]), 2);
}

#[spakky::test]
async fn a_wait_for_the_pool_that_is_too_long_is_counted(db: TestDatabase) {
    let config = DatabaseConfig::new(db.url()).pool_size(1).pool_timeout(Duration::from_millis(10));
    let sessions = SessionManager::from_config(config).await.unwrap();
    let capture = Capture::begin();
    let holder = sessions.begin();
    holder.session().sql("SELECT 1").fetch_all::<(i32,)>().await.unwrap();
    let error = sessions.sql("SELECT 1").fetch_all::<(i32,)>().await.unwrap_err();
    assert!(error.is_pool_timeout());
    assert_eq!(capture.metric("spakky_pool_timeouts_total", &[]), 1);
    assert_eq!(capture.metric("spakky_pool_wait_duration_seconds", &[]), 2);
    let given: Vec<String> = capture.events("spakky::pool").iter().map(|event| event.fields["given"].clone()).collect();
    assert_eq!(given, ["true", "false"]);
    holder.rollback().await;
}
