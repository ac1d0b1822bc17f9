//! Settings of the connections, and of one transaction.

use std::time::Duration;

use spakky::config::DatabaseConfig;
use spakky::prelude::*;
use spakky::{Backend, Error};

use crate::support::{AccountRow, Database, Line, account, facts, on_each_backend};

on_each_backend![
    a_statement_past_its_limit_is_stopped,
    a_lock_is_not_waited_for_longer_than_its_limit,
    every_statement_is_logged_with_echo,
    nothing_is_logged_without_echo,
];

mod server {
    use super::*;

    crate::support::on_postgres![
        the_server_lists_connections_by_the_applications_name,
        a_transaction_that_idles_is_ended_by_the_server,
        settings_of_a_request_last_as_long_as_its_transaction,
        settings_of_a_request_reach_what_runs_outside_a_scope,
        a_failure_outside_a_scope_leaves_no_settings_behind,
        behind_a_pooler_the_limits_travel_with_begin,
        without_a_statement_cache_nothing_is_prepared,
    ];

    crate::support::on_pgbouncer![
        settings_of_a_request_last_as_long_as_its_transaction,
        settings_of_a_request_reach_what_runs_outside_a_scope,
        a_failure_outside_a_scope_leaves_no_settings_behind,
        behind_a_pooler_the_limits_travel_with_begin,
        no_statement_depends_on_the_servers_connection_that_it_gets,
    ];
}

const WORK: TransactionOptions = TransactionOptions::new().name("work");

async fn a_statement_past_its_limit_is_stopped(db: Database) {
    let sessions = db.connect(|config: DatabaseConfig| config.statement_timeout(Duration::from_secs(1))).await;
    let endless = match db.backend() {
        Backend::Postgres => "SELECT count(*) FROM generate_series(1, 1000000000000) AS n",
        _ => "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
    };
    let error = sessions.sql(endless).fetch_one::<(i64,)>().await.unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
    let work = sessions.transaction(WORK, async |session| session.sql(endless).fetch_one::<(i64,)>().await);
    assert!(work.await.unwrap_err().is_timeout());
    assert_eq!(sessions.status().in_use, 0);
    // On a busy machine even this may be out of time.
    let answers = async || sessions.sql("SELECT 1").fetch_one::<(i32,)>().await.is_ok();
    crate::support::eventually("the connection can be used", Duration::from_secs(60), answers).await;
}

async fn a_lock_is_not_waited_for_longer_than_its_limit(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let sessions = db.connect(|config: DatabaseConfig| config.lock_timeout(Duration::from_millis(100))).await;
    let holder = db.sessions.begin();
    holder.session().sql("UPDATE accounts SET balance = 11 WHERE id = 1").execute().await.unwrap();
    let work = sessions.transaction(WORK, async |session| {
        session.sql("UPDATE accounts SET balance = 12 WHERE id = 1").execute().await
    });
    let error = work.await.unwrap_err();
    assert!(error.is_lock_timeout(), "{error:?}");
    assert!(error.is_retryable());
    holder.commit().await.unwrap();
    assert_eq!(db.accounts().await[0].2, 11);
}

async fn every_statement_is_logged_with_echo(db: Database) {
    let accounts = db.account_repository();
    db.sent();
    db.sessions.transaction(WORK, async |_| accounts.add(&mut account(1, "ann's secret", 10))).await.unwrap();
    let sent = db.sent();
    assert_eq!(sent.len(), 3, "{sent:?}");
    assert_eq!((sent[0].as_str(), sent[2].as_str()), ("BEGIN", "COMMIT"));
    assert!(sent[1].contains("INSERT INTO \"accounts\""), "{sent:?}");
    assert!(!sent[1].contains("secret"), "{sent:?}");
    accounts.get(1).await.unwrap();
    assert_eq!(db.sent().len(), 1);
}

async fn nothing_is_logged_without_echo(db: Database) {
    let sessions = db.connect(|config| config).await;
    db.sent();
    sessions.sql("SELECT 1").fetch_one::<(i32,)>().await.unwrap();
    assert_eq!(db.sent(), Vec::<String>::new());
}

