//! What became of a COMMIT of which no answer ever came, told by the row that was written with it.

use std::time::Duration;

use spakky::prelude::*;
use spakky::testing::Recorder;
use spakky::testing::proxy::{Cut, Message};
use spakky::{Error, Isolation, RetryPolicy};

use crate::support::{Database, Line, account, eventually, facts, on_each_backend, on_postgres as only};

on_each_backend![a_token_is_written_only_where_it_can_be_asked_for];

mod lost {
    use super::{
        a_commit_of_which_nothing_is_heard_is_found_by_its_token, a_commit_of_which_the_id_is_known_is_found_by_it,
        a_commit_under_way_is_waited_for_by_its_token, a_token_costs_no_round_trip,
        a_transaction_that_never_arrived_is_found_aborted_and_may_be_retried,
        a_transaction_that_was_found_aborted_can_never_be_committed, only, tokens_are_removed_when_they_are_old,
        without_its_table_a_token_says_what_to_run, without_the_server_the_outcome_is_unknown,
    };

    only![
        a_commit_of_which_nothing_is_heard_is_found_by_its_token,
        a_commit_of_which_the_id_is_known_is_found_by_it,
        a_commit_under_way_is_waited_for_by_its_token,
        a_token_costs_no_round_trip,
        a_transaction_that_never_arrived_is_found_aborted_and_may_be_retried,
        a_transaction_that_was_found_aborted_can_never_be_committed,
        tokens_are_removed_when_they_are_old,
        without_its_table_a_token_says_what_to_run,
        without_the_server_the_outcome_is_unknown,
    ];
}

const PAY: TransactionOptions = TransactionOptions::new().name("pay");
const TOKENS: &str = "SELECT count(*) FROM spakky_commit_token";

fn is_commit(message: &Message) -> bool {
    message.is_sql("COMMIT")
}

/// A line whose transactions write tokens.
async fn line(db: &Database) -> Line {
    let line = Line::with(db, |config| config.commit_token(true).connect_timeout(Duration::from_secs(3))).await;
    line.sessions.create_tables(&schema![]).await.unwrap();
    line
}

async fn add(line: &Line, id: i64) -> Result<(), Error> {
    let accounts = line.accounts();
    let owner = format!("owner {id}");
    line.sessions.transaction(PAY, async |_| accounts.add(&mut account(id, &owner, 10))).await
}

async fn a_token_costs_no_round_trip(db: Database) {
    let line = line(&db).await;
    let mut id = 0;
    let cost = line
        .warm_cost(async || {
            id += 1;
            add(&line, id).await.unwrap();
        })
        .await;
    assert_eq!(cost.round_trips, 1);
    // One is of the transaction that made the table.
    assert_eq!(db.numbers(TOKENS).await, [id + 1]);
}

async fn a_commit_of_which_nothing_is_heard_is_found_by_its_token(db: Database) {
    let line = line(&db).await;
    line.proxy.cut(Cut::after(is_commit).without_earlier_answers());
    add(&line, 1).await.unwrap();
    assert!(!line.proxy.is_armed());
    assert_eq!(db.accounts().await, [facts(1, "owner 1", 10, 1)]);
    assert_eq!(line.sessions.status().in_use, 0);
}

async fn a_commit_of_which_the_id_is_known_is_found_by_it(db: Database) {
    let line = line(&db).await;
    line.proxy.record();
    line.proxy.cut(Cut::after(is_commit));
    add(&line, 1).await.unwrap();
    assert!(!line.proxy.is_armed());
    let sent = line.proxy.recorded();
    let first = sent[0].connection;
    let asked: Vec<_> = sent
        .iter()
        .filter(|message| message.connection != first)
        .filter_map(|message| message.sql.as_deref())
        .collect();
    // What every new connection is asked comes first.
    let [.., server, question] = asked.as_slice() else { panic!("{asked:?}") };
    assert!(server.starts_with("SELECT s.system_identifier::text"), "{server}");
    assert_eq!(*question, "SELECT pg_xact_status($1::text::xid8)");
    assert!(!asked.iter().any(|sql| sql.contains("spakky_commit_token")), "{asked:?}");
    // One is of the transaction that made the table.
    assert_eq!(db.numbers(TOKENS).await, [2]);
    assert_eq!(db.accounts().await, [facts(1, "owner 1", 10, 1)]);
}

async fn a_transaction_that_never_arrived_is_found_aborted_and_may_be_retried(db: Database) {
    let line = line(&db).await;
    line.proxy.cut(Cut::before(is_commit).without_earlier_answers());
    let error = add(&line, 1).await.unwrap_err();
    assert!(error.is_connection() && error.is_retryable(), "{error:?}");
    assert_eq!(db.accounts().await, []);

    line.proxy.cut(Cut::before(is_commit).without_earlier_answers());
    let accounts = line.accounts();
    let again = PAY.retry(RetryPolicy::new(3).backoff(Duration::from_millis(1)));
    let work = async |_| accounts.add(&mut account(1, "ann", 10));
    line.sessions.transaction_with_retry(again, work).await.unwrap();
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1)]);
}

