//! Spakky, as its guide says: derives on row structs, `#[transactional]` on the methods of a service.

use ::spakky::prelude::*;
use ::spakky::{CursorRequest, Error};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Contender, Page, Place};
use crate::Result;
use crate::domain::{Account, Entry, Line, Order, PAGE, PARENTS, Status};

#[derive(Debug, Clone, Table, Mappable)]
#[table(name = "accounts")]
#[mappable(domain = Account)]
struct AccountRow {
    #[table(id)]
    id: Uuid,
    owner: String,
    email: Option<String>,
    status: Status,
    balance_cents: i64,
    #[table(version)]
    version: i64,
    opened_at: DateTime<Utc>,
}

#[derive(Debug, Clone, Table, Mappable)]
#[table(name = "orders")]
#[mappable(domain = Order)]
struct OrderRow {
    #[table(id)]
    id: Uuid,
    #[table(references(AccountRow))]
    account_id: Uuid,
    status: Status,
    note: Option<String>,
    #[table(has_many(by = order_id, order_by = number))]
    lines: Vec<LineRow>,
    #[table(version)]
    version: i64,
    placed_at: DateTime<Utc>,
}

#[derive(Debug, Clone, Table, Mappable)]
#[table(name = "order_lines")]
#[mappable(domain = Line)]
struct LineRow {
    #[table(id, references(OrderRow))]
    #[mappable(parent)]
    order_id: Uuid,
    #[table(id)]
    number: i32,
    sku: String,
    quantity: i32,
    unit_cents: i64,
}

#[derive(Debug, Clone, Table, Mappable)]
#[table(name = "ledger")]
#[mappable(domain = Entry)]
struct EntryRow {
    #[table(id)]
    id: Uuid,
    #[table(references(AccountRow))]
    account_id: Uuid,
    amount_cents: i64,
    reason: String,
}

#[derive(HasSessions)]
pub(crate) struct Spakky {
    sessions: SessionManager,
    accounts: Repository<AccountRow>,
    orders: Repository<OrderRow>,
    ledger: Repository<EntryRow>,
}

impl Spakky {
    pub(crate) async fn connect(url: &str, size: usize) -> Result<Self> {
        let config = DatabaseConfig::new(url).pool_size(size).pool_pre_ping(false);
        let sessions = SessionManager::from_config(config).await?;
        Ok(Spakky {
            accounts: sessions.repository(),
            orders: sessions.repository(),
            ledger: sessions.repository(),
            sessions,
        })
    }

    #[transactional]
    async fn pay(&self, mut entry: Entry) -> std::result::Result<(), Error> {
        let mut account = self.accounts.get(entry.account_id).await?;
        account.balance_cents += entry.amount_cents;
        self.accounts.save(&mut account)?;
        self.ledger.add(&mut entry)
    }

    #[transactional]
    async fn place_order(&self, mut order: Order, mut entries: Vec<Entry>) -> std::result::Result<(), Error> {
        self.orders.add(&mut order)?;
        self.ledger.add_all(&mut entries)
    }

    #[transactional]
    async fn change_orders(&self, ids: &[Uuid]) -> std::result::Result<(), Error> {
        let mut orders = self.orders.get_many(ids.iter().copied()).await?;
        orders.iter_mut().for_each(Order::change);
        self.orders.save_all(&mut orders)
    }

    #[transactional]
    async fn open(&self, mut accounts: Vec<Account>) -> std::result::Result<(), Error> {
        self.accounts.add_all(&mut accounts)
    }
}

#[async_trait]
impl Contender for Spakky {
    async fn get(&self, id: Uuid) -> Result<Account> {
        Ok(self.accounts.get(id).await?)
    }

    async fn load_save(&self, entry: Entry) -> Result<()> {
        Ok(self.pay(entry).await?)
    }

    async fn place(&self, order: Order, entries: Vec<Entry>) -> Result<()> {
        Ok(self.place_order(order, entries).await?)
    }

    async fn save_many(&self, ids: &[Uuid]) -> Result<()> {
        Ok(self.change_orders(ids).await?)
    }

    async fn bulk_insert(&self, accounts: Vec<Account>) -> Result<()> {
        Ok(self.open(accounts).await?)
    }

    async fn page(&self, behind: &Place) -> Result<Page> {
        let request = CursorRequest::first(PAGE as u64);
        let request = match behind {
            Place::Cursor(cursor) => request.at(cursor),
            _ => request,
        };
        let query = self.accounts.query().order_by(AccountRow::COLUMNS.opened_at.asc());
        let page = query.cursor_page(request).await?;
        Ok(Page { accounts: page.items, next: page.next.map(Place::Cursor) })
    }

    async fn children(&self) -> Result<Vec<Order>> {
        let columns = OrderRow::COLUMNS;
        let query = self.orders.query().order_by(columns.placed_at.asc()).order_by(columns.id.asc());
        Ok(query.limit(PARENTS as u64).all().await?)
    }
}
