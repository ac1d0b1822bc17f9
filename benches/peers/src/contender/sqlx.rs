//! sqlx: statements by hand, `FromRow` structs, `UNNEST` for many rows, as its documentation advises.

mod sqlite;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{FromRow, PgPool, Postgres as Pg, Transaction};
use uuid::Uuid;

use super::{Contender, Page, Place};
use crate::Result;
use crate::domain::{Account, Entry, Line, Order, PAGE, PARENTS, Status};

pub(crate) use sqlite::Sqlite;

#[derive(FromRow)]
struct AccountRow {
    id: Uuid,
    owner: String,
    email: Option<String>,
    status: String,
    balance_cents: i64,
    version: i64,
    opened_at: DateTime<Utc>,
}

impl AccountRow {
    fn into_account(self) -> Result<Account> {
        Ok(Account {
            id: self.id,
            owner: self.owner,
            email: self.email,
            status: Status::parse(&self.status)?,
            balance_cents: self.balance_cents,
            opened_at: self.opened_at,
        })
    }
}

#[derive(FromRow)]
struct OrderRow {
    id: Uuid,
    account_id: Uuid,
    status: String,
    note: Option<String>,
    version: i64,
    placed_at: DateTime<Utc>,
}

impl OrderRow {
    fn into_order(self, lines: Vec<Line>) -> Result<Order> {
        Ok(Order {
            id: self.id,
            account_id: self.account_id,
            status: Status::parse(&self.status)?,
            note: self.note,
            placed_at: self.placed_at,
            lines,
        })
    }
}

#[derive(FromRow)]
struct LineRow {
    order_id: Uuid,
    number: i32,
    sku: String,
    quantity: i32,
    unit_cents: i64,
}

const GET: &str = "SELECT id, owner, email, status, balance_cents, version, opened_at FROM accounts WHERE id = $1";
const SAVE: &str = "UPDATE accounts SET balance_cents = $1, version = version + 1 WHERE id = $2 AND version = $3";
const INSERT_ENTRY: &str = "INSERT INTO ledger (id, account_id, amount_cents, reason) VALUES ($1, $2, $3, $4)";
const LINES: &str = "SELECT order_id, number, sku, quantity, unit_cents FROM order_lines WHERE order_id = ANY($1) \
                     ORDER BY order_id, number";

pub(crate) struct Postgres {
    pool: PgPool,
}

impl Postgres {
    pub(crate) async fn connect(url: &str, size: usize) -> Result<Self> {
        let options = url.parse::<PgConnectOptions>()?;
        let pool = PgPoolOptions::new().max_connections(size as u32).test_before_acquire(false);
        Ok(Postgres { pool: pool.connect_with(options).await? })
    }
}

async fn insert_entries(transaction: &mut Transaction<'_, Pg>, entries: &[Entry]) -> Result<()> {
    let ids = entries.iter().map(|entry| entry.id).collect::<Vec<_>>();
    let accounts = entries.iter().map(|entry| entry.account_id).collect::<Vec<_>>();
    let amounts = entries.iter().map(|entry| entry.amount_cents).collect::<Vec<_>>();
    let reasons = entries.iter().map(|entry| entry.reason.clone()).collect::<Vec<_>>();
    let insert = "INSERT INTO ledger (id, account_id, amount_cents, reason) \
                  SELECT * FROM UNNEST($1::uuid[], $2::uuid[], $3::bigint[], $4::text[])";
    let query = sqlx::query(insert).bind(&ids).bind(&accounts).bind(&amounts).bind(&reasons);
    query.execute(&mut **transaction).await?;
    Ok(())
}

async fn insert_lines(transaction: &mut Transaction<'_, Pg>, order: &Order) -> Result<()> {
    let numbers = order.lines.iter().map(|line| line.number).collect::<Vec<_>>();
    let skus = order.lines.iter().map(|line| line.sku.clone()).collect::<Vec<_>>();
    let quantities = order.lines.iter().map(|line| line.quantity).collect::<Vec<_>>();
    let cents = order.lines.iter().map(|line| line.unit_cents).collect::<Vec<_>>();
    let insert = "INSERT INTO order_lines (order_id, number, sku, quantity, unit_cents) \
                  SELECT $1, * FROM UNNEST($2::int[], $3::text[], $4::int[], $5::bigint[])";
    let query = sqlx::query(insert).bind(order.id).bind(&numbers).bind(&skus).bind(&quantities).bind(&cents);
    query.execute(&mut **transaction).await?;
    Ok(())
}

/// One row, or the row was changed by somebody else.
fn saved(rows: u64) -> Result<()> {
    if rows == 1 { Ok(()) } else { Err("changed by somebody else".into()) }
}

#[async_trait]
impl Contender for Postgres {
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

