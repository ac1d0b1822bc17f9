//! Who takes part, and what each of them has to do.

#[cfg(feature = "diesel-async")]
mod diesel_async;
mod limit;
#[cfg(feature = "sea-orm")]
mod sea_orm;
mod spakky;
#[cfg(feature = "sqlx")]
mod sqlx;
#[cfg(feature = "toasty")]
mod toasty;

use std::fmt;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::Result;
use crate::backend::Backend;
use crate::domain::{Account, Entry, Order};

/// What is left out where little would be learned from it.
const NOT_ON_SQLITE: &str = "not measured on SQLite";

/// The units of work, written as the users of each library write them. All keep their statements prepared, none asks a
/// connection for a sign of life before it uses it, and a save of a row that somebody else changed meanwhile fails.
#[async_trait]
pub(crate) trait Contender: Send + Sync {
    /// The account with this id.
    async fn get(&self, id: Uuid) -> Result<Account>;

    /// Loads the account of the entry, adds the entry's amount to its balance, and stores both, in one transaction.
    async fn load_save(&self, entry: Entry) -> Result<()>;

    /// Stores an order with its lines and entries of the ledger, in one transaction.
    async fn place(&self, order: Order, entries: Vec<Entry>) -> Result<()> {
        let _ = (order, entries);
        Err(NOT_ON_SQLITE.into())
    }

    /// Loads these orders with their lines, [changes](Order::change) each, and stores what changed, in one transaction.
    async fn save_many(&self, ids: &[Uuid]) -> Result<()> {
        let _ = ids;
        Err(NOT_ON_SQLITE.into())
    }

    /// Stores the accounts, in one transaction.
    async fn bulk_insert(&self, accounts: Vec<Account>) -> Result<()>;

    /// The [`PAGE`](crate::domain::PAGE) accounts behind this place, in the order of `opened_at` and `id`, and whether
    /// there are more.
    async fn page(&self, behind: &Place) -> Result<Page> {
        let _ = behind;
        Err(NOT_ON_SQLITE.into())
    }

    /// The [`PARENTS`](crate::domain::PARENTS) earliest orders with their lines.
    async fn children(&self) -> Result<Vec<Order>> {
        Err(NOT_ON_SQLITE.into())
    }
}

/// Where a page starts.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    /// At the first row.
    Start,
    /// Behind the row with these values.
    Behind(DateTime<Utc>, Uuid),
    /// Where a cursor of the library leads to.
    Cursor(String),
    #[cfg(feature = "toasty")]
    /// The same of Toasty, whose cursors are values.
    Toasty(toasty::Cursor),
}

impl Place {
    /// The place of a library without cursors of its own.
    pub(crate) fn key(&self) -> Result<(DateTime<Utc>, Uuid)> {
        match self {
            Place::Start => Ok((DateTime::UNIX_EPOCH, Uuid::nil())),
            Place::Behind(moment, id) => Ok((*moment, *id)),
            _ => Err("a cursor of another library".into()),
        }
    }
}

/// Some accounts, and where those behind them start.
pub(crate) struct Page {
    pub(crate) accounts: Vec<Account>,
    pub(crate) next: Option<Place>,
}

impl Page {
    /// The page made of what was asked for and one row more, if there was one.
    pub(crate) fn of(mut accounts: Vec<Account>) -> Self {
        let more = accounts.len() > crate::domain::PAGE;
        accounts.truncate(crate::domain::PAGE);
        let last = accounts.last().filter(|_| more);
        let next = last.map(|last| Place::Behind(last.opened_at, last.id));
        Page { accounts, next }
    }
}

/// The contenders by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, clap::ValueEnum)]
pub(crate) enum Name {
    Limit,
    Spakky,
    #[cfg(feature = "diesel-async")]
    DieselAsync,
    #[cfg(feature = "sqlx")]
    Sqlx,
    #[cfg(feature = "sea-orm")]
    SeaOrm,
    #[cfg(feature = "toasty")]
    Toasty,
}

impl Name {
    /// Everybody, in the order of the tables.
    pub(crate) const ALL: &[Name] = &[
        Name::Limit,
        Name::Spakky,
        #[cfg(feature = "diesel-async")]
        Name::DieselAsync,
        #[cfg(feature = "sqlx")]
        Name::Sqlx,
        #[cfg(feature = "sea-orm")]
        Name::SeaOrm,
        #[cfg(feature = "toasty")]
        Name::Toasty,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Name::Limit => "limit",
            Name::Spakky => "spakky",
            #[cfg(feature = "diesel-async")]
            Name::DieselAsync => "diesel-async",
            #[cfg(feature = "sqlx")]
            Name::Sqlx => "sqlx",
            #[cfg(feature = "sea-orm")]
            Name::SeaOrm => "sea-orm",
            #[cfg(feature = "toasty")]
            Name::Toasty => "toasty",
        }
    }

    /// Whether it runs on SQLite here.
    pub(crate) fn has_sqlite(self) -> bool {
        match self {
            #[cfg(feature = "toasty")]
            Name::Toasty => false,
            _ => true,
        }
    }

    /// Opens a pool of so many connections.
    pub(crate) async fn connect(self, backend: Backend, url: &str, size: usize) -> Result<Box<dyn Contender>> {
        Ok(match (self, backend) {
            (Name::Limit, Backend::Postgres) => Box::new(limit::Postgres::connect(url, size)),
            (Name::Limit, Backend::Sqlite) => Box::new(limit::Sqlite::connect(url)?),
            (Name::Spakky, _) => Box::new(spakky::Spakky::connect(url, size).await?),
            #[cfg(feature = "diesel-async")]
            (Name::DieselAsync, Backend::Postgres) => Box::new(diesel_async::Postgres::connect(url, size)?),
            #[cfg(feature = "diesel-async")]
            (Name::DieselAsync, Backend::Sqlite) => Box::new(diesel_async::Sqlite::connect(url, size)?),
            #[cfg(feature = "sqlx")]
            (Name::Sqlx, Backend::Postgres) => Box::new(sqlx::Postgres::connect(url, size).await?),
            #[cfg(feature = "sqlx")]
            (Name::Sqlx, Backend::Sqlite) => Box::new(sqlx::Sqlite::connect(url, size).await?),
            #[cfg(feature = "sea-orm")]
            (Name::SeaOrm, _) => Box::new(sea_orm::SeaOrm::connect(url, size).await?),
            #[cfg(feature = "toasty")]
            (Name::Toasty, _) => Box::new(toasty::Toasty::connect(url, size).await?),
        })
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
