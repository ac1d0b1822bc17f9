//! diesel-async in its usual style: `table!`, derives, and one statement after the other inside `transaction`.

mod sqlite;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::pooled_connection::deadpool::Pool;
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::{Contender, Page, Place};
use crate::domain::{Account, Entry, Line, Order, PAGE, PARENTS, Status};
use crate::{Failure, Result};

pub(crate) use sqlite::Sqlite;

mod schema {
    diesel::table! {
        accounts (id) {
            id -> Uuid,
            owner -> Text,
            email -> Nullable<Text>,
            status -> Text,
            balance_cents -> BigInt,
            version -> BigInt,
            opened_at -> Timestamptz,
        }
    }
    diesel::table! {
        orders (id) {
            id -> Uuid,
            account_id -> Uuid,
            status -> Text,
            note -> Nullable<Text>,
            version -> BigInt,
            placed_at -> Timestamptz,
        }
    }
    diesel::table! {
        order_lines (order_id, number) {
            order_id -> Uuid,
            number -> Integer,
            sku -> Text,
            quantity -> Integer,
            unit_cents -> BigInt,
        }
    }
    diesel::table! {
        ledger (id) {
            id -> Uuid,
            account_id -> Uuid,
            amount_cents -> BigInt,
            reason -> Text,
        }
    }
    diesel::joinable!(order_lines -> orders (order_id));
    diesel::allow_tables_to_appear_in_same_query!(orders, order_lines);
}

use schema::{accounts, ledger, order_lines, orders};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = accounts, check_for_backend(diesel::pg::Pg))]
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
    fn new(account: Account) -> Self {
        let Account { id, owner, email, status, balance_cents, opened_at } = account;
        AccountRow { id, owner, email, status: status.as_str().to_owned(), balance_cents, version: 1, opened_at }
    }

    fn into_account(self) -> Result<Account> {
        let AccountRow { id, owner, email, status, balance_cents, version: _, opened_at } = self;
        Ok(Account { id, owner, email, status: Status::parse(&status)?, balance_cents, opened_at })
    }
}

#[derive(Queryable, Selectable, Insertable, Identifiable)]
#[diesel(table_name = orders, check_for_backend(diesel::pg::Pg))]
struct OrderRow {
    id: Uuid,
    account_id: Uuid,
    status: String,
    note: Option<String>,
    version: i64,
    placed_at: DateTime<Utc>,
}

#[derive(Queryable, Selectable, Insertable, Identifiable, Associations)]
#[diesel(table_name = order_lines, primary_key(order_id, number), belongs_to(OrderRow, foreign_key = order_id))]
#[diesel(check_for_backend(diesel::pg::Pg))]
struct LineRow {
    order_id: Uuid,
    number: i32,
    sku: String,
    quantity: i32,
    unit_cents: i64,
}

#[derive(Insertable)]
#[diesel(table_name = ledger)]
struct EntryRow {
    id: Uuid,
    account_id: Uuid,
    amount_cents: i64,
    reason: String,
}

impl EntryRow {
    fn new(entry: Entry) -> Self {
        let Entry { id, account_id, amount_cents, reason } = entry;
        EntryRow { id, account_id, amount_cents, reason }
    }
}

pub(crate) struct Postgres {
    pool: Pool<AsyncPgConnection>,
}

impl Postgres {
    pub(crate) fn connect(url: &str, size: usize) -> Result<Self> {
        let mut config = ManagerConfig::<AsyncPgConnection>::default();
        config.recycling_method = RecyclingMethod::Fast;
        let manager = AsyncDieselConnectionManager::new_with_config(url, config);
        Ok(Postgres { pool: Pool::builder(manager).max_size(size).build()? })
    }
}

/// One row, or the row was changed by somebody else.
fn saved(rows: usize) -> Result<()> {
    if rows == 1 { Ok(()) } else { Err("changed by somebody else".into()) }
}

#[async_trait]
impl Contender for Postgres {
    async fn get(&self, id: Uuid) -> Result<Account> {
        let mut connection = self.pool.get().await?;
        let row: AccountRow = accounts::table.find(id).select(AccountRow::as_select()).first(&mut *connection).await?;
        row.into_account()
    }

    async fn load_save(&self, entry: Entry) -> Result<()> {
        let mut connection = self.pool.get().await?;
        connection
            .transaction::<_, Failure, _>(async |connection| {
                let row: AccountRow = accounts::table
                    .find(entry.account_id)
                    .select(AccountRow::as_select())
                    .first(&mut *connection)
                    .await?;
                let version = row.version;
                let mut account = row.into_account()?;
                account.balance_cents += entry.amount_cents;
                let same = accounts::id.eq(account.id).and(accounts::version.eq(version));
                let update = diesel::update(accounts::table.filter(same))
                    .set((accounts::balance_cents.eq(account.balance_cents), accounts::version.eq(version + 1)));
                saved(update.execute(&mut *connection).await?)?;
                let insert = diesel::insert_into(ledger::table).values(EntryRow::new(entry));
                insert.execute(connection).await?;
                Ok(())
            })
            .await
    }

