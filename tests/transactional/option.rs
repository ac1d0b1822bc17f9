//! The options of a scope, one by one.

use std::time::Duration;

use spakky::ErrorKind;
use spakky::prelude::*;

use super::{Bank, BankError, stored};
use crate::support::{Database, on_each_backend};

on_each_backend! {
    a_read_only_scope_refuses_writes,
    the_isolation_is_asked_of_the_database,
    the_name_is_the_functions_path_or_the_one_given,
    past_its_time_the_body_is_dropped_and_nothing_is_stored,
    a_body_that_never_waits_is_out_of_time_too,
    within_its_time_the_body_is_left_alone,
    an_inner_scope_out_of_time_dooms_the_outer_one,
}

impl Bank {
    #[transactional(read_only)]
    async fn reading(&self, id: i64) -> Result<bool, BankError> {
        Ok(self.accounts.exists(id).await?)
    }

    #[transactional(read_only)]
    async fn reading_but_writing(&self, id: i64) -> Result<(), BankError> {
        self.open(id)
    }

    #[transactional(isolation = serializable, read_only, deferrable)]
    async fn isolation(&self) -> Result<(String, String, String), BankError> {
        let session = Session::current()?;
        let show = async |setting| session.sql(format!("SHOW {setting}")).fetch_one::<(String,)>().await;
        let (isolation,) = show("transaction_isolation").await?;
        let (read_only,) = show("transaction_read_only").await?;
        let (deferrable,) = show("transaction_deferrable").await?;
        Ok((isolation, read_only, deferrable))
    }

    #[transactional(isolation = repeatable_read)]
    async fn snapshot(&self, id: i64, between: impl AsyncFnOnce()) -> Result<(bool, bool), BankError> {
        let before = self.accounts.untracked().exists(id).await?;
        between().await;
        Ok((before, self.accounts.untracked().exists(id).await?))
    }

    #[transactional]
    async fn unnamed_scope(&self) -> Result<&'static str, BankError> {
        Ok(Session::current()?.name())
    }

    #[transactional(name = "pay the rent")]
    async fn named_scope(&self) -> Result<&'static str, BankError> {
        Ok(Session::current()?.name())
    }

    #[transactional(timeout = "20ms", name = "slow")]
    async fn too_slow(&self, id: i64) -> Result<(), BankError> {
        self.open(id)?;
        Session::current()?.flush().await?;
        tokio::time::sleep(Duration::from_secs(600)).await;
        Ok(())
    }

    #[transactional(timeout = "20ms", name = "slow")]
    async fn too_slow_without_writing(&self, id: i64) -> Result<(), BankError> {
        self.open(id)?;
        std::future::pending().await
    }

    #[transactional(timeout = "20ms", name = "busy")]
    async fn busy(&self) -> Result<(), BankError> {
        loop {
            tokio::task::consume_budget().await;
        }
    }

    #[transactional(timeout = "1m")]
    async fn fast_enough(&self, id: i64) -> Result<(), BankError> {
        self.open(id)
    }

    #[transactional(name = "around")]
    async fn around_a_slow_one(&self) -> Result<(), BankError> {
        self.open(1)?;
        assert_eq!(self.too_slow_without_writing(2).await.unwrap_err().kind(), Some(ErrorKind::Timeout));
        Ok(())
    }
}

async fn a_read_only_scope_refuses_writes(database: Database) {
    let bank = Bank::new(&database);
    assert!(!bank.reading(1).await.unwrap());
    let error = bank.reading_but_writing(1).await.unwrap_err();
    assert_eq!(error.kind(), Some(ErrorKind::ReadOnly));
    let message = "write in `main::transactional::option::reading_but_writing`, which is read-only; drop `read_only` \
                   from its scope";
    assert_eq!(error.to_string(), message);
}

async fn the_isolation_is_asked_of_the_database(database: Database) {
    let bank = Bank::new(&database);
    if !database.is_sqlite() {
        let settings = bank.isolation().await.unwrap();
        assert_eq!(settings, ("serializable".into(), "on".into(), "on".into()));
        let seen = bank
            .snapshot(1, async || {
                bank.fast_enough_elsewhere(&database).await;
            })
            .await;
        assert_eq!(seen.unwrap(), (false, false));
    }
    let seen = bank.snapshot(1, async || {}).await.unwrap();
    assert_eq!(seen.0, seen.1);
}

impl Bank {
    async fn fast_enough_elsewhere(&self, database: &Database) {
        let insert = "INSERT INTO accounts (id, owner, balance, version) VALUES (1, 'ann', 0, 1)";
        database.execute(insert).await;
    }
}

async fn the_name_is_the_functions_path_or_the_one_given(database: Database) {
    let bank = Bank::new(&database);
    assert_eq!(bank.unnamed_scope().await.unwrap(), "main::transactional::option::unnamed_scope");
    assert_eq!(bank.named_scope().await.unwrap(), "pay the rent");
}

async fn past_its_time_the_body_is_dropped_and_nothing_is_stored(database: Database) {
    let error = Bank::new(&database).too_slow(1).await.unwrap_err();
    assert_eq!((error.kind(), error.to_string().as_str()), (Some(ErrorKind::Timeout), "finish `slow` within 20ms"));
    assert_eq!(stored(&database).await, [0; 0]);
}

async fn a_body_that_never_waits_is_out_of_time_too(database: Database) {
    let error = Bank::new(&database).busy().await.unwrap_err();
    assert_eq!(error.to_string(), "finish `busy` within 20ms");
}

async fn within_its_time_the_body_is_left_alone(database: Database) {
    Bank::new(&database).fast_enough(1).await.unwrap();
    assert_eq!(stored(&database).await, [1]);
}

async fn an_inner_scope_out_of_time_dooms_the_outer_one(database: Database) {
    let error = Bank::new(&database).around_a_slow_one().await.unwrap_err();
    assert_eq!(error.kind(), Some(ErrorKind::RollbackOnly));
    assert!(error.to_string().contains("the inner scope `slow` failed"), "{error}");
    assert_eq!(stored(&database).await, [0; 0]);
}
