//! Toasty: models, whose `#[version]` guards updates. Its driver of SQLite cannot be linked beside that of sqlx.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use toasty::stmt::{Timestamp, Value};
use toasty::{Db, Deferred};
use uuid::Uuid;

use super::{Contender, Page, Place};
use crate::Result;
use crate::domain::{Account, Entry, Line, Order, PAGE, PARENTS, Status};

#[derive(Debug, toasty::Model)]
#[table = "accounts"]
struct AccountRow {
    #[key]
    id: Uuid,
    owner: String,
    email: Option<String>,
    status: String,
    balance_cents: i64,
    #[version]
    version: u64,
    opened_at: Timestamp,
}

#[derive(Debug, toasty::Model)]
#[table = "orders"]
struct OrderRow {
    #[key]
    id: Uuid,
    account_id: Uuid,
    status: String,
    note: Option<String>,
    #[version]
    version: u64,
    placed_at: Timestamp,
    #[has_many(pair = order)]
    lines: Deferred<Vec<LineRow>>,
}

#[derive(Debug, toasty::Model)]
#[table = "order_lines"]
#[key(partition = order_id, local = number)]
struct LineRow {
    order_id: Uuid,
    number: i32,
    #[belongs_to(key = order_id, references = id)]
    order: Deferred<OrderRow>,
    sku: String,
    quantity: i32,
    unit_cents: i64,
}

#[derive(Debug, toasty::Model)]
#[table = "ledger"]
struct EntryRow {
    #[key]
    id: Uuid,
    account_id: Uuid,
    amount_cents: i64,
    reason: String,
}

pub(crate) struct Toasty {
    db: Db,
}

impl Toasty {
    pub(crate) async fn connect(url: &str, size: usize) -> Result<Self> {
        let mut builder = Db::builder();
        builder.models(toasty::models!(AccountRow, OrderRow, LineRow, EntryRow));
        builder.max_pool_size(size).pool_pre_ping(false);
        // Its driver reads `postgresql` alone.
        let url = url.replacen("postgres://", "postgresql://", 1);
        Ok(Toasty { db: builder.connect(&url).await? })
    }
}

#[async_trait]
impl Contender for Toasty {
    async fn get(&self, id: Uuid) -> Result<Account> {
        let mut db = self.db.clone();
        read_account(&AccountRow::get_by_id(&mut db, id).await?)
    }

    async fn load_save(&self, entry: Entry) -> Result<()> {
        let mut db = self.db.clone();
        let mut transaction = db.transaction().await?;
        let mut row = AccountRow::get_by_id(&mut transaction, entry.account_id).await?;
        let account = read_account(&row)?;
        let balance = account.balance_cents + entry.amount_cents;
        row.update().balance_cents(balance).exec(&mut transaction).await?;
        create_entry(entry).exec(&mut transaction).await?;
        Ok(transaction.commit().await?)
    }

    async fn place(&self, order: Order, entries: Vec<Entry>) -> Result<()> {
        let Order { id, account_id, status, note, placed_at, lines } = order;
        let create = OrderRow::create().id(id).account_id(account_id).status(status.as_str()).note(note);
        let create = create.placed_at(timestamp(placed_at)?);
        let mut created = LineRow::create_many();
        for Line { number, sku, quantity, unit_cents } in lines {
            let line = LineRow::create().order_id(id).number(number).sku(sku);
            created = created.item(line.quantity(quantity).unit_cents(unit_cents));
        }
        let mut db = self.db.clone();
        let mut transaction = db.transaction().await?;
        create.exec(&mut transaction).await?;
        // Given with their order they would be stored before it, which their foreign key refuses.
        created.exec(&mut transaction).await?;
        let mut many = EntryRow::create_many();
        for entry in entries {
            many = many.item(create_entry(entry));
        }
        many.exec(&mut transaction).await?;
        Ok(transaction.commit().await?)
    }

