//! A primary and its read replicas under one name. Databases with different rows stand in for them, so that a read tells
//! where it was answered.

use spakky::prelude::*;
use spakky::testing::TestDatabase;
use spakky::{Backend, Error, ErrorKind, Propagation};

use super::{BankError, stored};
use crate::support::{AccountRow, Database, account, on_each_backend};

on_each_backend! {
    a_function_that_only_reads_uses_the_replicas_in_turn,
    a_read_only_scope_inside_one_that_writes_is_part_of_it,
    a_read_only_part_of_a_scope_that_writes_refuses_writes,
    a_scope_that_writes_inside_one_on_a_replica_is_refused_its_writes,
    a_new_transaction_inside_one_on_a_replica_is_on_the_primary,
    a_replica_has_connections_of_its_own,
    without_replicas_the_primary_is_read,
    a_replica_on_another_backend_is_refused,
}

/// Databases that hold one account each, of this id.
struct Replicas {
    managers: Vec<SessionManager>,
    _homes: Vec<TestDatabase>,
}

impl Replicas {
    async fn new(backend: Backend, ids: &[i64]) -> Self {
        let mut replicas = Replicas { managers: Vec::new(), _homes: Vec::new() };
        for &id in ids {
            let home = match backend {
                Backend::Postgres => TestDatabase::postgres().await.unwrap(),
                _ => TestDatabase::sqlite().unwrap(),
            };
            let sessions = home.connect().await.unwrap();
            sessions.create_tables(&schema![AccountRow]).await.unwrap();
            sessions.repository::<AccountRow>().autocommit().add_now(&mut account(id, "replica", 0)).await.unwrap();
            replicas.managers.push(sessions);
            replicas._homes.push(home);
        }
        replicas
    }
}

const READ: TransactionOptions = TransactionOptions::new().name("read").read_only();
const WRITE: TransactionOptions = TransactionOptions::new().name("write");

/// A registry in which `bank` is the database, with one replica that holds account 101.
async fn registered(db: &Database) -> (SessionRegistry, Replicas) {
    let registry = SessionRegistry::new();
    let replicas = Replicas::new(db.backend(), &[101]).await;
    registry.set_with_replicas("bank", db.sessions.clone(), replicas.managers.clone()).unwrap();
    (registry, replicas)
}

async fn ids(accounts: &Repository<AccountRow>) -> Result<Vec<i64>, Error> {
    let c = AccountRow::COLUMNS;
    Ok(accounts.query().order_by(c.id.asc()).all().await?.into_iter().map(|account| account.id).collect())
}

/// A service over a name of the registry, once for each backend's database.
macro_rules! branch {
    ($branch:ident, $name:tt) => {
        struct $branch(Repository<AccountRow>);

        impl $branch {
            const NAME: &'static str = $name;

            #[transactional(registry = $name, read_only)]
            async fn ids(&self) -> Result<Vec<i64>, BankError> {
                Ok(ids(&self.0).await?)
            }

            #[transactional(registry = $name)]
            async fn open(&self, id: i64) -> Result<Vec<i64>, BankError> {
                self.0.add_now(&mut account(id, "ann", 0)).await?;
                self.ids().await
            }

            #[transactional(registry = $name, read_only, name = "report")]
            async fn report(&self) -> Result<Vec<i64>, BankError> {
                self.open(9).await
            }
        }
    };
}

branch!(SqliteBranch, "sqlite branch");
branch!(PostgresBranch, "postgres branch");

async fn a_function_that_only_reads_uses_the_replicas_in_turn(db: Database) {
    let replicas = Replicas::new(db.backend(), &[101, 102]).await;
    macro_rules! check {
        ($branch:ident) => {{
            let branch = $branch(db.account_repository());
            let registry = SessionRegistry::global();
            registry.set_with_replicas($branch::NAME, db.sessions.clone(), replicas.managers.clone()).unwrap();
            assert_eq!(branch.ids().await.unwrap(), [101]);
            assert_eq!(branch.ids().await.unwrap(), [102]);
            assert_eq!(branch.ids().await.unwrap(), [101]);
            // What writes, and what is called by it, is on the primary.
            assert_eq!(branch.open(1).await.unwrap(), [1]);
            let refused = branch.report().await.unwrap_err();
            assert_eq!(refused.kind(), Some(ErrorKind::ReadOnly));
            assert_eq!(refused.to_string(), "write in `report`, which is read-only; drop `read_only` from its scope");
        }};
    }
    if db.is_sqlite() {
        check!(SqliteBranch)
    } else {
        check!(PostgresBranch)
    }
    assert_eq!(stored(&db).await, [1]);
}

async fn a_read_only_scope_inside_one_that_writes_is_part_of_it(db: Database) {
    let (registry, replicas) = registered(&db).await;
    let accounts = db.account_repository();
    for propagation in [Propagation::Required, Propagation::Nested, Propagation::Supports, Propagation::Mandatory] {
        let work = db.sessions.transaction(WRITE, async |session| {
            accounts.add(&mut account(1, "ann", 0))?;
            let reader = registry.replica("bank")?;
            let read = reader.transaction(READ.propagation(propagation), async |inner| {
                assert!(std::ptr::eq(inner.manager().config(), session.manager().config()));
                ids(&accounts).await
            });
            assert_eq!(read.await?, [1]);
            accounts.delete_by_id(1)
        });
        work.await.unwrap();
    }
    assert_eq!(replicas.managers[0].status().in_use, 0);
}

