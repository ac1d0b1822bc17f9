//! Where a function finds its sessions.

use std::sync::Arc;

use spakky::ErrorKind;
use spakky::prelude::*;

use super::{Bank, BankError, stored};
use crate::support::{AccountRow, Database, account, on_each_backend};

on_each_backend! {
    an_expression_names_the_sessions,
    a_field_of_self_names_the_sessions,
    any_service_has_sessions_to_give,
    the_registry_knows_sessions_by_name,
    a_name_that_is_not_registered_is_an_error_of_the_callers_type,
    the_sessions_are_looked_up_once,
}

/// A service that does not say where its sessions are.
struct Desk {
    database: SessionManager,
    bank: Arc<Bank>,
    accounts: Repository<AccountRow>,
}

impl Desk {
    fn new(database: &Database) -> Self {
        let bank = Arc::new(Bank::new(database));
        Desk { database: database.sessions.clone(), bank, accounts: database.account_repository() }
    }

    fn open(&self, id: i64) -> Result<(), BankError> {
        Ok(self.accounts.add(&mut account(id, &format!("owner {id}"), 0))?)
    }

    #[transactional(sessions = self.database)]
    async fn by_field(&self, id: i64) -> Result<(), BankError> {
        self.open(id)
    }

    #[transactional(sessions = &*self.database.clone().repository_of(&self.bank))]
    async fn by_call(&self, id: i64) -> Result<(), BankError> {
        self.open(id)
    }

    #[transactional(sessions = self.bank)]
    async fn by_service(&self, id: i64) -> Result<(), BankError> {
        self.open(id)
    }

    #[transactional(sessions = self.accounts)]
    async fn by_repository(&self, id: i64) -> Result<(), BankError> {
        self.open(id)
    }

    #[transactional(sessions = if first { left } else { right })]
    async fn by_argument(first: bool, left: &Bank, right: &Bank) -> Result<bool, BankError> {
        let used = Session::current()?;
        Ok(std::ptr::eq(used.manager().config(), left.sessions.config()))
    }

    #[transactional(sessions = bank.sessions())]
    async fn by_moved_argument(bank: Bank, id: i64) -> Result<Bank, BankError> {
        bank.open(id)?;
        Ok(bank)
    }

    #[transactional(sessions = count(calls, sessions), retry(attempts = 3, backoff = "1ms", on = conflict))]
    async fn counted(
        sessions: &SessionManager,
        accounts: &Repository<AccountRow>,
        calls: &std::cell::Cell<u32>,
        runs: &std::cell::Cell<u32>,
    ) -> Result<(), BankError> {
        runs.set(runs.get() + 1);
        accounts.attach(&account(1, "ann", 0), 99)?;
        Ok(accounts.save(&mut account(1, "anna", 0))?)
    }
}

trait RepositoryOf {
    fn repository_of<T>(self, of: &T) -> Box<SessionManager>;
}

impl RepositoryOf for SessionManager {
    fn repository_of<T>(self, _of: &T) -> Box<SessionManager> {
        Box::new(self)
    }
}

fn count<'a>(calls: &std::cell::Cell<u32>, sessions: &'a SessionManager) -> &'a SessionManager {
    calls.set(calls.get() + 1);
    sessions
}

async fn an_expression_names_the_sessions(database: Database) {
    let other = database.connect(|config| config).await;
    let left = Bank::new(&database);
    let right = Bank { accounts: other.repository(), sessions: other };
    assert!(Desk::by_argument(true, &left, &right).await.unwrap());
    assert!(!Desk::by_argument(false, &left, &right).await.unwrap());
    let bank = Desk::by_moved_argument(left, 1).await.unwrap();
    Desk::by_moved_argument(bank, 2).await.unwrap();
    Desk::new(&database).by_call(3).await.unwrap();
    assert_eq!(stored(&database).await, [1, 2, 3]);
}

async fn a_field_of_self_names_the_sessions(database: Database) {
    Desk::new(&database).by_field(1).await.unwrap();
    assert_eq!(stored(&database).await, [1]);
}

async fn any_service_has_sessions_to_give(database: Database) {
    Desk::new(&database).by_service(1).await.unwrap();
    Desk::new(&database).by_repository(2).await.unwrap();
    assert_eq!(stored(&database).await, [1, 2]);
}

impl Desk {
    #[transactional(registry = "sqlite reports")]
    async fn registered_on_sqlite(&self, id: i64) -> Result<(), BankError> {
        self.open(id)
    }

    #[transactional(registry = "postgres reports")]
    async fn registered_on_postgres(&self, id: i64) -> Result<(), BankError> {
        self.open(id)
    }

    #[transactional(registry = "nowhere")]
    async fn registered_nowhere() -> Result<(), BankError> {
        Ok(())
    }
}

async fn the_registry_knows_sessions_by_name(database: Database) {
    let desk = Desk::new(&database);
    let registry = SessionRegistry::global();
    if database.is_sqlite() {
        registry.set("sqlite reports", database.sessions.clone());
        desk.registered_on_sqlite(1).await.unwrap();
    } else {
        registry.set("postgres reports", database.sessions.clone());
        desk.registered_on_postgres(1).await.unwrap();
    }
    assert_eq!(stored(&database).await, [1]);
}

async fn a_name_that_is_not_registered_is_an_error_of_the_callers_type(_: Database) {
    let error = Desk::registered_nowhere().await.unwrap_err();
    assert_eq!(error.kind(), Some(ErrorKind::Config));
    assert!(error.to_string().starts_with("find the session manager `nowhere`: "), "{error}");
}

async fn the_sessions_are_looked_up_once(database: Database) {
    database.store(&[account(1, "ann", 0)]).await;
    let (calls, runs) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    let accounts = database.account_repository();
    let error = Desk::counted(&database.sessions, &accounts, &calls, &runs).await.unwrap_err();
    assert_eq!(error.kind(), Some(ErrorKind::Conflict));
    assert_eq!((calls.get(), runs.get()), (1, 3));
}
