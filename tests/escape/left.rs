//! What plain SQL and lent connections leave on a connection ends with their scope.

use std::pin::Pin;

use diesel_async::SimpleAsyncConnection;
use spakky::prelude::*;
use spakky::{Error, RequestContext};

use crate::support::{Cancelled, Database, Known, Line, account, cancel_after, facts, on_pgbouncer, on_postgres};

on_postgres![
    nothing_outlives_a_scope_however_it_ends,
    nothing_outlives_a_statement_outside_of_any_scope,
    nothing_outlives_a_loan,
    a_trigger_at_commit_reads_what_the_scope_has_set,
    settings_of_the_context_hold_until_the_commit,
    undoing_costs_no_round_trip,
    undoing_holds_nobody_up,
    a_role_has_what_it_begins_with_again,
    a_connection_that_cannot_be_restored_is_closed,
    statements_that_have_no_transaction_still_run,
    a_pattern_needs_no_setting_of_the_server,
];

mod behind_a_pooler {
    use super::*;

    on_pgbouncer![
        nothing_outlives_a_scope_however_it_ends,
        nothing_outlives_a_statement_outside_of_any_scope,
        nothing_outlives_a_loan,
        a_trigger_at_commit_reads_what_the_scope_has_set,
        settings_of_the_context_hold_until_the_commit,
        names_and_encoding_of_the_client_stay,
    ];
}

const WORK: TransactionOptions = TransactionOptions::new().name("work");

/// All that a later user of the connection could notice.
const STATE: &str = "SELECT concat_ws(' ', current_setting('search_path'), current_user, session_user, \
                     current_setting('statement_timeout'), current_setting('app.left', true), \
                     (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = \
                     (SELECT oid FROM pg_database WHERE datname = current_database())), \
                     (SELECT count(*) FROM pg_listening_channels()), \
                     (SELECT count(*) FROM pg_class WHERE relpersistence = 't'), \
                     (SELECT count(*) FROM pg_cursors WHERE is_holdable), current_setting('client_encoding'))";
const CLEAN: &str = "\"$user\", public postgres postgres 0 0 0 0 0 UTF8";

/// Each leaves something.
const TRACES: [&str; 10] = [
    "SET search_path TO nowhere, pg_catalog",
    "/* a */ SET ROLE pg_monitor",
    "SET SESSION AUTHORIZATION pg_monitor",
    "SET statement_timeout = '5s'",
    "SELECT set_config('app.left', 'left', false)",
    "SELECT leave_setting()",
    "SELECT pg_advisory_lock(7)",
    "LISTEN anything",
    "CREATE TEMPORARY TABLE left_over (a int)",
    "DECLARE held CURSOR WITH HOLD FOR SELECT 1",
];

/// A function that sets something, which no look at the statement tells.
const LEAVE_SETTING: &str = "CREATE FUNCTION leave_setting() RETURNS void LANGUAGE sql AS \
                             $$ SELECT set_config('app.left', 'by a function', false); SELECT pg_advisory_lock(8) $$";

/// Whoever uses any of the connections next finds them as they were.
async fn assert_clean(sessions: &SessionManager, trace: &str) {
    let (one, other) = (sessions.begin(), sessions.begin());
    for transaction in [&one, &other] {
        let (state,): (String,) = transaction.session().sql(STATE).fetch_one().await.unwrap();
        assert_eq!(state.replace("  ", " "), CLEAN, "behind {trace}");
    }
    one.rollback().await;
    other.rollback().await;
    assert_eq!(
        sessions.sql(STATE).fetch_one::<(String,)>().await.unwrap().0.replace("  ", " "),
        CLEAN,
        "behind {trace}"
    );
}

async fn prepared(db: &Database) -> SessionManager {
    db.execute(LEAVE_SETTING).await;
    // Two connections, as the PgBouncer has.
    db.connect(|config| config.pool_size(2)).await
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Committed,
    OnlyRead,
    RolledBack,
    Failed,
    FailedAtCommit,
    Nested,
}

