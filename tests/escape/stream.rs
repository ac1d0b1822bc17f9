//! Rows one by one.

use std::time::Duration;

use futures_util::{FutureExt, StreamExt, TryStreamExt};
use spakky::Error;
use spakky::prelude::*;

use crate::support::{AccountRow, Database, Line, Posting, account, on_each_backend};

on_each_backend![
    rows_come_one_by_one_outside_a_scope,
    rows_come_one_by_one_inside_a_scope_pending_writes_included,
    a_stream_that_is_dropped_early_gives_its_connection_back,
    a_stream_that_is_dropped_early_leaves_its_scope_as_it_was,
    a_stream_polled_after_its_scope_has_ended_says_so,
    a_stream_with_a_lock_is_refused,
    a_stream_that_fails_ends_with_the_error,
];

mod server {
    use super::*;

    crate::support::on_postgres![
        a_stream_is_part_of_its_transaction,
        a_stream_is_one_round_trip,
        the_rest_of_a_stream_is_waited_for_within_the_limit_of_the_scope,
        what_is_saved_while_the_rest_of_a_stream_comes_is_stored,
    ];
}

const WORK: TransactionOptions = TransactionOptions::new().name("work");
const ROWS: i64 = 3_000;
const HANGS: Duration = Duration::from_secs(60);

async fn fill(db: &Database) {
    let numbers = match db.is_sqlite() {
        true => "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 3000) SELECT n FROM s",
        false => "SELECT n FROM generate_series(1, 3000) AS n",
    };
    let fill = "INSERT INTO accounts (id, owner, balance, version) SELECT n, 'owner ' || n, n, 1 FROM";
    db.execute(&format!("{fill} ({numbers}) AS numbers")).await;
}

fn by_id(accounts: &Repository<AccountRow>) -> spakky::repository::QueryBuilder<AccountRow> {
    accounts.query().order_by(AccountRow::COLUMNS.id.asc())
}

async fn rows_come_one_by_one_outside_a_scope(db: Database) {
    fill(&db).await;
    let accounts = db.account_repository();
    let mut rows = by_id(&accounts).stream().await.unwrap();
    assert_eq!(db.sessions.status().in_use, 1);
    let mut expected = 1;
    while let Some(row) = rows.next().await {
        assert_eq!(row.unwrap().id, expected);
        expected += 1;
    }
    assert_eq!(expected, ROWS + 1);
    assert_eq!(db.sessions.status().in_use, 0);
    assert!(rows.next().await.is_none());
}

async fn rows_come_one_by_one_inside_a_scope_pending_writes_included(db: Database) {
    fill(&db).await;
    let accounts = db.account_repository();
    let work = db.sessions.transaction(WORK, async |_| {
        accounts.add(&mut account(ROWS + 1, "last", 7))?;
        let ids: Vec<i64> = by_id(&accounts).stream().await?.map_ok(|account| account.id).try_collect().await?;
        assert_eq!(ids, (1..=ROWS + 1).collect::<Vec<_>>());
        accounts.add_now(&mut account(ROWS + 2, "after", 8)).await
    });
    work.await.unwrap();
    assert_eq!(db.numbers("SELECT count(*) FROM accounts").await, [ROWS + 2]);
}

async fn a_stream_that_is_dropped_early_gives_its_connection_back(db: Database) {
    fill(&db).await;
    let sessions = db.connect(|config: DatabaseConfig| config.pool_size(1)).await;
    let accounts = sessions.repository::<AccountRow>();
    for _ in 0..5 {
        let mut rows = by_id(&accounts).stream().await.unwrap();
        assert_eq!(rows.next().await.unwrap().unwrap().id, 1);
        drop(rows);
        assert_eq!(accounts.get(7).await.unwrap().balance, 7);
    }
    drop(by_id(&accounts).stream().await.unwrap());
    assert_eq!(accounts.get(7).await.unwrap().balance, 7);
}

async fn a_stream_that_is_dropped_early_leaves_its_scope_as_it_was(db: Database) {
    fill(&db).await;
    let accounts = db.account_repository();
    let work = db.sessions.transaction(WORK, async |_| {
        accounts.add_now(&mut account(ROWS + 1, "before", 7)).await?;
        let mut rows = by_id(&accounts).stream().await?;
        rows.next().await.unwrap()?;
        drop(rows);
        accounts.add(&mut account(ROWS + 2, "after", 8))
    });
    work.await.unwrap();
    assert_eq!(db.numbers("SELECT count(*) FROM accounts").await, [ROWS + 2]);
}

async fn a_stream_polled_after_its_scope_has_ended_says_so(db: Database) {
    fill(&db).await;
    let accounts = db.account_repository();
    let work = db.sessions.transaction(WORK, async |_| {
        let mut rows = by_id(&accounts).stream().await?;
        rows.next().await.unwrap()?;
        Ok::<_, Error>(rows)
    });
    let mut rows = work.await.unwrap();
    let error = rows.next().await.unwrap().unwrap_err();
    assert!(error.is_no_session(), "{error:?}");
    assert!(rows.next().await.is_none());
    db.is_at_rest().await;
}

