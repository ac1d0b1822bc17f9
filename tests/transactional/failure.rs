//! What is stored, and what the caller gets, when a body does not end well.

use std::time::Duration;

use spakky::ErrorKind;
use spakky::prelude::*;

use super::{Bank, BankError, stored};
use crate::support::{Database, cancel_after, on_each_backend};

on_each_backend! {
    the_error_of_the_body_comes_back_unchanged,
    a_failed_commit_is_an_error_of_the_callers_type,
    a_panic_rolls_back_and_goes_on,
    a_dropped_future_rolls_back,
    an_inner_scope_that_fails_dooms_the_outer_one,
    an_inner_scope_that_is_dropped_dooms_the_outer_one,
    an_inner_scope_that_panics_dooms_the_outer_one,
    an_error_that_commits_commits_and_comes_back,
    an_error_outside_the_pattern_rolls_back,
    an_error_that_commits_does_so_in_a_savepoint_too,
    an_error_that_commits_does_not_doom_the_outer_scope,
    an_error_that_commits_gives_way_to_one_of_the_commit,
    a_body_out_of_time_never_commits,
    errors_are_converted_by_a_function_if_one_is_named,
}

#[derive(Debug, PartialEq)]
enum LoginError {
    WrongPassword { attempts: i64 },
    Locked,
    Storage(ErrorKind),
}

fn storage(error: spakky::Error) -> LoginError {
    LoginError::Storage(error.kind())
}

impl Bank {
    #[transactional]
    async fn refused(&self, id: i64) -> Result<(), BankError> {
        self.open(id)?;
        Session::current()?.flush().await?;
        Err(BankError::Refused("as asked"))
    }

    #[transactional]
    async fn opened_twice(&self) -> Result<(), BankError> {
        Session::current()?
            .sql("INSERT INTO accounts (id, owner, balance, version) VALUES (1, 'ann', 0, 1)")
            .execute()
            .await?;
        self.open(1)
    }

    #[transactional]
    async fn panicking(&self, id: i64) -> Result<(), BankError> {
        self.open(id)?;
        Session::current()?.flush().await?;
        panic!("the body gave up");
    }

    #[transactional]
    async fn waiting(&self, id: i64) -> Result<(), BankError> {
        self.open(id)?;
        Session::current()?.flush().await?;
        loop {
            tokio::task::yield_now().await;
        }
    }

    #[transactional(map_err = storage, commit_on = LoginError::WrongPassword { attempts } if *attempts < 3)]
    async fn login(&self, attempts: i64) -> Result<(), LoginError> {
        self.open(attempts).map_err(|_| LoginError::Locked)?;
        Err(if attempts < 5 { LoginError::WrongPassword { attempts } } else { LoginError::Locked })
    }

    #[transactional(propagation = nested, map_err = storage, commit_on = LoginError::WrongPassword { .. } | LoginError::Locked)]
    async fn login_in_a_savepoint(&self, attempts: i64) -> Result<(), LoginError> {
        self.login(attempts).await
    }

    #[transactional(map_err = LoginErrors::from_spakky, commit_on = _)]
    async fn login_twice(&self) -> Result<(), LoginErrors> {
        let insert = "INSERT INTO accounts (id, owner, balance, version) VALUES (1, 'ann', 0, 1)";
        Session::current()
            .map_err(LoginErrors::from_spakky)?
            .sql(insert)
            .execute()
            .await
            .map_err(LoginErrors::from_spakky)?;
        self.open(1)?;
        Err(LoginErrors::Both)
    }
}

#[derive(Debug, PartialEq)]
enum LoginErrors {
    Bank(BankError),
    Both,
}

impl LoginErrors {
    fn from_spakky(error: spakky::Error) -> Self {
        LoginErrors::Bank(error.into())
    }
}

impl From<BankError> for LoginErrors {
    fn from(error: BankError) -> Self {
        LoginErrors::Bank(error)
    }
}

async fn the_error_of_the_body_comes_back_unchanged(database: Database) {
    assert_eq!(Bank::new(&database).refused(1).await, Err(BankError::Refused("as asked")));
    assert_eq!(stored(&database).await, [0; 0]);
}

async fn a_failed_commit_is_an_error_of_the_callers_type(database: Database) {
    let error = Bank::new(&database).opened_twice().await.unwrap_err();
    assert_eq!(error.kind(), Some(ErrorKind::UniqueViolation));
    assert_eq!(stored(&database).await, [0; 0]);
}

async fn a_panic_rolls_back_and_goes_on(database: Database) {
    let bank = Bank::new(&database);
    let error = tokio::spawn(async move { bank.panicking(1).await }).await.unwrap_err();
    assert_eq!(error.into_panic().downcast_ref::<&str>(), Some(&"the body gave up"));
    database.is_at_rest().await;
    assert_eq!(stored(&database).await, [0; 0]);
}

async fn a_dropped_future_rolls_back(database: Database) {
    let bank = Bank::new(&database);
    for (polls, when_woken) in [(1, false), (1, true), (2, false), (2, true), (9, false)] {
        cancel_after(polls, when_woken, bank.waiting(1)).await;
        database.is_at_rest().await;
        assert_eq!(stored(&database).await, [0; 0]);
    }
    bank.required_after(1).await.unwrap();
    assert_eq!(stored(&database).await, [1]);
}

impl Bank {
    #[transactional]
    async fn required_after(&self, id: i64) -> Result<(), BankError> {
        self.open(id)
    }

    #[transactional]
    async fn around_a_failure(&self) -> Result<(), BankError> {
        self.open(1)?;
        assert_eq!(self.refused(2).await, Err(BankError::Refused("as asked")));
        Ok(())
    }