async fn nothing_outlives_a_scope_however_it_ends(db: Database) {
    let sessions = prepared(&db).await;
    db.execute("CREATE TABLE later (a int UNIQUE DEFERRABLE INITIALLY DEFERRED)").await;
    for trace in TRACES {
        for end in [End::Committed, End::OnlyRead, End::RolledBack, End::Failed, End::FailedAtCommit, End::Nested] {
            if end == End::OnlyRead && !trace.starts_with("SELECT") {
                continue;
            }
            let done = sessions.transaction(WORK, async |session| {
                let sql = session.sql("INSERT INTO public.later VALUES ($1)").bind(1_i32);
                if end == End::FailedAtCommit {
                    sql.execute().await?;
                    session.sql("INSERT INTO public.later VALUES (1)").execute().await?;
                }
                match end {
                    End::OnlyRead => {
                        drop(session.sql(format!("{trace}::text")).fetch_all::<(Option<String>,)>().await?)
                    }
                    End::Nested => {
                        let nested = WORK.propagation(Propagation::Nested);
                        sessions.transaction(nested, async |inner| inner.sql(trace).execute().await).await?;
                    }
                    _ => drop(session.sql(trace).execute().await?),
                }
                match end {
                    End::RolledBack => Err(Error::other("planned")),
                    End::Failed => session.sql("SELECT 1 / 0").execute().await.map(drop),
                    _ => Ok(()),
                }
            });
            let done = done.await;
            let expected = matches!(end, End::Committed | End::OnlyRead | End::Nested);
            assert_eq!(done.is_ok(), expected, "{trace}, {end:?}: {done:?}");
            assert_clean(&sessions, &format!("{trace}, {end:?}")).await;
        }
    }
}

async fn nothing_outlives_a_statement_outside_of_any_scope(db: Database) {
    let sessions = prepared(&db).await;
    for trace in TRACES {
        sessions.sql(trace).execute().await.unwrap();
        assert_clean(&sessions, trace).await;
    }
    for trace in TRACES.iter().filter(|trace| trace.starts_with("SELECT")) {
        sessions.sql(format!("{trace}::text")).fetch_all::<(Option<String>,)>().await.unwrap();
        assert_clean(&sessions, trace).await;
        // It does what it does, and fails then.
        let failing = format!("SELECT 1 / (length({}, '')) * 0)", trace.replacen("SELECT ", "concat(", 1));
        sessions.sql(failing).execute().await.unwrap_err();
        assert_clean(&sessions, trace).await;
    }
    sessions.sql("DO $$ BEGIN PERFORM set_config('app.left', 'by a block', false); END $$").execute().await.unwrap();
    assert_clean(&sessions, "a block").await;
}

async fn nothing_outlives_a_loan(db: Database) {
    let sessions = prepared(&db).await;
    for trace in TRACES {
        for commits in [true, false] {
            let done = sessions.transaction(WORK, async |session| {
                let mut conn = session.postgres().await?;
                conn.batch_execute(trace).await.unwrap();
                drop(conn);
                if commits { Ok(()) } else { Err(Error::other("planned")) }
            });
            assert_eq!(done.await.is_ok(), commits, "{trace}");
            assert_clean(&sessions, trace).await;
        }
    }
}

/// A trigger that waits for COMMIT sees what the scope has set, of the connection and of the transaction: what is undone is
/// undone behind COMMIT.
async fn a_trigger_at_commit_reads_what_the_scope_has_set(db: Database) {
    let sessions = prepared(&db).await;
    db.execute("CREATE TABLE seen (words text)").await;
    db.execute(
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.seen VALUES (concat_ws(' ', \
         current_setting('app.left', true), current_setting('app.tenant', true), current_setting('statement_timeout'))); \
         RETURN NULL; END $$",
    )
    .await;
    db.execute(
        "CREATE CONSTRAINT TRIGGER note AFTER INSERT ON accounts DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION \
         note()",
    )
    .await;
    let accounts = sessions.repository::<crate::support::AccountRow>();
    let work = sessions.transaction(WORK, async |session| {
        session.sql("SELECT leave_setting()::text").fetch_all::<(Option<String>,)>().await?;
        accounts.add(&mut account(1, "ann", 10))
    });
    let context = RequestContext::new().setting("app.tenant", "acme").setting("statement_timeout", "7s");
    context.scope(work).await.unwrap();
    let seen: (String,) = db.observer().sql("SELECT words FROM seen").fetch_one().await.unwrap();
    assert_eq!(seen.0, "by a function acme 7s");
    assert_clean(&sessions, "the trigger").await;
}

