//! A SQLite file of each contender's own, on a file system in memory where there is one: what is measured is the way to
//! the database, not the disk.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use rusqlite::Connection;

use super::{FACTS, Facts};
use crate::Result;
use crate::contender::{Contender, Name};
use crate::domain::{ACCOUNTS, seeded_account};

const TABLES: &str = "
PRAGMA journal_mode = WAL;
CREATE TABLE accounts (
    id blob PRIMARY KEY NOT NULL, owner text NOT NULL, email text, status text NOT NULL, balance_cents bigint NOT NULL,
    version bigint NOT NULL, opened_at text NOT NULL
);
CREATE INDEX accounts_opened ON accounts (opened_at, id);
CREATE TABLE orders (id blob PRIMARY KEY NOT NULL, status text NOT NULL, version bigint NOT NULL);
CREATE TABLE order_lines (order_id blob NOT NULL, quantity int NOT NULL);
CREATE TABLE ledger (
    id blob PRIMARY KEY NOT NULL, account_id blob NOT NULL REFERENCES accounts, amount_cents bigint NOT NULL,
    reason text NOT NULL
);";

/// One contender's database, with a connection that takes no part in what is measured.
pub(crate) struct Database {
    folder: PathBuf,
    url: String,
    connection: Mutex<Connection>,
}

impl Database {
    pub(crate) fn create(contender: Name) -> Result<Self> {
        let memory = Path::new("/dev/shm");
        let parent = if memory.is_dir() { memory.to_path_buf() } else { std::env::temp_dir() };
        let folder = parent.join(format!("spakky-bench-{}-{contender}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let file = folder.join("bench.db");
        let connection = Connection::open(&file)?;
        connection.execute_batch(TABLES)?;
        Ok(Database { folder, url: format!("sqlite://{}", file.display()), connection: Mutex::new(connection) })
    }

    fn connection(&self) -> Result<MutexGuard<'_, Connection>> {
        self.connection.lock().map_err(|_| "a connection was left in the middle of its work".into())
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Stores the accounts by the contender itself, in its own form of times.
    pub(crate) async fn seed(&self, contender: &dyn Contender) -> Result<()> {
        let accounts = (0..ACCOUNTS).map(seeded_account).collect::<Vec<_>>();
        for some in accounts.chunks(1_000) {
            contender.bulk_insert(some.to_vec()).await?;
        }
        Ok(self.connection()?.execute_batch("ANALYZE")?)
    }

    /// Deletes what runs have stored.
    pub(crate) fn reset(&self) -> Result<()> {
        let delete = format!("DELETE FROM ledger; DELETE FROM accounts WHERE rowid > {ACCOUNTS}");
        Ok(self.connection()?.execute_batch(&delete)?)
    }

    pub(crate) fn facts(&self) -> Result<Facts> {
        let facts =
            self.connection()?.query_row(FACTS, [], |row| Ok(Facts::from_columns(|column| Ok(row.get(column)?))));
        facts?
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