async fn a_read_only_part_of_a_scope_that_writes_refuses_writes(db: Database) {
    let (registry, _replicas) = registered(&db).await;
    let accounts = db.account_repository();
    let work = db.sessions.transaction(WRITE, async |_| {
        let reader = registry.replica("bank")?;
        for propagation in [Propagation::Required, Propagation::Nested] {
            let refused = async |error: Error| {
                assert!(error.is_read_only(), "{error:?}");
                assert_eq!(error.to_string(), "write in `read`, which is read-only; drop `read_only` from its scope");
            };
            let body = async |inner: Session| {
                refused(accounts.add(&mut account(2, "ben", 0)).unwrap_err()).await;
                refused(inner.sql("DELETE FROM accounts").execute().await.unwrap_err()).await;
                // What is part of the part is no freer.
                let deeper = WRITE.propagation(Propagation::Nested);
                let deeper = db.sessions.transaction(deeper, async |_| accounts.delete_by_id(1));
                refused(deeper.await.unwrap_err()).await;
                Ok::<_, Error>(())
            };
            reader.transaction(READ.propagation(propagation), body).await?;
        }
        accounts.add(&mut account(1, "ann", 0))
    });
    work.await.unwrap();
    assert_eq!(stored(&db).await, [1]);
}

async fn a_scope_that_writes_inside_one_on_a_replica_is_refused_its_writes(db: Database) {
    let (registry, _replicas) = registered(&db).await;
    let accounts = db.account_repository();
    let replica = registry.replica("bank").unwrap();
    let work = replica.transaction(READ, async |_| {
        assert_eq!(ids(&accounts).await?, [101]);
        db.sessions.transaction(WRITE, async |_| accounts.add(&mut account(1, "ann", 0))).await
    });
    let error = work.await.unwrap_err();
    assert_eq!(error.to_string(), "write in `read`, which is read-only; drop `read_only` from its scope");
    assert!(stored(&db).await.is_empty());
}

async fn a_new_transaction_inside_one_on_a_replica_is_on_the_primary(db: Database) {
    let (registry, _replicas) = registered(&db).await;
    let accounts = db.account_repository();
    let replica = registry.replica("bank").unwrap();
    let work = replica.transaction(READ, async |_| {
        let before = ids(&accounts).await?;
        let own = WRITE.propagation(Propagation::RequiresNew);
        let inner = db.sessions.transaction(own, async |_| {
            accounts.add_now(&mut account(1, "ann", 0)).await?;
            ids(&accounts).await
        });
        Ok::<_, Error>((before, inner.await?, ids(&accounts).await?))
    });
    assert_eq!(work.await.unwrap(), (vec![101], vec![1], vec![101]));
    assert_eq!(stored(&db).await, [1]);
}

async fn a_replica_has_connections_of_its_own(db: Database) {
    let registry = SessionRegistry::new();
    let primary = db.connect(|config| config.pool_size(1)).await;
    let replicas = Replicas::new(db.backend(), &[101]).await;
    registry.set_with_replicas("bank", primary.clone(), replicas.managers.clone()).unwrap();
    let accounts = primary.repository::<AccountRow>();
    let work = primary.transaction(WRITE, async |_| {
        accounts.add_now(&mut account(1, "ann", 0)).await?;
        // The pool of the primary is empty now.
        let read = registry.read_only("bank")?;
        let seen = ids(&accounts.in_session(read.session())).await?;
        read.commit().await?;
        Ok::<_, Error>(seen)
    });
    assert_eq!(work.await.unwrap(), [101]);
}

async fn without_replicas_the_primary_is_read(db: Database) {
    let registry = SessionRegistry::new();
    registry.set("bank", db.sessions.clone());
    let accounts = db.account_repository();
    let reader = registry.replica("bank").unwrap();
    let work = db.sessions.transaction(WRITE, async |_| {
        accounts.add_now(&mut account(1, "ann", 0)).await?;
        reader.transaction(READ, async |_| ids(&accounts).await).await
    });
    assert_eq!(work.await.unwrap(), [1]);
    assert_eq!(reader.transaction(READ, async |_| ids(&accounts).await).await.unwrap(), [1]);
}

async fn a_replica_on_another_backend_is_refused(db: Database) {
    let (other, found) = match db.backend() {
        Backend::Postgres => (Backend::Sqlite, "the primary is on PostgreSQL, and one of them on SQLite"),
        _ => (Backend::Postgres, "the primary is on SQLite, and one of them on PostgreSQL"),
    };
    let replicas = Replicas::new(other, &[101]).await;
    let registry = SessionRegistry::new();
    let error = registry.set_with_replicas("bank", db.sessions.clone(), replicas.managers.clone()).unwrap_err();
    assert!(error.is_config());
    assert_eq!(error.to_string(), format!("set the replicas of `bank`: {found}"));
    assert!(registry.names().is_empty());
}