    async fn save_many(&self, ids: &[Uuid]) -> Result<()> {
        let mut db = self.db.clone();
        let mut transaction = db.transaction().await?;
        let query = OrderRow::filter(OrderRow::fields().id().in_list(ids.to_vec()));
        let mut rows = query.include(OrderRow::fields().lines()).exec(&mut transaction).await?;
        for row in &mut rows {
            let mut order = read_order(row)?;
            order.change();
            row.update().status(order.status.as_str()).exec(&mut transaction).await?;
            let line = order.lines.first().ok_or("an order without lines")?;
            let row = LineRow::filter_by_order_id_and_number(order.id, line.number);
            row.update().quantity(line.quantity).exec(&mut transaction).await?;
        }
        Ok(transaction.commit().await?)
    }

    async fn bulk_insert(&self, accounts: Vec<Account>) -> Result<()> {
        let mut many = AccountRow::create_many();
        for Account { id, owner, email, status, balance_cents, opened_at } in accounts {
            let create = AccountRow::create().id(id).owner(owner).email(email).status(status.as_str());
            many = many.item(create.balance_cents(balance_cents).opened_at(timestamp(opened_at)?));
        }
        let mut db = self.db.clone();
        let mut transaction = db.transaction().await?;
        many.exec(&mut transaction).await?;
        Ok(transaction.commit().await?)
    }

    async fn page(&self, behind: &Place) -> Result<Page> {
        let mut db = self.db.clone();
        let fields = AccountRow::fields();
        let query = AccountRow::all().order_by((fields.opened_at().asc(), fields.id().asc()));
        let mut paginate = query.paginate(PAGE);
        if let Place::Toasty(cursor) = behind {
            paginate = paginate.after(cursor.clone());
        }
        let page = paginate.exec(&mut db).await?;
        let accounts = page.items.iter().map(read_account).collect::<Result<_>>()?;
        Ok(Page { accounts, next: page.next_cursor.map(Place::Toasty) })
    }

    async fn children(&self) -> Result<Vec<Order>> {
        let mut db = self.db.clone();
        let fields = OrderRow::fields();
        let query = OrderRow::all().order_by((fields.placed_at().asc(), fields.id().asc())).limit(PARENTS);
        let rows = query.include(OrderRow::fields().lines()).exec(&mut db).await?;
        rows.iter().map(read_order).collect()
    }
}

/// Where a page starts.
pub(crate) type Cursor = Value;

fn create_entry(entry: Entry) -> <EntryRow as toasty::schema::Model>::Create {
    let Entry { id, account_id, amount_cents, reason } = entry;
    EntryRow::create().id(id).account_id(account_id).amount_cents(amount_cents).reason(reason)
}

fn timestamp(moment: DateTime<Utc>) -> Result<Timestamp> {
    Ok(Timestamp::from_microsecond(moment.timestamp_micros())?)
}

fn moment(timestamp: &Timestamp) -> Result<DateTime<Utc>> {
    DateTime::from_timestamp_micros(timestamp.as_microsecond()).ok_or_else(|| "a moment out of range".into())
}

fn read_account(row: &AccountRow) -> Result<Account> {
    Ok(Account {
        id: row.id,
        owner: row.owner.clone(),
        email: row.email.clone(),
        status: Status::parse(&row.status)?,
        balance_cents: row.balance_cents,
        opened_at: moment(&row.opened_at)?,
    })
}

fn read_order(row: &OrderRow) -> Result<Order> {
    let line = |row: &LineRow| Line {
        number: row.number,
        sku: row.sku.clone(),
        quantity: row.quantity,
        unit_cents: row.unit_cents,
    };
    let mut lines = row.lines.get().iter().map(line).collect::<Vec<_>>();
    lines.sort_by_key(|line| line.number);
    Ok(Order {
        id: row.id,
        account_id: row.account_id,
        status: Status::parse(&row.status)?,
        note: row.note.clone(),
        placed_at: moment(&row.placed_at)?,
        lines,
    })
}
