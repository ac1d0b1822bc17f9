//! A small bank: what the tests keep in their databases.

use chrono::{DateTime, Utc};
use spakky::prelude::*;

/// Holds its version as a [`Revision`], so that stale copies are noticed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Account {
    pub(crate) id: i64,
    pub(crate) owner: String,
    pub(crate) balance: i64,
    pub(crate) revision: Revision,
}

#[derive(Debug, Clone, Table, Mappable)]
#[table(name = "accounts", unique(owner), check(solvent, "balance >= 0"))]
#[mappable(domain = Account)]
pub(crate) struct AccountRow {
    #[table(id)]
    id: i64,
    owner: String,
    balance: i64,
    #[mappable(row_only)]
    remark: Option<String>,
    #[table(version)]
    #[mappable(field = revision)]
    version: i64,
}

/// A posting on an account. Without a version.
#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "postings")]
#[mappable(domain = Self)]
pub(crate) struct Posting {
    #[table(id)]
    pub(crate) id: i64,
    #[table(references(AccountRow, on_delete = restrict))]
    pub(crate) account: i64,
    pub(crate) amount: i64,
    pub(crate) text: String,
}

/// Its id is assigned by the database; its version is a bare number.
#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "tickets")]
#[mappable(domain = Self)]
pub(crate) struct Ticket {
    #[table(id, generated)]
    pub(crate) id: i64,
    #[table(unique)]
    pub(crate) title: String,
    #[table(version)]
    pub(crate) version: i64,
}

/// The database's clock stamps it.
#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "letters")]
#[mappable(domain = Self)]
pub(crate) struct Letter {
    #[table(id)]
    pub(crate) id: i64,
    pub(crate) text: String,
    #[table(version)]
    pub(crate) version: i64,
    #[table(created_at)]
    pub(crate) created_at: DateTime<Utc>,
    #[table(updated_at)]
    pub(crate) updated_at: DateTime<Utc>,
}

pub(super) fn tables() -> SchemaRegistry {
    schema![AccountRow, Posting, Ticket, Letter]
}

/// A new account.
pub(crate) fn account(id: i64, owner: &str, balance: i64) -> Account {
    Account { id, owner: owner.to_owned(), balance, revision: Revision::default() }
}

/// A new posting.
pub(crate) fn posting(id: i64, account: i64, amount: i64) -> Posting {
    Posting { id, account, amount, text: String::new() }
}

/// A new ticket.
pub(crate) fn ticket(title: &str) -> Ticket {
    Ticket { id: 0, title: title.to_owned(), version: 0 }
}

/// A new letter.
pub(crate) fn letter(id: i64, text: &str) -> Letter {
    let now = DateTime::UNIX_EPOCH;
    Letter { id, text: text.to_owned(), version: 0, created_at: now, updated_at: now }
}

/// An account as others see it: id, owner, balance, version.
pub(crate) type AccountFacts = (i64, String, i64, i64);

/// What one expects to see of an account.
pub(crate) fn facts(id: i64, owner: &str, balance: i64, version: i64) -> AccountFacts {
    (id, owner.to_owned(), balance, version)
}

impl super::Database {
    /// The accounts that others see.
    pub(crate) async fn accounts(&self) -> Vec<AccountFacts> {
        let sql = "SELECT id, owner, balance, version FROM accounts ORDER BY id";
        self.observer().sql(sql).fetch_all().await.unwrap()
    }

    /// The repository of accounts.
    pub(crate) fn account_repository(&self) -> Repository<AccountRow> {
        self.sessions.repository()
    }

    /// Stores accounts, each at version 1, as somebody else did before.
    pub(crate) async fn store(&self, accounts: &[Account]) {
        for account in accounts {
            let insert = "INSERT INTO accounts (id, owner, balance, version) VALUES ($1, $2, $3, 1)";
            let statement = self.observer().sql(insert).bind(account.id).bind(account.owner.clone());
            statement.bind(account.balance).execute().await.unwrap();
        }
    }
}