async fn a_stream_with_a_lock_is_refused(db: Database) {
    let accounts = db.account_repository();
    let error = accounts.query().for_update(LockWait::Wait).stream().await.unwrap_err();
    assert!(error.is_invalid_query());
    assert_eq!(error.to_string(), "stream rows with a lock on them: use `all`, or leave the lock out");
}

async fn a_stream_that_fails_ends_with_the_error(db: Database) {
    let accounts = db.account_repository();
    db.execute("DROP TABLE postings").await;
    db.execute("DROP TABLE accounts").await;
    let work = db.sessions.transaction(WORK, async |session| {
        let failed = match accounts.query().stream().await {
            Ok(mut rows) => rows.next().await.unwrap().unwrap_err(),
            Err(error) => error,
        };
        assert!(!failed.is_no_session(), "{failed:?}");
        assert!(session.is_rollback_only());
        Err::<(), _>(failed)
    });
    work.await.unwrap_err();
    db.is_at_rest().await;
}

async fn a_stream_is_part_of_its_transaction(db: Database) {
    fill(&db).await;
    let accounts = db.account_repository();
    let snapshot = WORK.isolation(Isolation::RepeatableRead);
    let work = db.sessions.transaction(snapshot, async |_| {
        // The first statement of the transaction.
        let first = by_id(&accounts).limit(1).stream().await?.try_collect::<Vec<_>>().await?;
        assert_eq!(first[0].balance, 1);
        db.execute("UPDATE accounts SET balance = 0").await;
        assert_eq!(accounts.get(2).await?.balance, 2, "as it was when the transaction began");
        Ok::<_, Error>(())
    });
    work.await.unwrap();
}

async fn a_stream_is_one_round_trip(db: Database) {
    fill(&db).await;
    let line = Line::new(&db).await;
    let accounts = line.accounts();
    let work = line.sessions.transaction(WORK, async |session| {
        accounts.add(&mut account(ROWS + 1, "pending", 7))?;
        let found = by_id(&accounts).limit(10).stream().await?.try_collect::<Vec<_>>().await?;
        assert_eq!(found.len(), 10);
        assert_eq!(session.statistics().round_trips, 1);
        Ok::<_, Error>(())
    });
    let cost = line.cost(work).await;
    cost.value.as_ref().unwrap();
    assert_eq!(cost.words(), ["BEGIN", "INSERT", "SELECT", "COMMIT"]);
    assert_eq!(cost.round_trips, 2);
}

/// Postings that no line holds all at once.
async fn fill_long(db: &Database) -> Line {
    db.store(&[account(1, "ann", 10)]).await;
    let fill = "INSERT INTO postings (id, account, amount, text) SELECT n, 1, n, repeat('x', 20000) FROM";
    db.execute(&format!("{fill} generate_series(1, 2000) AS n")).await;
    Line::new(db).await
}

async fn the_rest_of_a_stream_is_waited_for_within_the_limit_of_the_scope(db: Database) {
    let line = fill_long(&db).await;
    let (accounts, postings) = (line.accounts(), line.sessions.repository::<Posting>());
    let mut is_over = false;
    let work = line.sessions.transaction(WORK.timeout(Duration::from_millis(500)), async |_| {
        accounts.add(&mut account(2, "bob", 10))?;
        let mut rows = postings.query().stream().await?;
        rows.next().await.unwrap()?;
        line.proxy.set_black_hole(true);
        drop(rows);
        is_over = true;
        Ok::<_, Error>(())
    });
    let error = tokio::time::timeout(HANGS, work).await.unwrap().unwrap_err();
    assert!(is_over && error.is_timeout(), "{error:?}");
    line.proxy.set_black_hole(false);
    db.is_at_rest().await;
    assert_eq!(db.numbers("SELECT id FROM accounts").await, [1]);
}

async fn what_is_saved_while_the_rest_of_a_stream_comes_is_stored(db: Database) {
    let line = fill_long(&db).await;
    let transaction = line.sessions.begin();
    let session = transaction.session().clone();
    let accounts = line.accounts().in_session(&session);
    let postings = line.sessions.repository::<Posting>();
    accounts.add(&mut account(2, "bob", 10)).unwrap();
    let mut rows = postings.in_session(&session).query().stream().await.unwrap();
    rows.next().await.unwrap().unwrap();
    line.proxy.set_black_hole(true);
    drop(rows);
    let mut committing = Box::pin(transaction.commit());
    assert!((&mut committing).now_or_never().is_none());
    accounts.add(&mut account(3, "cid", 10)).unwrap();
    line.proxy.set_black_hole(false);
    tokio::time::timeout(HANGS, committing).await.unwrap().unwrap();
    assert_eq!(db.numbers("SELECT id FROM accounts ORDER BY id").await, [1, 2, 3]);
}
