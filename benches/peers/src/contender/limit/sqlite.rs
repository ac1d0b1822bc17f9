//! The limit on SQLite: rusqlite, called where the work is, on no thread of its own.

use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use chrono::{DateTime, SecondsFormat, Utc};
use rusqlite::{Connection, Row, TransactionBehavior, params};
use uuid::Uuid;

use crate::Result;
use crate::contender::Contender;
use crate::domain::{Account, Entry, Status};

const GET: &str = "SELECT id, owner, email, status, balance_cents, version, opened_at FROM accounts WHERE id = ?1";

pub(crate) struct Sqlite {
    connection: Mutex<Connection>,
}

impl Sqlite {
    pub(crate) fn connect(url: &str) -> Result<Self> {
        let connection = Connection::open(url.strip_prefix("sqlite://").unwrap_or(url))?;
        let settings = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON";
        connection.execute_batch(settings)?;
        Ok(Sqlite { connection: Mutex::new(connection) })
    }

    fn connection(&self) -> Result<MutexGuard<'_, Connection>> {
        self.connection.lock().map_err(|_| "a unit of work panicked".into())
    }
}

#[async_trait]
impl Contender for Sqlite {
    async fn get(&self, id: Uuid) -> Result<Account> {
        find(&*self.connection()?, id).map(|(account, _)| account)
    }

    async fn load_save(&self, entry: Entry) -> Result<()> {
        let mut connection = self.connection()?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let (account, version) = find(&transaction, entry.account_id)?;
        let save = "UPDATE accounts SET balance_cents = ?1, version = version + 1 WHERE id = ?2 AND version = ?3";
        let balance = account.balance_cents + entry.amount_cents;
        let saved = transaction.prepare_cached(save)?.execute(params![balance, account.id.as_bytes(), version])?;
        if saved != 1 {
            return Err("changed by somebody else".into());
        }
        let insert = "INSERT INTO ledger (id, account_id, amount_cents, reason) VALUES (?1, ?2, ?3, ?4)";
        let values = params![entry.id.as_bytes(), entry.account_id.as_bytes(), entry.amount_cents, entry.reason];
        transaction.prepare_cached(insert)?.execute(values)?;
        Ok(transaction.commit()?)
    }

    async fn bulk_insert(&self, accounts: Vec<Account>) -> Result<()> {
        let mut connection = self.connection()?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        {
            let insert = "INSERT INTO accounts (id, owner, email, status, balance_cents, version, opened_at) \
                          VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6)";
            let mut insert = transaction.prepare_cached(insert)?;
            for Account { id, owner, email, status, balance_cents, opened_at } in &accounts {
                let moment = opened_at.to_rfc3339_opts(SecondsFormat::Micros, true);
                insert.execute(params![id.as_bytes(), owner, email, status.as_str(), balance_cents, moment])?;
            }
        }
        Ok(transaction.commit()?)
    }
}

/// The account and its version.
fn find(connection: &Connection, id: Uuid) -> Result<(Account, i64)> {
    let mut statement = connection.prepare_cached(GET)?;
    let mut rows = statement.query(params![id.as_bytes()])?;
    let row = rows.next()?.ok_or("no such account")?;
    Ok((read(row)?, row.get(5)?))
}

fn read(row: &Row<'_>) -> Result<Account> {
    let opened_at = row.get_ref(6)?.as_str()?;
    Ok(Account {
        id: Uuid::from_bytes(row.get(0)?),
        owner: row.get(1)?,
        email: row.get(2)?,
        status: Status::parse(row.get_ref(3)?.as_str()?)?,
        balance_cents: row.get(4)?,
        opened_at: DateTime::parse_from_rfc3339(opened_at)?.with_timezone(&Utc),
    })
}
