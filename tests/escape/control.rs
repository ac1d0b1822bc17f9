//! Nothing that a program writes itself ends the transaction of its scope.

use diesel::connection::SimpleConnection;
use diesel_async::SimpleAsyncConnection;
use spakky::Error;
use spakky::prelude::*;

use crate::support::{Database, account, facts, on_each_backend};

on_each_backend![
    plain_sql_controls_no_transaction_wherever_it_says_so,
    a_lent_connection_controls_no_transaction,
    a_part_of_a_transaction_on_a_lent_connection_is_its_own,
    plain_sql_of_the_manager_joins_the_scope,
    plain_sql_of_the_manager_joins_a_nested_scope,
    plain_sql_holds_no_nul,
    borrowed_values_are_bound,
];

const WORK: TransactionOptions = TransactionOptions::new().name("work");

const CONTROLS: [&str; 14] = [
    "/* job 7 */ COMMIT",
    "-- job 7\nCOMMIT",
    ";COMMIT",
    "SELECT 1; COMMIT",
    "SELECT ';' ; -- ;\n commit and chain",
    "END",
    "ABORT",
    "/**/ROLLBACK/**/",
    "BEGIN",
    "START TRANSACTION",
    "SAVEPOINT spakky_1",
    "ROLLBACK TO SAVEPOINT spakky_1",
    "RELEASE spakky_1",
    "PREPARE TRANSACTION 'a'",
];

async fn plain_sql_controls_no_transaction_wherever_it_says_so(db: Database) {
    let accounts = db.account_repository();
    for sql in CONTROLS {
        let work = db.sessions.transaction(WORK, async |session| {
            accounts.add_now(&mut account(1, "ann", 10)).await?;
            let error = session.sql(sql).execute().await.unwrap_err();
            assert!(error.is_invalid_query(), "{sql}: {error:?}");
            assert!(error.to_string().ends_with("use `transaction(..)`, `nested`, or `set_rollback_only`"), "{error}");
            assert!(db.sessions.sql(sql).fetch_all::<(i64,)>().await.unwrap_err().is_invalid_query());
            accounts.get(1).await?;
            Err::<(), _>(Error::other("planned"))
        });
        work.await.unwrap_err();
        assert_eq!(db.accounts().await, [], "{sql}");
        assert!(db.sessions.sql(sql).execute().await.unwrap_err().is_invalid_query(), "{sql}");
    }
}

async fn a_lent_connection_controls_no_transaction(db: Database) {
    let accounts = db.account_repository();
    for sql in [
        "COMMIT; BEGIN",
        "/* job 7 */ COMMIT; BEGIN",
        "SELECT 1; -- a\nROLLBACK; BEGIN",
        "END; BEGIN",
        "COMMIT",
        "ROLLBACK",
        "SAVEPOINT spakky_1",
    ] {
        for tells in [true, false] {
            let work = db.sessions.transaction(WORK, async |session| {
                accounts.add_now(&mut account(1, "ann", 10)).await?;
                let done = if db.is_sqlite() {
                    let run = session.sqlite(move |conn| {
                        conn.batch_execute(sql).or(if tells { Err(diesel::NotFound) } else { Ok(()) })
                    });
                    run.await.is_ok()
                } else {
                    let mut conn = session.postgres().await?;
                    conn.batch_execute(sql).await.is_ok()
                };
                assert!(!done, "{sql}");
                assert!(session.is_rollback_only(), "{sql}");
                Ok::<_, Error>(())
            });
            assert!(work.await.unwrap_err().is_rollback_only(), "{sql}");
            assert_eq!(db.accounts().await, [], "{sql}");
        }
    }
}

async fn a_part_of_a_transaction_on_a_lent_connection_is_its_own(db: Database) {
    let accounts = db.account_repository();
    let undone = "SAVEPOINT mine; DELETE FROM accounts; ROLLBACK TO mine; RELEASE mine";
    let work = db.sessions.transaction(WORK, async |session| {
        accounts.add(&mut account(1, "ann", 10))?;
        if db.is_sqlite() {
            session.sqlite(move |conn| conn.batch_execute(undone)).await
        } else {
            let mut conn = session.postgres().await?;
            conn.batch_execute(undone).await.unwrap();
            diesel_async::RunQueryDsl::execute(diesel::sql_query("SELECT 'COMMIT; COMMIT'"), &mut *conn).await.unwrap();
            Ok(())
        }
    });
    work.await.unwrap();
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1)]);
}

