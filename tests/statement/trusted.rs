//! Which function a guarded write trusts to raise.

use spakky::RequestContext;
use spakky::prelude::*;

use crate::support::{AccountRow, Database, account, facts, on_postgres};

on_postgres![
    a_function_of_another_body_is_not_trusted,
    a_function_of_another_owner_is_not_trusted,
    a_function_that_is_found_first_is_not_trusted,
    a_conflict_is_one_without_the_schema_of_the_function,
    a_conflict_is_one_for_a_role_that_may_not_call_the_function,
];

const WORK: TransactionOptions = TransactionOptions::new().name("work");

/// A save with a stale version beside one that is not: neither is stored.
async fn assert_conflict(db: &Database, sessions: &SessionManager) {
    db.store(&[account(1, "ann", 10), account(2, "bob", 20)]).await;
    let accounts = sessions.repository::<AccountRow>();
    let work = sessions.transaction(WORK, async |_| {
        let (mut stale, mut fresh) = (accounts.get(1).await?, accounts.get(2).await?);
        db.execute("UPDATE accounts SET version = version + 1 WHERE id = 1").await;
        (stale.balance, fresh.balance) = (11, 21);
        accounts.save(&mut fresh)?;
        accounts.save(&mut stale)
    });
    let error = work.await.unwrap_err();
    assert!(error.is_conflict(), "{error:?}");
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 2), facts(2, "bob", 20, 1)]);
    db.execute("DELETE FROM accounts").await;
}

const HOSTILE: &str =
    "FUNCTION spakky_raise(message text) RETURNS text LANGUAGE plpgsql VOLATILE AS $$ BEGIN RETURN message; END $$";

async fn a_function_of_another_body_is_not_trusted(db: Database) {
    db.execute("DROP FUNCTION spakky_raise(text)").await;
    for hostile in [
        HOSTILE.to_owned(),
        "FUNCTION spakky_raise(message text) RETURNS text LANGUAGE sql VOLATILE AS 'SELECT message'".to_owned(),
        HOSTILE.replace("RETURN message", "RAISE NOTICE USING ERRCODE = 'SPK01', MESSAGE = message; RETURN message"),
    ] {
        db.execute(&format!("CREATE {hostile}")).await;
        let sessions = db.connect(|config| config).await;
        assert_conflict(&db, &sessions).await;
        // Nor is it, where it was there when tables were made.
        sessions.create_tables(&schema![AccountRow]).await.unwrap();
        assert_conflict(&db, &sessions).await;
        db.execute("DROP FUNCTION spakky_raise(text)").await;
    }
    // Ours is, however it is laid out.
    db.sessions.create_tables(&schema![AccountRow]).await.unwrap();
    db.sent();
    assert_conflict(&db, &db.sessions).await;
    assert!(db.sent().iter().any(|sql| sql.contains("\"public\".spakky_raise(")));
}

/// Its owner could put another in its place at any time.
async fn a_function_of_another_owner_is_not_trusted(db: Database) {
    let role = format!("owner_{}", db.url().rsplit_once('/').unwrap().1.split('?').next().unwrap());
    db.execute(&format!("CREATE ROLE {role}")).await;
    db.execute(&format!("CREATE ROLE {role}_app LOGIN")).await;
    db.execute(&format!("GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}_app")).await;
    db.execute(&format!("ALTER FUNCTION spakky_raise(text) OWNER TO {role}")).await;
    let (scheme, rest) = db.url().split_once("://").unwrap();
    let url = format!("{scheme}://{role}_app@{}", rest.split_once('@').unwrap().1);
    let sessions = SessionManager::from_config(db.config_by(&url).echo(true)).await.unwrap();
    db.sent();
    assert_conflict(&db, &sessions).await;
    assert!(!db.sent().iter().any(|sql| sql.contains("spakky_raise(")));
    sessions.close(std::time::Duration::from_secs(60)).await.unwrap();
    db.execute("ALTER FUNCTION spakky_raise(text) OWNER TO CURRENT_USER").await;
    for role in [format!("{role}_app"), role] {
        db.execute(&format!("DROP OWNED BY {role}")).await;
        db.execute(&format!("DROP ROLE {role}")).await;
    }
}

async fn a_function_that_is_found_first_is_not_trusted(db: Database) {
    db.execute("CREATE SCHEMA hostile").await;
    db.execute(&format!("CREATE {}", HOSTILE.replace("spakky_raise", "hostile.spakky_raise"))).await;
    let joint = if db.url().contains('?') { '&' } else { '?' };
    let url = format!("{}{joint}options=-c%20search_path=hostile,public", db.url());
    let found_first = SessionManager::from_config(db.config_by(&url)).await.unwrap();
    assert_conflict(&db, &found_first).await;
    // Put before ours by the scope itself.
    let work = async { assert_conflict(&db, &db.sessions).await };
    RequestContext::new().setting("search_path", "hostile, public").scope(work).await;
}

async fn a_conflict_is_one_without_the_schema_of_the_function(db: Database) {
    db.execute("CREATE SCHEMA t1").await;
    db.execute("CREATE TABLE t1.accounts (LIKE public.accounts INCLUDING ALL)").await;
    db.execute("INSERT INTO t1.accounts (id, owner, balance, version) VALUES (1, 'ann', 10, 5)").await;
    let accounts = db.account_repository();
    let work = db.sessions.transaction(WORK, async |_| {
        let mut ann = accounts.get(1).await?;
        db.execute("UPDATE t1.accounts SET version = 6").await;
        ann.balance = 11;
        accounts.save(&mut ann)
    });
    let error = RequestContext::new().setting("search_path", "t1").scope(work).await.unwrap_err();
    assert!(error.is_conflict(), "{error:?}");
}

async fn a_conflict_is_one_for_a_role_that_may_not_call_the_function(db: Database) {
    let role = format!("guest_{}", db.url().rsplit_once('/').unwrap().1.split('?').next().unwrap());
    db.execute(&format!("CREATE ROLE {role}")).await;
    db.execute(&format!("GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}")).await;
    db.execute("REVOKE EXECUTE ON FUNCTION spakky_raise(text) FROM PUBLIC").await;
    let work = async { assert_conflict(&db, &db.sessions).await };
    RequestContext::new().setting("role", role.clone()).scope(work).await;
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    let work = db.sessions.transaction(WORK, async |session| {
        let mut ann = accounts.get(1).await?;
        session.sql(format!("SET ROLE {role}")).execute().await?;
        db.execute("UPDATE accounts SET version = version + 1").await;
        ann.balance = 11;
        accounts.save(&mut ann)
    });
    let error = work.await.unwrap_err();
    assert!(error.is_conflict(), "{error:?}");
    db.execute(&format!("DROP OWNED BY {role}")).await;
    db.execute(&format!("DROP ROLE {role}")).await;
}
