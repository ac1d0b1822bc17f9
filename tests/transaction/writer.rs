//! SQLite has one writer at a time: a second one inside a scope that has written would wait for itself.

use spakky::Error;
use spakky::prelude::*;

use crate::support::{Database, account, facts, on_each_backend};

on_each_backend![
    requires_new_commits_by_itself,
    requires_new_after_the_outer_scope_has_flushed,
    a_write_of_its_own_after_the_outer_scope_has_flushed,
    reads_go_on_beside_a_writer,
];

const OUTER: TransactionOptions = TransactionOptions::new().name("outer");
const INNER: TransactionOptions = TransactionOptions::new().name("inner").propagation(Propagation::RequiresNew);

async fn requires_new_commits_by_itself(db: Database) {
    let accounts = db.account_repository();
    let answer = db.sessions.transaction(OUTER, async |_| {
        accounts.add(&mut account(1, "ann", 10))?;
        db.sessions.transaction(INNER, async |_| accounts.add(&mut account(2, "bob", 20))).await?;
        assert_eq!(db.accounts().await, [facts(2, "bob", 20, 1)]);
        accounts.get(9).await.map(drop)
    });
    assert!(answer.await.unwrap_err().is_not_found());
    assert_eq!(db.accounts().await, [facts(2, "bob", 20, 1)]);
}

async fn requires_new_after_the_outer_scope_has_flushed(db: Database) {
    let accounts = db.account_repository();
    let answer = db.sessions.transaction(OUTER, async |_| {
        accounts.add_now(&mut account(1, "ann", 10)).await?;
        db.sessions.transaction(INNER, async |_| accounts.add(&mut account(2, "bob", 20))).await
    });
    let answer = answer.await;
    if !db.is_sqlite() {
        answer.unwrap();
        assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1), facts(2, "bob", 20, 1)]);
        return;
    }
    let error = answer.unwrap_err();
    assert!(error.is_pool_deadlock());
    assert_eq!(
        error.to_string(),
        "write in `inner`: SQLite has one writer at a time, and `outer` around it has written already, so it would wait \
         for itself; write here before `outer` flushes, or after it has ended, or make this scope `nested`"
    );
    assert_eq!(db.accounts().await, []);
}

async fn a_write_of_its_own_after_the_outer_scope_has_flushed(db: Database) {
    let accounts = db.account_repository();
    let answer = db.sessions.transaction(OUTER, async |_| {
        accounts.add_now(&mut account(1, "ann", 10)).await?;
        let own = db.sessions.begin();
        let insert = "INSERT INTO accounts (id, owner, balance, version) VALUES (2, 'bob', 20, 1)";
        let count = own.session().sql(insert).execute().await?;
        own.commit().await?;
        Ok::<_, Error>(count)
    });
    match answer.await {
        Ok(count) => assert_eq!((count, db.is_sqlite()), (1, false)),
        Err(error) => assert!(error.is_pool_deadlock() && db.is_sqlite(), "{error:?}"),
    }
}

async fn reads_go_on_beside_a_writer(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    db.sessions
        .transaction(OUTER, async |_| {
            accounts.add_now(&mut account(2, "bob", 20)).await?;
            let seen = db.sessions.transaction(INNER, async |_| accounts.find_many([1, 2]).await).await?;
            assert_eq!(seen.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false]);
            let own = db.sessions.read_only();
            let count: (i64,) = own.session().sql("SELECT count(*) FROM accounts").fetch_one().await?;
            own.commit().await?;
            assert_eq!(count, (1,));
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    assert_eq!(db.accounts().await.len(), 2);
}