async fn the_server_lists_connections_by_the_applications_name(db: Database) {
    let sessions = db.connect(|config: DatabaseConfig| config.application_name("order desk")).await;
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'order desk' \
               AND datname = current_database()";
    assert_eq!(db.numbers(sql).await, [1]);
    drop(sessions);
}

async fn a_transaction_that_idles_is_ended_by_the_server(db: Database) {
    let limit = Duration::from_millis(50);
    let sessions = db.connect(|config: DatabaseConfig| config.pool_size(1).idle_in_transaction_timeout(limit)).await;
    let transaction = sessions.begin();
    transaction.session().sql("SELECT 1").fetch_one::<(i32,)>().await.unwrap();
    let left = "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction' \
                AND datname = current_database()";
    crate::support::eventually("the server gives up", Duration::from_secs(60), async || db.numbers(left).await == [0])
        .await;
    let error = transaction.session().sql("SELECT 1").fetch_one::<(i32,)>().await.unwrap_err();
    assert!(error.is_timeout() || error.is_connection(), "{error:?}");
    transaction.rollback().await;
    sessions.ping().await.unwrap();
}

async fn settings_of_a_request_last_as_long_as_its_transaction(db: Database) {
    let sessions = db.connect(|config: DatabaseConfig| config.pool_size(1)).await;
    let ask = "SELECT current_setting('app.tenant', true), pg_backend_pid()";
    let context = RequestContext::new().setting("app.tenant", "it's \\blue").setting("statement_timeout", "1234ms");
    let inside = context
        .scope(sessions.transaction(WORK, async |session| {
            let limit: (String,) = session.sql("SHOW statement_timeout").fetch_one().await?;
            assert_eq!(limit.0, "1234ms");
            session.sql(ask).fetch_one::<(Option<String>, i32)>().await
        }))
        .await
        .unwrap();
    assert_eq!(inside.0.as_deref(), Some("it's \\blue"));
    let outside: (Option<String>, i32) = sessions.sql(ask).fetch_one().await.unwrap();
    assert_eq!(outside.1, inside.1, "the same connection");
    // PostgreSQL remembers the name of a setting that was made up, but not its value.
    assert_eq!(outside.0.unwrap_or_default(), "");
    assert_eq!(sessions.sql("SHOW statement_timeout").fetch_one::<(String,)>().await.unwrap().0, "0");
}

async fn behind_a_pooler_the_limits_travel_with_begin(db: Database) {
    let change = |config: DatabaseConfig| {
        config.pooler(spakky::config::Pooler::PgBouncer).statement_timeout(Duration::from_millis(1_234))
    };
    let sessions = db.connect(change).await;
    let work = sessions.transaction(WORK, async |session| {
        let limit: (String,) = session.sql("SHOW statement_timeout").fetch_one().await?;
        let prepared: (i64,) = session.sql("SELECT count(*) FROM pg_prepared_statements").fetch_one().await?;
        Ok::<_, Error>((limit.0, prepared.0))
    });
    assert_eq!(work.await.unwrap(), ("1234ms".to_owned(), 0));
    // Plain SQL has a transaction of its own there, and its limits end with that.
    let limit = async |sessions: &SessionManager| {
        sessions.sql("SHOW statement_timeout").fetch_one::<(String,)>().await.unwrap().0
    };
    assert_eq!((limit(&sessions).await, limit(&db.sessions).await), ("1234ms".to_owned(), "0".to_owned()));
}

async fn without_a_statement_cache_nothing_is_prepared(db: Database) {
    let sessions = db.connect(|config: DatabaseConfig| config.pool_size(1).statement_cache_size(0)).await;
    for _ in 0..3 {
        sessions.repository::<crate::support::AccountRow>().find(1).await.unwrap();
    }
    let prepared = "SELECT count(*) FROM pg_prepared_statements";
    assert_eq!(sessions.sql(prepared).fetch_one::<(i64,)>().await.unwrap(), (0,));
}

