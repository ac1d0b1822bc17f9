//! sqlx on SQLite.

use async_trait::async_trait;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{QueryBuilder, SqlitePool};
use uuid::Uuid;

use super::{AccountRow, GET, INSERT_ENTRY, SAVE, saved};
use crate::Result;
use crate::contender::Contender;
use crate::domain::{Account, Entry};

pub(crate) struct Sqlite {
    pool: SqlitePool,
}

impl Sqlite {
    pub(crate) async fn connect(url: &str, size: usize) -> Result<Self> {
        let options = url.parse::<SqliteConnectOptions>()?.create_if_missing(true).foreign_keys(true);
        let options = options.journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full);
        let pool = SqlitePoolOptions::new().max_connections(size as u32).test_before_acquire(false);
        Ok(Sqlite { pool: pool.connect_with(options).await? })
    }
}

#[async_trait]
impl Contender for Sqlite {
    async fn get(&self, id: Uuid) -> Result<Account> {
        let row = sqlx::query_as::<_, AccountRow>(GET).bind(id).fetch_one(&self.pool).await?;
        row.into_account()
    }

    async fn load_save(&self, entry: Entry) -> Result<()> {
        let mut transaction = self.pool.begin().await?;
        let row = sqlx::query_as::<_, AccountRow>(GET).bind(entry.account_id).fetch_one(&mut *transaction).await?;
        let version = row.version;
        let mut account = row.into_account()?;
        account.balance_cents += entry.amount_cents;
        let save = sqlx::query(SAVE).bind(account.balance_cents).bind(account.id).bind(version);
        saved(save.execute(&mut *transaction).await?.rows_affected())?;
        let insert = sqlx::query(INSERT_ENTRY).bind(entry.id).bind(entry.account_id);
        insert.bind(entry.amount_cents).bind(&entry.reason).execute(&mut *transaction).await?;
        Ok(transaction.commit().await?)
    }

    async fn bulk_insert(&self, accounts: Vec<Account>) -> Result<()> {
        let mut transaction = self.pool.begin().await?;
        let start = "INSERT INTO accounts (id, owner, email, status, balance_cents, version, opened_at) ";
        let mut query = QueryBuilder::new(start);
        query.push_values(&accounts, |mut row, account| {
            row.push_bind(account.id)
                .push_bind(&account.owner)
                .push_bind(&account.email)
                .push_bind(account.status.as_str())
                .push_bind(account.balance_cents)
                .push_bind(1_i64)
                .push_bind(account.opened_at);
        });
        query.build().execute(&mut *transaction).await?;
        Ok(transaction.commit().await?)
    }
}