/// Row-level security by a setting of the context: queued writes that are sent with COMMIT still have it.
async fn settings_of_the_context_hold_until_the_commit(db: Database) {
    let sessions = prepared(&db).await;
    db.execute("CREATE FUNCTION check_tenant() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF \
                current_setting('app.tenant', true) IS DISTINCT FROM 'acme' THEN RAISE 'no tenant'; END IF; RETURN NEW; END $$")
        .await;
    db.execute("CREATE TRIGGER t BEFORE INSERT ON accounts FOR EACH ROW EXECUTE FUNCTION check_tenant()").await;
    let accounts = sessions.repository::<crate::support::AccountRow>();
    let work = sessions.transaction(WORK, async |session| {
        session.sql("SELECT set_config('app.left', 'x', false)").fetch_all::<(String,)>().await?;
        accounts.add(&mut account(1, "ann", 10))
    });
    RequestContext::new().setting("app.tenant", "acme").scope(work).await.unwrap();
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1)]);
    assert_clean(&sessions, "the tenant").await;
}

async fn undoing_costs_no_round_trip(db: Database) {
    let line = Line::new(&db).await;
    let sessions = &line.sessions;
    let leave = "SELECT set_config('app.left', 'x', false)";
    let outside = line.cost(sessions.sql(leave).fetch_all::<(String,)>()).await;
    outside.value.as_ref().unwrap();
    assert_eq!((outside.round_trips, outside.words()), (1, vec!["SELECT".to_owned(), "CLOSE".to_owned()]));
    let accounts = line.accounts();
    let work = sessions.transaction(WORK, async |session| {
        session.sql(leave).fetch_all::<(String,)>().await?;
        accounts.add(&mut account(1, "ann", 10))
    });
    let inside = line.cost(Box::pin(work)).await;
    inside.value.as_ref().unwrap();
    assert_eq!((inside.round_trips, inside.words()[..2].to_vec()), (2, vec!["BEGIN".to_owned(), "SELECT".to_owned()]));
    let read = async {
        let read = sessions.transaction(WORK, async |session| session.sql(leave).fetch_all::<(String,)>().await);
        read.await.unwrap();
        // Its COMMIT is not waited for, but by whoever has the connection next.
        sessions.ping().await.unwrap();
    };
    let only_read = line.cost(Box::pin(read)).await.run();
    assert_eq!(only_read[..3], ["BEGIN", leave, "COMMIT"]);
    assert!(only_read[3].starts_with("CLOSE ALL; "), "{only_read:?}");
    assert_eq!(only_read[4..], [""]);
}

/// The pool has the connection when the caller has the answer, and its next user finds it clean.
async fn undoing_holds_nobody_up(db: Database) {
    let sessions = db.connect(|config| config.pool_size(1)).await;
    let known = Known::of(&sessions).await;
    let leave = "SELECT set_config('app.left', 'x', false)";
    let fail = "SELECT 1 / (length(set_config('app.left', 'x', false)) - 1)";
    let look = "SELECT coalesce(current_setting('app.left', true), '')";
    let assert_given_back = async |how: &str| {
        assert_eq!(sessions.status().in_use, 0, "{how}");
        assert_eq!(sessions.sql(look).fetch_one::<(String,)>().await.unwrap().0, "", "{how}");
        assert_eq!((sessions.status().in_use, sessions.status().size), (0, 1), "{how}");
        assert!(known.is_given().await, "{how}");
    };
    let before = sessions.statistics();
    sessions.sql(leave).fetch_all::<(String,)>().await.unwrap();
    let after = sessions.statistics();
    assert_eq!((after.statements - before.statements, after.round_trips - before.round_trips), (1, 1));
    assert_given_back("answered").await;
    sessions.sql(fail).fetch_all::<(i32,)>().await.unwrap_err();
    assert_given_back("failed").await;
    for _ in 0..20 {
        sessions.transaction(WORK, async |session| session.sql(leave).fetch_all::<(String,)>().await).await.unwrap();
        assert_given_back("only read").await;
        sessions.transaction(WORK, async |session| session.sql(leave).execute().await).await.unwrap();
        assert_given_back("committed").await;
        let failing = sessions.transaction(WORK, async |session| session.sql(fail).execute().await);
        failing.await.unwrap_err();
        assert_given_back("rolled back").await;
    }
    for writes in [false, true] {
        let endless = format!("{leave}, pg_sleep(600)::text");
        let call: Pin<Box<dyn Future<Output = Result<(), Error>>>> = if writes {
            Box::pin(async { sessions.sql(endless).execute().await.map(drop) })
        } else {
            Box::pin(async { sessions.sql(endless).fetch_all::<(String, String)>().await.map(drop) })
        };
        assert!(matches!(cancel_after(1, false, call).await, Cancelled::Yes));
        // It is cleaned in the background, and the pool counts it until then.
        assert_eq!(sessions.sql(look).fetch_one::<(String,)>().await.unwrap().0, "", "dropped, writes: {writes}");
        assert!(known.is_given().await);
    }
}