    async fn place(&self, order: Order, entries: Vec<Entry>) -> Result<()> {
        let Order { id, account_id, status, note, placed_at, lines } = order;
        let row = OrderRow { id, account_id, status: status.as_str().to_owned(), note, version: 1, placed_at };
        let line =
            |Line { number, sku, quantity, unit_cents }| LineRow { order_id: id, number, sku, quantity, unit_cents };
        let lines = lines.into_iter().map(line).collect::<Vec<_>>();
        let entries = entries.into_iter().map(EntryRow::new).collect::<Vec<_>>();
        let mut connection = self.pool.get().await?;
        connection
            .transaction::<_, Failure, _>(async |connection| {
                diesel::insert_into(orders::table).values(row).execute(&mut *connection).await?;
                diesel::insert_into(order_lines::table).values(lines).execute(&mut *connection).await?;
                diesel::insert_into(ledger::table).values(entries).execute(connection).await?;
                Ok(())
            })
            .await
    }

    async fn save_many(&self, ids: &[Uuid]) -> Result<()> {
        let mut connection = self.pool.get().await?;
        connection
            .transaction::<_, Failure, _>(async |connection| {
                let rows: Vec<OrderRow> = orders::table
                    .filter(orders::id.eq_any(ids))
                    .select(OrderRow::as_select())
                    .load(&mut *connection)
                    .await?;
                let versions = rows.iter().map(|row| row.version).collect::<Vec<_>>();
                let lines: Vec<LineRow> = LineRow::belonging_to(&rows)
                    .select(LineRow::as_select())
                    .order(order_lines::number)
                    .load(&mut *connection)
                    .await?;
                for (mut order, version) in with_lines(rows, lines)?.into_iter().zip(versions) {
                    order.change();
                    let same = orders::id.eq(order.id).and(orders::version.eq(version));
                    let update = diesel::update(orders::table.filter(same))
                        .set((orders::status.eq(order.status.as_str()), orders::version.eq(version + 1)));
                    saved(update.execute(&mut *connection).await?)?;
                    let line = order.lines.as_slice().first().ok_or("an order without lines")?;
                    let update = diesel::update(order_lines::table.find((order.id, line.number)))
                        .set(order_lines::quantity.eq(line.quantity));
                    saved(update.execute(&mut *connection).await?)?;
                }
                Ok(())
            })
            .await
    }

    async fn bulk_insert(&self, accounts: Vec<Account>) -> Result<()> {
        let rows = accounts.into_iter().map(AccountRow::new).collect::<Vec<_>>();
        let mut connection = self.pool.get().await?;
        connection
            .transaction::<_, Failure, _>(async |connection| {
                diesel::insert_into(accounts::table).values(rows).execute(connection).await?;
                Ok(())
            })
            .await
    }

    async fn page(&self, behind: &Place) -> Result<Page> {
        use diesel::dsl::sql;
        use diesel::sql_types::{Bool, Timestamptz, Uuid as SqlUuid};

        let (moment, id) = behind.key()?;
        let mut connection = self.pool.get().await?;
        // Rows are compared by SQL, since the DSL has no such comparison.
        let behind =
            sql::<Bool>("(opened_at, id) > (").bind::<Timestamptz, _>(moment).sql(", ").bind::<SqlUuid, _>(id).sql(")");
        let rows: Vec<AccountRow> = accounts::table
            .filter(behind)
            .order((accounts::opened_at, accounts::id))
            .limit(PAGE as i64 + 1)
            .select(AccountRow::as_select())
            .load(&mut *connection)
            .await?;
        Ok(Page::of(rows.into_iter().map(AccountRow::into_account).collect::<Result<_>>()?))
    }

    async fn children(&self) -> Result<Vec<Order>> {
        let mut connection = self.pool.get().await?;
        let orders: Vec<OrderRow> = orders::table
            .order((orders::placed_at, orders::id))
            .limit(PARENTS as i64)
            .select(OrderRow::as_select())
            .load(&mut *connection)
            .await?;
        let lines: Vec<LineRow> = LineRow::belonging_to(&orders)
            .select(LineRow::as_select())
            .order(order_lines::number)
            .load(&mut *connection)
            .await?;
        with_lines(orders, lines)
    }
}

fn with_lines(orders: Vec<OrderRow>, lines: Vec<LineRow>) -> Result<Vec<Order>> {
    let lines = lines.grouped_by(&orders);
    let order = |(order, lines): (OrderRow, Vec<LineRow>)| {
        let OrderRow { id, account_id, status, note, version: _, placed_at } = order;
        let line =
            |LineRow { order_id: _, number, sku, quantity, unit_cents }| Line { number, sku, quantity, unit_cents };
        let lines = lines.into_iter().map(line).collect();
        Ok(Order { id, account_id, status: Status::parse(&status)?, note, placed_at, lines })
    };
    orders.into_iter().zip(lines).map(order).collect()
}
