//! The limit: tokio-postgres, with every statement prepared by hand and all that can travel together pipelined.

mod sqlite;

use std::sync::Mutex;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures_util::{TryFutureExt, try_join};
use tokio::sync::Semaphore;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, NoTls, Row, Statement};
use uuid::Uuid;

use super::{Contender, Page, Place};
use crate::Result;
use crate::domain::{Account, Entry, Line, Order, PAGE, PARENTS, Status};

pub(crate) use sqlite::Sqlite;

const ACCOUNT: &str = "id, owner, email, status, balance_cents, version, opened_at";

type Value<'a> = &'a (dyn ToSql + Sync);

pub(crate) struct Postgres {
    url: String,
    free: Mutex<Vec<Connection>>,
    permits: Semaphore,
}

struct Connection {
    client: Client,
    get: Statement,
    save: Statement,
    insert_entries: Statement,
    insert_order: Statement,
    insert_lines: Statement,
    orders: Statement,
    lines: Statement,
    save_orders: Statement,
    save_lines: Statement,
    insert_accounts: Statement,
    page: Statement,
    first_orders: Statement,
    first_lines: Statement,
}

impl Connection {
    async fn open(url: &str) -> Result<Self> {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
        tokio::spawn(connection);
        let get = client.prepare(&format!("SELECT {ACCOUNT} FROM accounts WHERE id = $1")).await?;
        // A row that somebody else changed is an error of the statement itself: the COMMIT is on its way already.
        let save = "WITH saved AS (UPDATE accounts SET balance_cents = $1, version = version + 1 \
                    WHERE id = $2 AND version = $3 RETURNING 1) SELECT 1 / count(*) FROM saved";
        let save = client.prepare(save).await?;
        let insert_entries = "INSERT INTO ledger (id, account_id, amount_cents, reason) \
                              SELECT * FROM UNNEST($1::uuid[], $2::uuid[], $3::bigint[], $4::text[])";
        let insert_entries = client.prepare(insert_entries).await?;
        let insert_order = "INSERT INTO orders (id, account_id, status, note, version, placed_at) \
                            VALUES ($1, $2, $3, $4, 1, $5)";
        let insert_order = client.prepare(insert_order).await?;
        let insert_lines = "INSERT INTO order_lines (order_id, number, sku, quantity, unit_cents) \
                            SELECT $1, * FROM UNNEST($2::int[], $3::text[], $4::int[], $5::bigint[])";
        let insert_lines = client.prepare(insert_lines).await?;
        let orders = "SELECT id, account_id, status, note, version, placed_at FROM orders WHERE id = ANY($1)";
        let orders = client.prepare(orders).await?;
        let lines = "SELECT order_id, number, sku, quantity, unit_cents FROM order_lines WHERE order_id = ANY($1) \
                     ORDER BY order_id, number";
        let lines = client.prepare(lines).await?;
        let save_orders = "WITH saved AS (UPDATE orders SET status = given.status, version = orders.version + 1 \
                           FROM UNNEST($1::uuid[], $2::text[], $3::bigint[]) AS given(id, status, version) \
                           WHERE orders.id = given.id AND orders.version = given.version RETURNING 1) \
                           SELECT 1 / (count(*) = cardinality($1))::int FROM saved";
        let save_orders = client.prepare(save_orders).await?;
        let save_lines = "UPDATE order_lines SET quantity = given.quantity \
                          FROM UNNEST($1::uuid[], $2::int[], $3::int[]) AS given(order_id, number, quantity) \
                          WHERE order_lines.order_id = given.order_id AND order_lines.number = given.number";
        let save_lines = client.prepare(save_lines).await?;
        let insert_accounts = "INSERT INTO accounts (id, owner, email, status, balance_cents, version, opened_at) \
                               SELECT id, owner, email, status, balance_cents, 1, opened_at FROM UNNEST($1::uuid[], \
                               $2::text[], $3::text[], $4::text[], $5::bigint[], $6::timestamptz[]) \
                               AS given(id, owner, email, status, balance_cents, opened_at)";
        let insert_accounts = client.prepare(insert_accounts).await?;
        let page = format!(
            "SELECT {ACCOUNT} FROM accounts WHERE (opened_at, id) > ($1, $2) ORDER BY opened_at, id LIMIT {}",
            PAGE + 1
        );
        let page = client.prepare(&page).await?;
        let first = format!("ORDER BY placed_at, id LIMIT {PARENTS}");
        let first_orders = format!("SELECT id, account_id, status, note, version, placed_at FROM orders {first}");
        let first_orders = client.prepare(&first_orders).await?;
        let first_lines = format!(
            "SELECT order_id, number, sku, quantity, unit_cents FROM order_lines \
             WHERE order_id IN (SELECT id FROM orders {first}) ORDER BY order_id, number"
        );
        let first_lines = client.prepare(&first_lines).await?;
        Ok(Connection {
            client,
            get,
            save,
            insert_entries,
            insert_order,
            insert_lines,
            orders,
            lines,
            save_orders,
            save_lines,
            insert_accounts,
            page,
            first_orders,
            first_lines,
        })
    }