async fn settings_of_a_request_reach_what_runs_outside_a_scope(db: Database) {
    db.store(&[account(1, "ann", 10), account(2, "bob", 20)]).await;
    db.execute(
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN NEW.remark := current_setting('app.owner', true); RETURN NEW; END $$",
    )
    .await;
    db.execute("CREATE TRIGGER note BEFORE UPDATE ON accounts FOR EACH ROW EXECUTE FUNCTION note()").await;
    let line = Line::new(&db).await;
    let context = RequestContext::new().setting("app.owner", "ann");
    let accounts = line.accounts().autocommit();
    let sql = "SELECT current_setting('app.owner', true)";
    let read =
        line.cost(Box::pin(context.clone().scope(line.sessions.sql(sql).fetch_one::<(Option<String>,)>()))).await;
    assert_eq!((read.value.as_ref().unwrap().0.as_deref(), read.round_trips), (Some("ann"), 1));
    assert_eq!(read.words(), ["BEGIN", "SELECT", "SELECT", "COMMIT", "CLOSE"]);
    let found = line.cost(Box::pin(context.clone().scope(accounts.find_many([1, 2])))).await;
    assert_eq!(found.value.as_ref().unwrap().iter().flatten().count(), 2);
    assert_eq!((found.words(), found.round_trips), (read.words()[..4].to_vec(), 1));

    let balance = AccountRow::COLUMNS.balance;
    let update = line.cost(Box::pin(context.clone().scope(accounts.query().update([balance.set(99)])))).await;
    assert_eq!((*update.value.as_ref().unwrap(), update.round_trips), (2, 1));
    assert_eq!(update.words(), ["BEGIN", "SELECT", "UPDATE", "COMMIT"]);
    let plain = line.sessions.sql("UPDATE accounts SET balance = 100 WHERE id = 1").execute();
    assert_eq!(context.clone().scope(plain).await.unwrap(), 1);
    let remarks: Vec<(Option<String>,)> = db.observer().sql("SELECT remark FROM accounts").fetch_all().await.unwrap();
    assert_eq!(remarks, [(Some("ann".to_owned()),), (Some("ann".to_owned()),)]);
    let error = context.scope(accounts.query().stream()).await.map(drop).unwrap_err();
    assert!(error.is_no_session(), "{error:?}");

    // Nothing of it stays on the connection.
    let after: (Option<String>,) = line.sessions.sql(sql).fetch_one().await.unwrap();
    assert_eq!(after.0.unwrap_or_default(), "");
    assert_eq!(db.accounts().await, [facts(1, "ann", 100, 2), facts(2, "bob", 99, 2)]);
}

async fn a_failure_outside_a_scope_leaves_no_settings_behind(db: Database) {
    let sessions = db.connect(|config: DatabaseConfig| config.pool_size(1)).await;
    let context = RequestContext::new().setting("app.owner", "ann");
    let failing = sessions.sql("SELECT 1 / (length(current_setting('app.owner')) - 3)").fetch_one::<(i32,)>();
    assert!(context.scope(failing).await.unwrap_err().is_database());
    let ask = "SELECT current_setting('app.owner', true)";
    let outside: (Option<String>,) = sessions.sql(ask).fetch_one().await.unwrap();
    assert_eq!(outside.0.unwrap_or_default(), "");
}

/// Two clients take the two connections of the server in turn, so that each meets what the other has left there.
async fn no_statement_depends_on_the_servers_connection_that_it_gets(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let alone = || db.connect(|config: DatabaseConfig| config.pool_size(1));
    let (one, other) = (alone().await, alone().await);
    let mut met = std::collections::HashSet::new();
    for round in 0..12 {
        let (first, second) = if round % 2 == 0 { (&one, &other) } else { (&other, &one) };
        let holder = first.begin();
        let ask = "SELECT pg_backend_pid()";
        let held: (i32,) = holder.session().sql(ask).fetch_one().await.unwrap();
        let free: (i32,) = second.sql(ask).fetch_one().await.unwrap();
        met.extend([(round % 2, held.0), ((round + 1) % 2, free.0)]);
        let accounts = first.repository::<AccountRow>().in_session(holder.session());
        let mut held = accounts.get(1).await.unwrap();
        assert_eq!(second.repository::<AccountRow>().get(1).await.unwrap().balance, 10 + round);
        held.balance += 1;
        accounts.save(&mut held).unwrap();
        holder.commit().await.unwrap();
    }
    // Each client was on both.
    assert_eq!(met.len(), 4, "{met:?}");
}
