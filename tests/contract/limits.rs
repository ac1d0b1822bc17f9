//! What a database in memory does not do, and says.

use spakky::prelude::*;
use spakky::testing;

use super::{Kind, Purchase, Store, on_each_store, purchase, tables};

on_each_store![a_database_in_memory_runs_no_sql];

async fn a_database_in_memory_runs_no_sql(store: Store) {
    let purchases = store.fill([1]).await;
    let rows = store.sessions.sql("SELECT total FROM purchases").fetch_all::<(i64,)>().await;
    if store.kind != Kind::InMemory {
        assert_eq!(rows.unwrap(), [(10,)]);
        return;
    }
    let expected = "run SQL: the in-memory database does not run SQL; use the repository's methods, or test this with \
                    `sqlite::memory:` or PostgreSQL";
    let error = rows.unwrap_err();
    assert_eq!((error.is_invalid_query(), error.to_string()), (true, expected.to_owned()));
    let answer = store.work(async |session| session.sql("DELETE FROM purchases").execute().await).await;
    assert_eq!(answer.unwrap_err().to_string(), expected);
    let lent = store.work(async |session| session.postgres().await.map(drop)).await.unwrap_err();
    assert!(lent.is_invalid_query(), "{lent}");
    let lent = store.work(async |session| session.sqlite(|_| Ok(())).await).await.unwrap_err();
    assert!(lent.is_invalid_query(), "{lent}");
    assert_eq!(purchases.query().count().await.unwrap(), 1);
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "odd")]
#[mappable(domain = Self)]
struct Odd {
    #[table(id)]
    id: i64,
    #[table(default = "abs(-7)")]
    size: i64,
}

#[tokio::test]
async fn a_default_that_is_sql_is_refused_with_the_table() {
    let error = testing::in_memory(&schema![Odd]).await.unwrap_err();
    assert!(error.is_schema());
    assert_eq!(
        error.to_string(),
        "create table `odd` in memory: the default `abs(-7)` of column `size` is SQL, which the in-memory database does \
         not run; it understands numbers, 'text', true, false, NULL, now() and CURRENT_TIMESTAMP"
    );
}

#[tokio::test]
async fn each_manager_has_a_database_of_its_own_that_its_connections_share() {
    let one = testing::in_memory(&tables()).await.unwrap();
    let other = testing::in_memory(&tables()).await.unwrap();
    one.repository::<super::Buyer>().autocommit().add_now(&mut super::buyer(1, "Ann")).await.unwrap();
    one.repository::<Purchase>().autocommit().add_now(&mut purchase(1)).await.unwrap();
    assert_eq!(one.repository::<Purchase>().query().count().await.unwrap(), 1);
    assert_eq!(other.repository::<Purchase>().query().count().await.unwrap(), 0);
    one.create_tables(&tables()).await.unwrap();
    assert_eq!(one.repository::<Purchase>().query().count().await.unwrap(), 1);
    one.drop_tables(&tables()).await.unwrap();
    let error = one.repository::<Purchase>().query().count().await.unwrap_err();
    assert!(error.is_schema(), "{error}");
}

#[tokio::test]
async fn a_writer_waits_for_another_no_longer_than_the_limit() {
    let config = DatabaseConfig::new("memory:").lock_timeout(std::time::Duration::from_millis(20));
    let sessions = SessionManager::from_config(config).await.unwrap();
    sessions.create_tables(&tables()).await.unwrap();
    let buyers = sessions.repository::<super::Buyer>();
    let first = sessions.begin();
    buyers.in_session(first.session()).add_now(&mut super::buyer(1, "Ann")).await.unwrap();
    let waiting = tokio::spawn({
        let (sessions, buyers) = (sessions.clone(), buyers.clone());
        async move {
            let second = sessions.begin();
            buyers.in_session(second.session()).add_now(&mut super::buyer(2, "Bob")).await
        }
    });
    let error = waiting.await.unwrap().unwrap_err();
    assert!(error.is_lock_timeout() && error.is_retryable(), "{error}");
    first.commit().await.unwrap();
}
