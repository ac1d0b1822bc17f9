//! `#[transactional]`.

mod failure;
mod future;
mod option;
mod propagation;
mod replica;
mod retry;
mod sessions;
mod shape;

use spakky::prelude::*;

use crate::support::{AccountRow, Database, account};

/// What can go wrong at the bank.
#[derive(Debug, PartialEq, thiserror::Error)]
enum BankError {
    #[error("refused: {0}")]
    Refused(&'static str),
    #[error("{1}")]
    Storage(spakky::ErrorKind, String),
}

impl From<spakky::Error> for BankError {
    fn from(error: spakky::Error) -> Self {
        BankError::Storage(error.kind(), error.to_string())
    }
}

impl BankError {
    fn kind(&self) -> Option<spakky::ErrorKind> {
        match self {
            BankError::Storage(kind, _) => Some(*kind),
            BankError::Refused(_) => None,
        }
    }
}

/// A service, as programs have them.
#[derive(Debug, Clone)]
struct Bank {
    sessions: SessionManager,
    accounts: Repository<AccountRow>,
}

impl HasSessions for Bank {
    fn sessions(&self) -> &SessionManager {
        &self.sessions
    }
}

impl Bank {
    fn new(database: &Database) -> Self {
        Bank { sessions: database.sessions.clone(), accounts: database.account_repository() }
    }

    fn open(&self, id: i64) -> Result<(), BankError> {
        Ok(self.accounts.add(&mut account(id, &format!("owner {id}"), 0))?)
    }
}

/// The ids of the accounts that others see.
async fn stored(database: &Database) -> Vec<i64> {
    database.numbers("SELECT id FROM accounts ORDER BY id").await
}
