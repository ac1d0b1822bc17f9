//! Many at once.

use std::time::Duration;

use spakky::config::DatabaseConfig;
use spakky::prelude::*;
use spakky::{Error, RetryOn, RetryPolicy};

use crate::support::{AccountRow, Database, Posting, account, on_each_backend, on_pgbouncer, posting};

on_each_backend![
    two_hundred_transactions_over_ten_connections_lose_nothing_and_leak_nothing,
    sixteen_tasks_that_increment_one_aggregate_end_with_the_exact_sum,
    transactions_that_are_dropped_leave_the_pool_whole,
];

on_pgbouncer![
    two_hundred_transactions_over_ten_connections_lose_nothing_and_leak_nothing,
    sixteen_tasks_that_increment_one_aggregate_end_with_the_exact_sum,
    transactions_that_are_dropped_leave_the_pool_whole,
];

const WORK: TransactionOptions = TransactionOptions::new().name("work");

async fn two_hundred_transactions_over_ten_connections_lose_nothing_and_leak_nothing(db: Database) {
    let ids = 1..=20_i64;
    db.store(&ids.clone().map(|id| account(id, &format!("owner {id}"), 0)).collect::<Vec<_>>()).await;
    let change = |config: DatabaseConfig| config.pool_size(10).pool_timeout(Duration::from_secs(150));
    let sessions = db.connect(|config| change(config).lock_timeout(Duration::from_secs(150))).await;
    let tasks: Vec<_> = (1..=200_i64)
        .map(|number| {
            let sessions = sessions.clone();
            tokio::spawn(async move {
                let postings = sessions.repository::<Posting>();
                let fails = number % 5 == 0;
                let work = sessions.transaction(WORK, async |session| {
                    postings.add_now(&mut posting(number, number % 20 + 1, number)).await?;
                    session.sql("SELECT count(*) FROM postings").fetch_one::<(i64,)>().await?;
                    postings.add(&mut posting(1_000 + number, number % 20 + 1, number))?;
                    if fails { Err(postings.get(-1).await.unwrap_err()) } else { Ok::<_, Error>(()) }
                });
                let result = work.await;
                assert_eq!(result.is_err(), fails, "{result:?}");
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let good: Vec<i64> = (1..=200).filter(|number| number % 5 != 0).collect();
    let sum: i64 = good.iter().sum::<i64>() * 2;
    assert_eq!(db.numbers("SELECT CAST(sum(amount) AS bigint) FROM postings").await, [sum]);
    assert_eq!(db.numbers("SELECT count(*) FROM postings").await, [good.len() as i64 * 2]);
    let status = sessions.status();
    assert_eq!((status.in_use, status.waiting), (0, 0));
    assert!(status.size <= 10, "{status:?}");
    if !db.is_sqlite() {
        let open = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle' \
                    AND backend_type = 'client backend' AND pid <> pg_backend_pid()";
        assert_eq!(db.numbers(open).await, [0]);
    }
}

async fn sixteen_tasks_that_increment_one_aggregate_end_with_the_exact_sum(db: Database) {
    const TASKS: i64 = 16;
    const TIMES: i64 = 5;
    db.store(&[account(1, "ann", 0)]).await;
    let change = |config: DatabaseConfig| config.pool_size(16).lock_timeout(Duration::from_secs(150));
    let sessions = db.connect(change).await;
    let policy = RetryPolicy { attempts: 10_000, backoff: Duration::from_millis(1), on: RetryOn::Conflict };
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let sessions = sessions.clone();
            tokio::spawn(async move {
                let accounts = sessions.repository::<AccountRow>();
                for _ in 0..TIMES {
                    let work = sessions.transaction_with_retry(WORK.retry(policy), async |_| {
                        let mut ann = accounts.get(1).await?;
                        ann.balance += 1;
                        accounts.save(&mut ann)
                    });
                    work.await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let sum = TASKS * TIMES;
    assert_eq!(db.accounts().await, [crate::support::facts(1, "ann", sum, sum + 1)]);
    assert_eq!(sessions.status().in_use, 0);
}

async fn transactions_that_are_dropped_leave_the_pool_whole(db: Database) {
    let sessions = db.connect(|config: DatabaseConfig| config.pool_size(3)).await;
    for round in 0..30 {
        let accounts = sessions.repository::<AccountRow>();
        let transaction = sessions.begin();
        let accounts = accounts.in_session(transaction.session());
        let mut ann = account(round, &format!("owner {round}"), 1);
        let adding = accounts.add_now(&mut ann);
        drop(crate::support::cancel_after(round as usize % 6 + 1, round % 2 == 0, adding).await);
        drop(transaction);
    }
    crate::support::eventually("all are back", Duration::from_secs(60), async || sessions.status().in_use == 0).await;
    assert_eq!(db.accounts().await, []);
    sessions.ping().await.unwrap();
}