async fn a_commit_under_way_is_waited_for_by_its_token(db: Database) {
    let line = line(&db).await;
    // COMMIT takes as long as somebody else keeps the lock.
    db.execute(
        "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN PERFORM pg_advisory_xact_lock(7); RETURN NULL; END $$",
    )
    .await;
    db.execute(
        "CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON accounts DEFERRABLE INITIALLY DEFERRED \
         FOR EACH ROW EXECUTE FUNCTION wait()",
    )
    .await;
    let holder = db.observer().begin();
    holder.session().sql("SELECT pg_advisory_xact_lock(7)::text").fetch_all::<(String,)>().await.unwrap();
    line.proxy.cut(Cut::after(is_commit).without_earlier_answers());
    let release = async {
        // Both are waiting: the transaction for the lock, the question for the transaction.
        let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype IN ('advisory', 'transactionid')";
        eventually("the question waits", Duration::from_secs(60), async || db.numbers(waiting).await == [2]).await;
        holder.rollback().await;
    };
    let (added, ()) = tokio::join!(add(&line, 1), release);
    added.unwrap();
    assert_eq!(db.accounts().await, [facts(1, "owner 1", 10, 1)]);
}

async fn a_transaction_that_was_found_aborted_can_never_be_committed(db: Database) {
    let line = line(&db).await;
    // Its token cannot be written before the lock is gone.
    let holder = db.observer().begin();
    holder.session().sql("LOCK TABLE accounts").execute().await.unwrap();
    line.proxy.cut(Cut::after(is_commit).without_earlier_answers());
    let error = add(&line, 1).await.unwrap_err();
    assert!(error.is_connection(), "{error:?}");
    holder.rollback().await;
    let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%accounts%' \
                  AND state <> 'idle' AND pid <> pg_backend_pid()";
    eventually("its burst has run", Duration::from_secs(60), async || db.numbers(others).await == [0]).await;
    assert_eq!(db.accounts().await, []);
}

async fn without_the_server_the_outcome_is_unknown(db: Database) {
    let line = line(&db).await;
    line.proxy.cut(Cut::after(is_commit).without_earlier_answers());
    line.proxy.set_refuse(true);
    let error = add(&line, 1).await.unwrap_err();
    assert!(error.is_outcome_unknown(), "{error:?}");
    line.proxy.set_refuse(false);
}

async fn without_its_table_a_token_says_what_to_run(db: Database) {
    let line = Line::with(&db, |config| config.commit_token(true)).await;
    let error = add(&line, 1).await.unwrap_err();
    assert!(error.is_schema(), "{error:?}");
    assert_eq!(
        error.to_string(),
        "write the commit token: there is no table `spakky_commit_token`; run `create_tables` or \
         `create_commit_token_table` with `commit_token` on, or turn `commit_token` off"
    );
    assert_eq!(db.accounts().await, []);
    line.sessions.create_commit_token_table().await.unwrap();
    line.sessions.create_commit_token_table().await.unwrap();
    add(&line, 1).await.unwrap();
}

async fn tokens_are_removed_when_they_are_old(db: Database) {
    drop(line(&db).await);
    db.execute(
        "INSERT INTO spakky_commit_token \
         SELECT ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid FROM generate_series(1, 201) n",
    )
    .await;
    let line = Line::with(&db, |config| config.commit_token(true)).await;
    // The first one of a manager sweeps: 200 go, and those that are new stay.
    add(&line, 1).await.unwrap();
    eventually("old ones are gone", Duration::from_secs(60), async || db.numbers(TOKENS).await == [3]).await;
    add(&line, 2).await.unwrap();
    assert_eq!(db.numbers(TOKENS).await, [4]);
    let other = Line::with(&db, |config| config.commit_token(true)).await;
    add(&other, 3).await.unwrap();
    let old = "SELECT count(*) FROM spakky_commit_token WHERE token::text LIKE '00000000-0000-7000-%'";
    eventually("the last old one is gone", Duration::from_secs(60), async || db.numbers(old).await == [0]).await;
    assert_eq!(db.numbers(TOKENS).await, [4]);
}

async fn a_token_is_written_only_where_it_can_be_asked_for(db: Database) {
    let sessions = db.connect(|config| config.commit_token(true)).await;
    sessions.create_tables(&schema![]).await.unwrap();
    let accounts = sessions.repository::<crate::support::AccountRow>();
    let recorder = Recorder::new(&sessions);
    // Reads, and a transaction whose id is known from an earlier answer.
    sessions.transaction(PAY.read_only(), async |_| accounts.find(1).await).await.unwrap();
    let serializable = PAY.isolation(Isolation::Serializable).read_only();
    sessions.transaction(serializable, async |_| accounts.find(1).await).await.unwrap();
    let work = sessions.transaction(PAY, async |_| {
        accounts.add_now(&mut account(1, "ann", 0)).await?;
        accounts.add(&mut account(2, "ben", 0))
    });
    work.await.unwrap();
    let is_token = |sql: &String| sql.contains("INTO spakky_commit_token");
    assert_eq!(recorder.take().statements.iter().filter(|sql| is_token(sql)).count(), 0);
    // The one of which nothing would be known.
    sessions.transaction(PAY, async |_| accounts.add(&mut account(3, "cem", 0))).await.unwrap();
    let written = recorder.take().statements.iter().filter(|sql| is_token(sql)).count();
    assert_eq!(written, usize::from(!db.is_sqlite()));
}