async fn plain_sql_of_the_manager_joins_the_scope(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    let work = db.sessions.transaction(WORK, async |_| {
        accounts.add(&mut account(2, "bob", 20))?;
        let (count,): (i64,) = db.sessions.sql("SELECT count(*) FROM accounts").fetch_one().await?;
        assert_eq!(count, 2, "what is queued is seen");
        assert_eq!(db.sessions.sql("UPDATE accounts SET balance = 50").execute().await?, 2);
        assert_eq!(accounts.get(1).await?.balance, 50, "what was known is read again");
        assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1)], "nobody else sees it");
        Err::<(), _>(Error::other("planned"))
    });
    work.await.unwrap_err();
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1)]);

    let work = db.sessions.transaction(WORK, async |_| {
        accounts.get(1).await?;
        // Leaves the scope aside.
        update_aside(&db).await;
        Err::<(), _>(Error::other("planned"))
    });
    work.await.unwrap_err();
    assert_eq!(db.accounts().await, [facts(1, "ann", 60, 1)]);
}

async fn update_aside(db: &Database) {
    #[derive(Clone, HasSessions)]
    struct Aside {
        sessions: SessionManager,
    }
    impl Aside {
        #[transactional(propagation = not_supported)]
        async fn update(&self) -> Result<u64, Error> {
            self.sessions.sql("UPDATE accounts SET balance = 60").execute().await
        }
    }
    Aside { sessions: db.sessions.clone() }.update().await.unwrap();
}

async fn plain_sql_of_the_manager_joins_a_nested_scope(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let raise = async || db.sessions.sql("UPDATE accounts SET balance = balance + 1").execute().await;
    let work = db.sessions.transaction(WORK, async |_| {
        raise().await?;
        let nested = db.sessions.transaction(WORK.propagation(Propagation::Nested), async |_| {
            raise().await?;
            Err::<(), _>(Error::other("planned"))
        });
        nested.await.unwrap_err();
        raise().await
    });
    work.await.unwrap();
    assert_eq!(db.accounts().await, [facts(1, "ann", 12, 1)]);
}

async fn plain_sql_holds_no_nul(db: Database) {
    for sql in ["SELECT 1 /* \0 */", "\0", "SELECT 1\0", "SELECT '\0'"] {
        let error = db.sessions.sql(sql).fetch_all::<(i64,)>().await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "run plain SQL: the statement holds a NUL character, which no database takes; remove it"
        );
        let work = db.sessions.transaction(WORK, async |session| session.sql(sql).execute().await);
        assert!(work.await.unwrap_err().is_invalid_query());
    }
}

async fn borrowed_values_are_bound(db: Database) {
    let (cast_text, cast_bytes) = if db.is_sqlite() { ("", "") } else { ("::text", "::bytea") };
    let sql = format!("SELECT $1{cast_text}, $2{cast_text}, $3{cast_text}, $4{cast_bytes}, $5{cast_bytes}");
    let query = db.sessions.sql(sql).bind("north").bind(Some("south")).bind(None::<&str>).bind(&[1_u8, 2][..]);
    type Found = (String, Option<String>, Option<String>, Vec<u8>, Option<Vec<u8>>);
    let found: Found = query.bind(Some(&[3_u8][..])).fetch_one().await.unwrap();
    assert_eq!(found, ("north".into(), Some("south".into()), None, vec![1, 2], Some(vec![3])));
    if db.is_sqlite() {
        let sql = "SELECT ?, ?2 || ?, :last, $1, '?' /* /* ? */";
        let found: (String, String, String, String, String) =
            db.sessions.sql(sql).bind("a").bind("b").bind("c").bind("d").fetch_one().await.unwrap();
        assert_eq!(found, ("a".into(), "bc".into(), "d".into(), "a".into(), "?".into()));
    }
}
