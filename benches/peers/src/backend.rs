//! The databases: which there are, their tables, and what is in them.

pub(crate) mod postgres;
pub(crate) mod sqlite;

use std::fmt;

/// Where the rows are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, clap::ValueEnum)]
pub(crate) enum Backend {
    Postgres,
    Sqlite,
}

impl Backend {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Backend::Postgres => "postgres",
            Backend::Sqlite => "sqlite",
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What the tables hold, as far as any workload changes it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) accounts: i64,
    pub(crate) account_versions: i64,
    pub(crate) balance: i64,
    pub(crate) entries: i64,
    pub(crate) amounts: i64,
    pub(crate) orders: i64,
    pub(crate) order_versions: i64,
    pub(crate) held: i64,
    pub(crate) lines: i64,
    pub(crate) quantity: i64,
}

/// Reads the facts, in the order of the struct's fields. What is stored by a run is later than every seeded row.
const FACTS: &str = "
SELECT CAST((SELECT count(*) FROM accounts) AS bigint),
       CAST((SELECT sum(version) FROM accounts) AS bigint),
       CAST((SELECT sum(balance_cents) FROM accounts) AS bigint),
       CAST((SELECT count(*) FROM ledger) AS bigint),
       CAST((SELECT coalesce(sum(amount_cents), 0) FROM ledger) AS bigint),
       CAST((SELECT count(*) FROM orders) AS bigint),
       CAST((SELECT coalesce(sum(version), 0) FROM orders) AS bigint),
       CAST((SELECT count(*) FROM orders WHERE status = 'held') AS bigint),
       CAST((SELECT count(*) FROM order_lines) AS bigint),
       CAST((SELECT coalesce(sum(quantity), 0) FROM order_lines) AS bigint)";

impl Facts {
    fn from_columns(column: impl Fn(usize) -> crate::Result<i64>) -> crate::Result<Self> {
        Ok(Facts {
            accounts: column(0)?,
            account_versions: column(1)?,
            balance: column(2)?,
            entries: column(3)?,
            amounts: column(4)?,
            orders: column(5)?,
            order_versions: column(6)?,
            held: column(7)?,
            lines: column(8)?,
            quantity: column(9)?,
        })
    }
}
