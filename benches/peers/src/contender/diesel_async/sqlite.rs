//! diesel-async on SQLite, through its wrapper of the blocking connection.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::pooled_connection::deadpool::Pool;
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod};
use diesel_async::sync_connection_wrapper::SyncConnectionWrapper;
use diesel_async::{AsyncConnection, RunQueryDsl, SimpleAsyncConnection};
use futures_util::FutureExt;
use uuid::Uuid;

use super::saved;
use crate::contender::Contender;
use crate::domain::{Account, Entry, Status};
use crate::{Failure, Result};

mod schema {
    diesel::table! {
        accounts (id) {
            id -> Binary,
            owner -> Text,
            email -> Nullable<Text>,
            status -> Text,
            balance_cents -> BigInt,
            version -> BigInt,
            opened_at -> TimestamptzSqlite,
        }
    }
    diesel::table! {
        ledger (id) {
            id -> Binary,
            account_id -> Binary,
            amount_cents -> BigInt,
            reason -> Text,
        }
    }
}

use schema::{accounts, ledger};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = accounts, check_for_backend(diesel::sqlite::Sqlite))]
struct AccountRow {
    id: Vec<u8>,
    owner: String,
    email: Option<String>,
    status: String,
    balance_cents: i64,
    version: i64,
    opened_at: DateTime<Utc>,
}

impl AccountRow {
    fn new(account: Account) -> Self {
        let Account { id, owner, email, status, balance_cents, opened_at } = account;
        let (id, status) = (id.as_bytes().to_vec(), status.as_str().to_owned());
        AccountRow { id, owner, email, status, balance_cents, version: 1, opened_at }
    }

    fn into_account(self) -> Result<Account> {
        let AccountRow { id, owner, email, status, balance_cents, version: _, opened_at } = self;
        let (id, status) = (Uuid::from_slice(&id)?, Status::parse(&status)?);
        Ok(Account { id, owner, email, status, balance_cents, opened_at })
    }
}

#[derive(Insertable)]
#[diesel(table_name = ledger)]
struct EntryRow {
    id: Vec<u8>,
    account_id: Vec<u8>,
    amount_cents: i64,
    reason: String,
}

type Connection = SyncConnectionWrapper<SqliteConnection>;

pub(crate) struct Sqlite {
    pool: Pool<Connection>,
}

impl Sqlite {
    pub(crate) fn connect(url: &str, size: usize) -> Result<Self> {
        let mut config = ManagerConfig::<Connection>::default();
        config.recycling_method = RecyclingMethod::Fast;
        config.custom_setup = Box::new(|url| {
            async move {
                let mut connection = Connection::establish(url).await?;
                let settings = "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                                PRAGMA foreign_keys = ON";
                let set = connection.batch_execute(settings).await;
                set.map_err(diesel::ConnectionError::CouldntSetupConfiguration)?;
                Ok(connection)
            }
            .boxed()
        });
        let file = url.strip_prefix("sqlite://").unwrap_or(url);
        let manager = AsyncDieselConnectionManager::new_with_config(file, config);
        Ok(Sqlite { pool: Pool::builder(manager).max_size(size).build()? })
    }
}

#[async_trait]
impl Contender for Sqlite {
    async fn get(&self, id: Uuid) -> Result<Account> {
        let mut connection = self.pool.get().await?;
        let row: AccountRow = accounts::table
            .find(id.as_bytes().to_vec())
            .select(AccountRow::as_select())
            .first(&mut *connection)
            .await?;
        row.into_account()
    }

    async fn load_save(&self, entry: Entry) -> Result<()> {
        let mut connection = self.pool.get().await?;
        connection
            .transaction::<_, Failure, _>(async |connection| {
                let id = entry.account_id.as_bytes().to_vec();
                let row: AccountRow =
                    accounts::table.find(id.clone()).select(AccountRow::as_select()).first(&mut *connection).await?;
                let version = row.version;
                let mut account = row.into_account()?;
                account.balance_cents += entry.amount_cents;
                let same = accounts::id.eq(id.clone()).and(accounts::version.eq(version));
                let update = diesel::update(accounts::table.filter(same))
                    .set((accounts::balance_cents.eq(account.balance_cents), accounts::version.eq(version + 1)));
                saved(update.execute(&mut *connection).await?)?;
                let Entry { id: entry_id, account_id: _, amount_cents, reason } = entry;
                let row = EntryRow { id: entry_id.as_bytes().to_vec(), account_id: id, amount_cents, reason };
                diesel::insert_into(ledger::table).values(row).execute(connection).await?;
                Ok(())
            })
            .await
    }

    async fn bulk_insert(&self, accounts: Vec<Account>) -> Result<()> {
        let rows = accounts.into_iter().map(AccountRow::new).collect::<Vec<_>>();
        let mut connection = self.pool.get().await?;
        connection
            .transaction::<_, Failure, _>(async |connection| {
                // Many rows of SQLite are inserted by the blocking connection alone.
                let insert = |connection: &mut SqliteConnection| {
                    diesel::RunQueryDsl::execute(diesel::insert_into(accounts::table).values(rows), connection)
                };
                connection.spawn_blocking(insert).await?;
                Ok(())
            })
            .await
    }
}