async fn a_role_has_what_it_begins_with_again(db: Database) {
    let url = as_user(&db, "begins", "SET role = 'begins_with'", "").await;
    let sessions = SessionManager::from_config(db.config_by(&url).pool_size(1)).await.unwrap();
    let who = async || {
        sessions.sql("SELECT concat(current_user, ' ', session_user)").fetch_one::<(String,)>().await.unwrap().0
    };
    let before = who().await;
    assert!(before.starts_with("begins_with_"), "{before}");
    for trace in ["SET ROLE NONE", "SELECT set_config('role', 'none', false)"] {
        sessions.transaction(WORK, async |session| session.sql(trace).execute().await).await.unwrap();
        assert_eq!(who().await, before, "{trace}");
    }
    sessions.close(std::time::Duration::from_secs(60)).await.unwrap();
    drop_user(&db, "begins").await;
}

async fn a_connection_that_cannot_be_restored_is_closed(db: Database) {
    db.execute("REVOKE EXECUTE ON FUNCTION pg_catalog.pg_advisory_unlock_all() FROM PUBLIC").await;
    let url = as_user(&db, "plain", "SET work_mem = '5MB'", "GRANT ALL ON ALL TABLES IN SCHEMA public TO").await;
    let sessions = SessionManager::from_config(db.config_by(&url).pool_size(1)).await.unwrap();
    let look = "SELECT concat(current_setting('app.left', true), '|', pg_backend_pid())";
    let leave = "SELECT concat(set_config('app.left', 'left', false), '|', pg_backend_pid())";
    let accounts = sessions.repository::<crate::support::AccountRow>();
    for (id, owner) in [(1, "ann"), (2, "bob")] {
        let left = sessions.transaction(WORK, async |session| {
            let (left,): (String,) = session.sql(leave).fetch_one().await?;
            accounts.add(&mut account(id, owner, 10))?;
            Ok::<_, Error>(left)
        });
        let left = left.await.unwrap();
        let (found,): (String,) = sessions.sql(look).fetch_one().await.unwrap();
        assert!(found.starts_with('|'), "{found}");
        assert_ne!(left.trim_start_matches("left"), found, "another connection");
    }
    assert_eq!(db.accounts().await.len(), 2, "what was committed is committed");
    let left = async || {
        let work = sessions.transaction(WORK, async |session| session.sql(leave).fetch_one::<(String,)>().await);
        work.await.unwrap().0
    };
    let alone = async || sessions.sql(leave).fetch_one::<(String,)>().await.unwrap().0;
    for left in [left().await, alone().await] {
        let (found,): (String,) = sessions.sql(look).fetch_one().await.unwrap();
        assert!(found.starts_with('|'), "{found}");
        assert_ne!(left.trim_start_matches("left"), found, "another connection");
    }
    sessions.close(std::time::Duration::from_secs(60)).await.unwrap();
    drop_user(&db, "plain").await;
}