    #[transactional]
    async fn around_a_drop(&self) -> Result<(), BankError> {
        self.open(1)?;
        cancel_after(1, false, self.waiting(2)).await;
        Ok(())
    }

    #[transactional]
    async fn around_a_panic(&self) -> Result<(), BankError> {
        self.open(1)?;
        let inner = std::panic::AssertUnwindSafe(self.panicking(2));
        futures_util::FutureExt::catch_unwind(inner).await.unwrap_err();
        Ok(())
    }

    #[transactional(map_err = storage)]
    async fn around_a_login(&self, attempts: i64) -> Result<(), LoginError> {
        assert_eq!(self.login(attempts).await, Err(LoginError::WrongPassword { attempts }));
        Ok(())
    }

    #[transactional(map_err = storage)]
    async fn around_a_login_in_a_savepoint(&self, attempts: i64) -> Result<(), LoginError> {
        assert_eq!(self.login_in_a_savepoint(attempts).await, Err(LoginError::WrongPassword { attempts }));
        Ok(())
    }
}

async fn an_inner_scope_that_fails_dooms_the_outer_one(database: Database) {
    let error = Bank::new(&database).around_a_failure().await.unwrap_err();
    assert_eq!(error.kind(), Some(ErrorKind::RollbackOnly));
    let text = error.to_string();
    assert!(text.contains("the inner scope `main::transactional::failure::refused` failed"), "{text}");
    assert_eq!(stored(&database).await, [0; 0]);
}

async fn an_inner_scope_that_is_dropped_dooms_the_outer_one(database: Database) {
    let error = Bank::new(&database).around_a_drop().await.unwrap_err();
    assert_eq!(error.kind(), Some(ErrorKind::RollbackOnly));
    assert_eq!(stored(&database).await, [0; 0]);
}

async fn an_inner_scope_that_panics_dooms_the_outer_one(database: Database) {
    let error = Bank::new(&database).around_a_panic().await.unwrap_err();
    assert_eq!(error.kind(), Some(ErrorKind::RollbackOnly));
    let text = error.to_string();
    assert!(text.contains("the inner scope `main::transactional::failure::panicking` panicked"), "{text}");
    assert_eq!(stored(&database).await, [0; 0]);
}

async fn an_error_that_commits_commits_and_comes_back(database: Database) {
    let bank = Bank::new(&database);
    assert_eq!(bank.login(1).await, Err(LoginError::WrongPassword { attempts: 1 }));
    assert_eq!(stored(&database).await, [1]);
}

async fn an_error_outside_the_pattern_rolls_back(database: Database) {
    let bank = Bank::new(&database);
    assert_eq!(bank.login(3).await, Err(LoginError::WrongPassword { attempts: 3 }), "the guard does not hold");
    assert_eq!(bank.login(5).await, Err(LoginError::Locked));
    assert_eq!(stored(&database).await, [0; 0]);
}

async fn an_error_that_commits_does_so_in_a_savepoint_too(database: Database) {
    let bank = Bank::new(&database);
    bank.around_a_login_in_a_savepoint(1).await.unwrap();
    assert_eq!(bank.login_in_a_savepoint(2).await, Err(LoginError::WrongPassword { attempts: 2 }));
    assert_eq!(stored(&database).await, [1, 2]);
}

async fn an_error_that_commits_does_not_doom_the_outer_scope(database: Database) {
    let bank = Bank::new(&database);
    bank.around_a_login(1).await.unwrap();
    assert_eq!(bank.around_a_login(4).await, Err(LoginError::Storage(ErrorKind::RollbackOnly)));
    assert_eq!(stored(&database).await, [1]);
}

async fn an_error_that_commits_gives_way_to_one_of_the_commit(database: Database) {
    let error = Bank::new(&database).login_twice().await.unwrap_err();
    let LoginErrors::Bank(error) = error else { panic!("{error:?}") };
    assert_eq!(error.kind(), Some(ErrorKind::UniqueViolation));
    assert_eq!(stored(&database).await, [0; 0]);
}

impl Bank {
    #[transactional(map_err = storage, propagation = mandatory)]
    async fn mapped(&self) -> Result<(), LoginError> {
        Ok(())
    }

    #[transactional(map_err = LoginErrors::from_spakky, timeout = "10ms", commit_on = _)]
    async fn out_of_time(&self, scope: &str) -> Result<(), LoginErrors> {
        self.open(1)?;
        Session::current().map_err(LoginErrors::from_spakky)?.flush().await.map_err(LoginErrors::from_spakky)?;
        assert_eq!(Session::current().map_err(LoginErrors::from_spakky)?.name(), scope);
        tokio::time::sleep(Duration::from_secs(600)).await;
        Ok(())
    }
}

async fn errors_are_converted_by_a_function_if_one_is_named(database: Database) {
    let bank = Bank::new(&database);
    assert_eq!(bank.mapped().await, Err(LoginError::Storage(ErrorKind::NoSession)));
}

async fn a_body_out_of_time_never_commits(database: Database) {
    let bank = Bank::new(&database);
    let error = bank.out_of_time("main::transactional::failure::out_of_time").await.unwrap_err();
    let LoginErrors::Bank(error) = error else { panic!("{error:?}") };
    assert_eq!(error.kind(), Some(ErrorKind::Timeout));
    assert_eq!(stored(&database).await, [0; 0]);

    let options = TransactionOptions::new().name("outer");
    let result: Result<(), BankError> = bank
        .sessions
        .transaction(options, async |_| {
            bank.out_of_time("outer").await.unwrap_err();
            Ok(())
        })
        .await;
    assert_eq!(result.unwrap_err().kind(), Some(ErrorKind::RollbackOnly));
    assert_eq!(stored(&database).await, [0; 0]);
}