    async fn run(&self, statement: &str) -> Result<()> {
        Ok(self.client.batch_execute(statement).await?)
    }

    async fn execute(&self, statement: &Statement, values: &[Value<'_>]) -> Result<u64> {
        Ok(self.client.execute(statement, values).await?)
    }

    async fn query(&self, statement: &Statement, values: &[Value<'_>]) -> Result<Vec<Row>> {
        Ok(self.client.query(statement, values).await?)
    }

    async fn insert_entries(&self, entries: &[Entry]) -> Result<u64> {
        let ids = entries.iter().map(|entry| entry.id).collect::<Vec<_>>();
        let accounts = entries.iter().map(|entry| entry.account_id).collect::<Vec<_>>();
        let amounts = entries.iter().map(|entry| entry.amount_cents).collect::<Vec<_>>();
        let reasons = entries.iter().map(|entry| entry.reason.as_str()).collect::<Vec<_>>();
        self.execute(&self.insert_entries, &[&ids, &accounts, &amounts, &reasons]).await
    }

    async fn insert_lines(&self, order: &Order) -> Result<u64> {
        let numbers = order.lines.iter().map(|line| line.number).collect::<Vec<_>>();
        let skus = order.lines.iter().map(|line| line.sku.as_str()).collect::<Vec<_>>();
        let quantities = order.lines.iter().map(|line| line.quantity).collect::<Vec<_>>();
        let cents = order.lines.iter().map(|line| line.unit_cents).collect::<Vec<_>>();
        self.execute(&self.insert_lines, &[&order.id, &numbers, &skus, &quantities, &cents]).await
    }

    async fn save_orders(&self, orders: &[Versioned<Order>]) -> Result<u64> {
        let ids = orders.iter().map(|order| order.value.id).collect::<Vec<_>>();
        let statuses = orders.iter().map(|order| order.value.status.as_str()).collect::<Vec<_>>();
        let versions = orders.iter().map(|order| order.version).collect::<Vec<_>>();
        self.execute(&self.save_orders, &[&ids, &statuses, &versions]).await
    }

    async fn save_lines(&self, lines: &[(Uuid, i32, i32)]) -> Result<u64> {
        let orders = lines.iter().map(|line| line.0).collect::<Vec<_>>();
        let numbers = lines.iter().map(|line| line.1).collect::<Vec<_>>();
        let quantities = lines.iter().map(|line| line.2).collect::<Vec<_>>();
        self.execute(&self.save_lines, &[&orders, &numbers, &quantities]).await
    }
}

struct Versioned<T> {
    value: T,
    version: i64,
}

impl Postgres {
    pub(crate) fn connect(url: &str, size: usize) -> Self {
        Postgres { url: url.to_owned(), free: Mutex::default(), permits: Semaphore::new(size) }
    }

    /// Runs one unit of work on a connection. One that failed is not used again.
    async fn with<T>(&self, work: impl AsyncFnOnce(&Connection) -> Result<T>) -> Result<T> {
        let _permit = self.permits.acquire().await?;
        let free = self.free.lock().map_err(|_| "a unit of work panicked")?.pop();
        let connection = match free {
            Some(connection) => connection,
            None => Connection::open(&self.url).await?,
        };
        let outcome = work(&connection).await?;
        self.free.lock().map_err(|_| "a unit of work panicked")?.push(connection);
        Ok(outcome)
    }
}

#[async_trait]
impl Contender for Postgres {
    async fn get(&self, id: Uuid) -> Result<Account> {
        self.with(async |connection| {
            let row = connection.client.query_one(&connection.get, &[&id]).await?;
            Ok(account(&row)?.value)
        })
        .await
    }

    async fn load_save(&self, entry: Entry) -> Result<()> {
        self.with(async |connection| {
            let values: [Value<'_>; 1] = [&entry.account_id];
            let load = connection.client.query_one(&connection.get, &values).map_err(Into::into);
            let ((), row) = try_join!(connection.run("BEGIN"), load)?;
            let loaded = account(&row)?;
            let balance = loaded.value.balance_cents + entry.amount_cents;
            let values: [Value<'_>; 3] = [&balance, &entry.account_id, &loaded.version];
            try_join!(
                connection.execute(&connection.save, &values),
                connection.insert_entries(std::slice::from_ref(&entry)),
                connection.run("COMMIT")
            )?;
            Ok(())
        })
        .await
    }

    async fn place(&self, order: Order, entries: Vec<Entry>) -> Result<()> {
        self.with(async |connection| {
            let status = order.status.as_str();
            let values: [Value<'_>; 5] = [&order.id, &order.account_id, &status, &order.note, &order.placed_at];
            try_join!(
                connection.run("BEGIN"),
                connection.execute(&connection.insert_order, &values),
                connection.insert_lines(&order),
                connection.insert_entries(&entries),
                connection.run("COMMIT")
            )?;
            Ok(())
        })
        .await
    }

    async fn save_many(&self, ids: &[Uuid]) -> Result<()> {
        self.with(async |connection| {
            let values: [Value<'_>; 1] = [&ids];
            let ((), orders, lines) = try_join!(
                connection.run("BEGIN"),
                connection.query(&connection.orders, &values),
                connection.query(&connection.lines, &values)
            )?;
            let mut orders = read_orders(&orders, &lines)?;
            let mut changed = Vec::with_capacity(orders.len());
            for order in &mut orders {
                order.value.change();
                let line = order.value.lines.first().ok_or("an order without lines")?;
                changed.push((order.value.id, line.number, line.quantity));
            }
            try_join!(connection.save_orders(&orders), connection.save_lines(&changed), connection.run("COMMIT"))?;
            Ok(())
        })
        .await
    }

    async fn bulk_insert(&self, accounts: Vec<Account>) -> Result<()> {
        self.with(async |connection| {
            let ids = accounts.iter().map(|account| account.id).collect::<Vec<_>>();
            let owners = accounts.iter().map(|account| account.owner.as_str()).collect::<Vec<_>>();
            let emails = accounts.iter().map(|account| account.email.as_deref()).collect::<Vec<_>>();
            let statuses = accounts.iter().map(|account| account.status.as_str()).collect::<Vec<_>>();
            let balances = accounts.iter().map(|account| account.balance_cents).collect::<Vec<_>>();
            let moments = accounts.iter().map(|account| account.opened_at).collect::<Vec<_>>();
            let values: [Value<'_>; 6] = [&ids, &owners, &emails, &statuses, &balances, &moments];
            try_join!(
                connection.run("BEGIN"),
                connection.execute(&connection.insert_accounts, &values),
                connection.run("COMMIT")
            )?;
            Ok(())
        })
        .await
    }

    async fn page(&self, behind: &Place) -> Result<Page> {
        let (moment, id) = behind.key()?;
        self.with(async |connection| {
            let rows = connection.query(&connection.page, &[&moment, &id]).await?;
            let accounts = rows.iter().map(|row| Ok(account(row)?.value)).collect::<Result<_>>()?;
            Ok(Page::of(accounts))
        })
        .await
    }

    async fn children(&self) -> Result<Vec<Order>> {
        self.with(async |connection| {
            let (orders, lines) = try_join!(
                connection.query(&connection.first_orders, &[]),
                connection.query(&connection.first_lines, &[])
            )?;
            Ok(read_orders(&orders, &lines)?.into_iter().map(|order| order.value).collect())
        })
        .await
    }
}

fn account(row: &Row) -> Result<Versioned<Account>> {
    let value = Account {
        id: row.try_get(0)?,
        owner: row.try_get(1)?,
        email: row.try_get(2)?,
        status: Status::parse(row.try_get(3)?)?,
        balance_cents: row.try_get(4)?,
        opened_at: row.try_get::<_, DateTime<Utc>>(6)?,
    };
    Ok(Versioned { value, version: row.try_get(5)? })
}

/// Orders with their lines, which are sorted by order and number.
fn read_orders(orders: &[Row], lines: &[Row]) -> Result<Vec<Versioned<Order>>> {
    let mut by_order = std::collections::HashMap::<Uuid, Vec<Line>>::with_capacity(orders.len());
    for row in lines {
        let line = Line {
            number: row.try_get(1)?,
            sku: row.try_get(2)?,
            quantity: row.try_get(3)?,
            unit_cents: row.try_get(4)?,
        };
        by_order.entry(row.try_get(0)?).or_default().push(line);
    }
    let order = |row: &Row| {
        let id = row.try_get(0)?;
        let value = Order {
            id,
            account_id: row.try_get(1)?,
            status: Status::parse(row.try_get(2)?)?,
            note: row.try_get(3)?,
            placed_at: row.try_get(5)?,
            lines: by_order.remove(&id).unwrap_or_default(),
        };
        Ok(Versioned { value, version: row.try_get(4)? })
    };
    orders.iter().map(order).collect()
}