/// A URL of a user who may sign in, with a setting of its own.
async fn as_user(db: &Database, name: &str, setting: &str, grant: &str) -> String {
    let (user, role) = (user(db, name), user(db, &format!("{name}_with")));
    db.execute(&format!("CREATE ROLE {role}")).await;
    db.execute(&format!("CREATE ROLE {user} LOGIN IN ROLE {role}")).await;
    db.execute(&format!("ALTER ROLE {user} {}", setting.replace(&format!("{name}_with"), &role))).await;
    if !grant.is_empty() {
        db.execute(&format!("{grant} {user}")).await;
    }
    let (scheme, rest) = db.url().split_once("://").unwrap();
    let (_, server) = rest.split_once('@').unwrap();
    format!("{scheme}://{user}@{server}")
}

/// Roles belong to all databases of a server.
fn user(db: &Database, name: &str) -> String {
    let (_, database) = db.url().rsplit_once('/').unwrap();
    format!("{name}_{}", database.split('?').next().unwrap())
}

async fn drop_user(db: &Database, name: &str) {
    for role in [user(db, name), user(db, &format!("{name}_with"))] {
        db.execute(&format!("DROP OWNED BY {role}")).await;
        db.execute(&format!("DROP ROLE {role}")).await;
    }
}

async fn statements_that_have_no_transaction_still_run(db: Database) {
    for sql in [
        "VACUUM accounts",
        "/* now */ CREATE INDEX CONCURRENTLY by_balance ON accounts (balance)",
        "REINDEX INDEX by_balance",
        "DROP INDEX CONCURRENTLY by_balance",
        "DO $$ BEGIN INSERT INTO accounts (id, owner, balance, version) VALUES (1, 'ann', 1, 1); COMMIT; END $$",
        "DISCARD ALL",
    ] {
        db.sessions.sql(sql).execute().await.unwrap();
    }
    assert_eq!(db.accounts().await, [facts(1, "ann", 1, 1)]);
}

async fn a_pattern_needs_no_setting_of_the_server(db: Database) {
    db.store(&[account(1, r"50%_\'s", 1), account(2, "50xx's", 1)]).await;
    let joint = if db.url().contains('?') { '&' } else { '?' };
    let url = format!("{}{joint}options=-c%20standard_conforming_strings=off", db.url());
    let sessions = SessionManager::from_config(db.config_by(&url)).await.unwrap();
    let accounts = sessions.repository::<crate::support::AccountRow>();
    let owner = crate::support::AccountRow::COLUMNS.owner;
    for pattern in
        [owner.contains(r"%_\'"), owner.starts_with("50%_"), owner.ends_with(r"\'s"), owner.ilike(r"50\%\_\\'S")]
    {
        let found = accounts.filter(pattern).all().await.unwrap();
        assert_eq!(found.iter().map(|account| account.id).collect::<Vec<_>>(), [1]);
    }
    let (text, number): (String, i64) =
        sessions.sql(r"SELECT '\', $1, \'', $1::int8 + 1").bind(1_i64).fetch_one().await.unwrap();
    assert_eq!((text.as_str(), number), ("', $1, '", 2));
    let mut conn_refused = false;
    let work = sessions.transaction(WORK, async |session| {
        let mut conn = session.postgres().await?;
        diesel_async::RunQueryDsl::execute(diesel::sql_query(r"SELECT '\'; COMMIT; --'"), &mut *conn).await.unwrap();
        conn_refused = conn.batch_execute(r"SELECT 'a\\'; COMMIT; --'").await.is_err();
        Ok::<_, Error>(())
    });
    assert!(work.await.unwrap_err().is_rollback_only());
    assert!(conn_refused);
}

/// A pooler gives the settings of its client to whatever connection it takes: undoing those of the connection must not undo
/// them.
async fn names_and_encoding_of_the_client_stay(db: Database) {
    let sessions = db.connect(|config| config.pool_size(1).application_name("it's a client")).await;
    let look = "SELECT concat(current_setting('application_name'), '|', current_setting('client_encoding'))";
    for _ in 0..3 {
        assert_eq!(sessions.sql(look).fetch_one::<(String,)>().await.unwrap().0, "it's a client|UTF8");
    }
}
