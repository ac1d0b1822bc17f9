//! What plain SQL and closures leave on an SQLite connection ends with their scope.

use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};
use spakky::Error;
use spakky::prelude::*;

use crate::support::{AccountRow, Database, account, cancel_after, facts};

macro_rules! on_sqlite {
    ($($name:ident),+ $(,)?) => {
        $(#[test]
        fn $name() {
            $crate::support::run(spakky::Backend::Sqlite, of_a_file::$name);
        })+
    };
}

const WORK: TransactionOptions = TransactionOptions::new().name("work");

/// Each leaves something, which the query shows.
const TRACES: [(&str, &str); 9] = [
    ("PRAGMA query_only = 1", "SELECT query_only FROM pragma_query_only"),
    ("/* a */ pragma main.cache_size(77)", "SELECT cache_size FROM pragma_cache_size"),
    ("PRAGMA synchronous = OFF", "SELECT synchronous FROM pragma_synchronous"),
    ("PRAGMA foreign_keys = OFF", "SELECT foreign_keys FROM pragma_foreign_keys"),
    ("PRAGMA recursive_triggers = ON", "SELECT recursive_triggers FROM pragma_recursive_triggers"),
    ("PRAGMA case_sensitive_like = ON", "SELECT 'a' LIKE 'A'"),
    ("CREATE TEMPORARY TABLE left_over AS SELECT 1 AS a", "SELECT count(*) FROM sqlite_temp_master"),
    ("CREATE TEMP VIEW accounts AS SELECT 'gone' AS id", "SELECT count(*) FROM sqlite_temp_master"),
    ("ATTACH ':memory:' AS other", "SELECT count(*) FROM pragma_database_list WHERE name = 'other'"),
];

async fn shown(sessions: &SessionManager, show: &str) -> i64 {
    sessions.sql(show).fetch_one::<(i64,)>().await.unwrap().0
}

/// In each way in which a scope can come to an end, and outside of any.
async fn assert_nothing_is_left(sessions: &SessionManager) {
    for (trace, show) in TRACES {
        let before = shown(sessions, show).await;
        let assert_as_before = async |how: &str| assert_eq!(shown(sessions, show).await, before, "{trace}, {how}");

        sessions.sql(trace).fetch_all::<(i64,)>().await.ok();
        assert_as_before("outside").await;
        for polls in [1, 2] {
            let _ = cancel_after(polls, false, sessions.sql(trace).fetch_all::<(i64,)>()).await;
            assert_as_before("dropped outside").await;
        }
        sessions.transaction(WORK, async |session| session.sql(trace).fetch_all::<(i64,)>().await).await.ok();
        assert_as_before("by a read").await;
        // Inside a transaction some PRAGMAs do nothing.
        sessions.transaction(WORK, async |session| session.sql(trace).execute().await).await.ok();
        assert_as_before("by a write").await;
        let failing = sessions.transaction(WORK, async |session| {
            session.sql(trace).execute().await?;
            Err::<(), _>(Error::other("planned"))
        });
        failing.await.unwrap_err();
        assert_as_before("undone").await;
        let lent =
            sessions.transaction(WORK, async |session| session.sqlite(move |conn| conn.batch_execute(trace)).await);
        lent.await.ok();
        assert_as_before("lent").await;
    }
}

mod of_a_file {
    use super::*;

    pub(super) async fn nothing_outlives_a_scope_of_a_file(db: Database) {
        let sessions = db.connect(|config| config.pool_size(1)).await;
        assert_nothing_is_left(&sessions).await;
        sessions.repository::<AccountRow>().autocommit().add_now(&mut account(1, "ann", 10)).await.unwrap();
        assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1)]);
    }

    pub(super) async fn what_asks_or_tidies_up_keeps_the_connection(db: Database) {
        let sessions = db.connect(|config| config.pool_size(1)).await;
        // Lives as long as the connection.
        let seen = "SELECT data_version FROM pragma_data_version";
        db.store(&[account(1, "ann", 10)]).await;
        let before = shown(&sessions, seen).await;
        db.execute("UPDATE accounts SET balance = 1").await;
        let after = shown(&sessions, seen).await;
        for sql in [
            "PRAGMA table_info(accounts)",
            "PRAGMA optimize",
            "PRAGMA user_version = 7",
            "PRAGMA wal_checkpoint(PASSIVE)",
        ] {
            sessions.sql(sql).execute().await.unwrap();
        }
        assert_eq!((before != after, shown(&sessions, seen).await), (true, after));
    }

    /// The connection that comes back is another: the transaction is undone, and the pool has neither of the two any more.
    pub(super) async fn a_connection_that_is_exchanged_ends(db: Database) {
        let sessions = db.connect(|config| config.pool_size(1)).await;
        let accounts = sessions.repository::<AccountRow>();
        let (hand_over, taken) = std::sync::mpsc::channel();
        let work = sessions.transaction(WORK, async |session| {
            accounts.add(&mut account(1, "ann", 10))?;
            let exchange = session.sqlite(move |conn| {
                let mut other = SqliteConnection::establish(":memory:").unwrap();
                std::mem::swap(conn, &mut other);
                hand_over.send(other).unwrap();
                Ok(())
            });
            let error = exchange.await.unwrap_err();
            assert!(error.is_rollback_only(), "{error:?}");
            assert!(accounts.get(1).await.unwrap_err().is_rollback_only());
            Ok::<_, Error>(())
        });
        assert!(work.await.unwrap_err().is_rollback_only());
        assert_eq!(db.accounts().await, []);
        accounts.autocommit().add_now(&mut account(2, "bob", 20)).await.unwrap();
        let lent = sessions.transaction(WORK, async |session| {
            session.sqlite(|conn| conn.batch_execute("UPDATE accounts SET balance = 30")).await
        });
        lent.await.unwrap();
        assert_eq!(db.accounts().await, [facts(2, "bob", 30, 1)]);
        // It is the closure's now.
        let mut taken = taken.recv().unwrap();
        taken.batch_execute("SELECT count(*) FROM accounts").unwrap();
        std::mem::forget(taken);
    }
}

on_sqlite![
    nothing_outlives_a_scope_of_a_file,
    what_asks_or_tidies_up_keeps_the_connection,
    a_connection_that_is_exchanged_ends,
];

/// A database in memory ends with its connection, so that what was left is undone there.
#[test]
fn nothing_outlives_a_scope_in_memory_nor_is_the_database_lost() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let sessions = SessionManager::connect("sqlite::memory:").await.unwrap();
        sessions.create_tables(&schema![AccountRow]).await.unwrap();
        let accounts = sessions.repository::<AccountRow>();
        accounts.autocommit().add_now(&mut account(1, "ann", 10)).await.unwrap();
        assert_nothing_is_left(&sessions).await;
        assert_eq!(shown(&sessions, "SELECT count(*) FROM accounts").await, 1);
        accounts.autocommit().add_now(&mut account(2, "bob", 10)).await.unwrap();
    });
}