    async fn place(&self, order: Order, entries: Vec<Entry>) -> Result<()> {
        let mut transaction = self.pool.begin().await?;
        let insert = "INSERT INTO orders (id, account_id, status, note, version, placed_at) \
                      VALUES ($1, $2, $3, $4, 1, $5)";
        let insert = sqlx::query(insert).bind(order.id).bind(order.account_id).bind(order.status.as_str());
        insert.bind(&order.note).bind(order.placed_at).execute(&mut *transaction).await?;
        insert_lines(&mut transaction, &order).await?;
        insert_entries(&mut transaction, &entries).await?;
        Ok(transaction.commit().await?)
    }

    async fn save_many(&self, ids: &[Uuid]) -> Result<()> {
        let mut transaction = self.pool.begin().await?;
        let select = "SELECT id, account_id, status, note, version, placed_at FROM orders WHERE id = ANY($1)";
        let rows = sqlx::query_as::<_, OrderRow>(select).bind(ids).fetch_all(&mut *transaction).await?;
        let lines = sqlx::query_as::<_, LineRow>(LINES).bind(ids).fetch_all(&mut *transaction).await?;
        let versions = rows.iter().map(|row| row.version).collect::<Vec<_>>();
        let orders = with_lines(rows, lines)?;
        for (mut order, version) in orders.into_iter().zip(versions) {
            order.change();
            let update = "UPDATE orders SET status = $1, version = version + 1 WHERE id = $2 AND version = $3";
            let update = sqlx::query(update).bind(order.status.as_str()).bind(order.id).bind(version);
            saved(update.execute(&mut *transaction).await?.rows_affected())?;
            let line = order.lines.first().ok_or("an order without lines")?;
            let update = "UPDATE order_lines SET quantity = $1 WHERE order_id = $2 AND number = $3";
            let update = sqlx::query(update).bind(line.quantity).bind(order.id).bind(line.number);
            saved(update.execute(&mut *transaction).await?.rows_affected())?;
        }
        Ok(transaction.commit().await?)
    }

    async fn bulk_insert(&self, accounts: Vec<Account>) -> Result<()> {
        let mut transaction = self.pool.begin().await?;
        let ids = accounts.iter().map(|account| account.id).collect::<Vec<_>>();
        let owners = accounts.iter().map(|account| account.owner.clone()).collect::<Vec<_>>();
        let emails = accounts.iter().map(|account| account.email.clone()).collect::<Vec<_>>();
        let statuses = accounts.iter().map(|account| account.status.as_str().to_owned()).collect::<Vec<_>>();
        let balances = accounts.iter().map(|account| account.balance_cents).collect::<Vec<_>>();
        let moments = accounts.iter().map(|account| account.opened_at).collect::<Vec<_>>();
        let insert = "INSERT INTO accounts (id, owner, email, status, balance_cents, version, opened_at) \
                      SELECT id, owner, email, status, balance_cents, 1, opened_at FROM UNNEST($1::uuid[], $2::text[], \
                      $3::text[], $4::text[], $5::bigint[], $6::timestamptz[]) \
                      AS given(id, owner, email, status, balance_cents, opened_at)";
        let insert = sqlx::query(insert).bind(&ids).bind(&owners).bind(&emails).bind(&statuses).bind(&balances);
        insert.bind(&moments).execute(&mut *transaction).await?;
        Ok(transaction.commit().await?)
    }

    async fn page(&self, behind: &Place) -> Result<Page> {
        let (moment, id) = behind.key()?;
        let select = "SELECT id, owner, email, status, balance_cents, version, opened_at FROM accounts \
                      WHERE (opened_at, id) > ($1, $2) ORDER BY opened_at, id LIMIT $3";
        let select = sqlx::query_as::<_, AccountRow>(select).bind(moment).bind(id).bind(PAGE as i64 + 1);
        let rows = select.fetch_all(&self.pool).await?;
        Ok(Page::of(rows.into_iter().map(AccountRow::into_account).collect::<Result<_>>()?))
    }

    async fn children(&self) -> Result<Vec<Order>> {
        let select = "SELECT id, account_id, status, note, version, placed_at FROM orders \
                      ORDER BY placed_at, id LIMIT $1";
        let select = sqlx::query_as::<_, OrderRow>(select).bind(PARENTS as i64);
        let orders = select.fetch_all(&self.pool).await?;
        let ids = orders.iter().map(|order| order.id).collect::<Vec<_>>();
        let lines = sqlx::query_as::<_, LineRow>(LINES).bind(ids).fetch_all(&self.pool).await?;
        with_lines(orders, lines)
    }
}

fn with_lines(orders: Vec<OrderRow>, lines: Vec<LineRow>) -> Result<Vec<Order>> {
    let mut by_order = std::collections::HashMap::<Uuid, Vec<Line>>::with_capacity(orders.len());
    for LineRow { order_id, number, sku, quantity, unit_cents } in lines {
        by_order.entry(order_id).or_default().push(Line { number, sku, quantity, unit_cents });
    }
    let order = |order: OrderRow| {
        let lines = by_order.remove(&order.id).unwrap_or_default();
        order.into_order(lines)
    };
    orders.into_iter().map(order).collect()
}
