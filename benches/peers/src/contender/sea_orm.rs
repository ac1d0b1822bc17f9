//! SeaORM: entities and active models; versions are compared by hand, since it knows none.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::{
    ConnectOptions, Database, DatabaseConnection, LoaderTrait, QueryOrder, QuerySelect, Set, TransactionTrait,
};

use super::{Contender, Page, Place};
use crate::Result;
use crate::domain::{Account, Entry, Line, Order, PAGE, PARENTS, Status};

mod account {
    use sea_orm::entity::prelude::*;

    #[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "accounts")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub owner: String,
        pub email: Option<String>,
        pub status: String,
        pub balance_cents: i64,
        pub version: i64,
        pub opened_at: DateTimeUtc,
    }

    #[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mod order {
    use sea_orm::entity::prelude::*;

    #[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "orders")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub account_id: Uuid,
        pub status: String,
        pub note: Option<String>,
        pub version: i64,
        pub placed_at: DateTimeUtc,
    }

    #[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
    pub enum Relation {
        #[sea_orm(has_many = "super::line::Entity")]
        Lines,
    }

    impl Related<super::line::Entity> for Entity {
        fn to() -> RelationDef {
            Relation::Lines.def()
        }
    }

    impl ActiveModelBehavior for ActiveModel {}
}

mod line {
    use sea_orm::entity::prelude::*;

    #[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "order_lines")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub order_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub number: i32,
        pub sku: String,
        pub quantity: i32,
        pub unit_cents: i64,
    }

    #[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
    pub enum Relation {
        #[sea_orm(belongs_to = "super::order::Entity", from = "Column::OrderId", to = "super::order::Column::Id")]
        Order,
    }

    impl Related<super::order::Entity> for Entity {
        fn to() -> RelationDef {
            Relation::Order.def()
        }
    }

    impl ActiveModelBehavior for ActiveModel {}
}

mod entry {
    use sea_orm::entity::prelude::*;

    #[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "ledger")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub account_id: Uuid,
        pub amount_cents: i64,
        pub reason: String,
    }

    #[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) struct SeaOrm {
    database: DatabaseConnection,
}

impl SeaOrm {
    pub(crate) async fn connect(url: &str, size: usize) -> Result<Self> {
        let mut options = ConnectOptions::new(url);
        options.max_connections(size as u32).test_before_acquire(false).sqlx_logging(false);
        options.map_sqlx_sqlite_opts(|options| {
            use sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
            options.foreign_keys(true).journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full)
        });
        Ok(SeaOrm { database: Database::connect(options).await? })
    }
}

/// One row, or the row was changed by somebody else.
fn saved(rows: u64) -> Result<()> {
    if rows == 1 { Ok(()) } else { Err("changed by somebody else".into()) }
}

#[async_trait]
impl Contender for SeaOrm {
    async fn get(&self, id: Uuid) -> Result<Account> {
        let model = account::Entity::find_by_id(id).one(&self.database).await?;
        read_account(model.ok_or("no such account")?)
    }

    async fn load_save(&self, entry: Entry) -> Result<()> {
        let transaction = self.database.begin().await?;
        let model = account::Entity::find_by_id(entry.account_id).one(&transaction).await?;
        let model = model.ok_or("no such account")?;
        let version = model.version;
        let mut account = read_account(model)?;
        account.balance_cents += entry.amount_cents;
        let update = account::Entity::update_many()
            .col_expr(account::Column::BalanceCents, Expr::value(account.balance_cents))
            .col_expr(account::Column::Version, Expr::value(version + 1))
            .filter(account::Column::Id.eq(account.id))
            .filter(account::Column::Version.eq(version));
        saved(update.exec(&transaction).await?.rows_affected)?;
        entry::Entity::insert(write_entry(entry)).exec_without_returning(&transaction).await?;
        Ok(transaction.commit().await?)
    }

    async fn place(&self, order: Order, entries: Vec<Entry>) -> Result<()> {
        let Order { id, account_id, status, note, placed_at, lines } = order;
        let order = order::ActiveModel {
            id: Set(id),
            account_id: Set(account_id),
            status: Set(status.as_str().to_owned()),
            note: Set(note),
            version: Set(1),
            placed_at: Set(placed_at),
        };
        let line = |line: Line| line::ActiveModel {
            order_id: Set(id),
            number: Set(line.number),
            sku: Set(line.sku),
            quantity: Set(line.quantity),
            unit_cents: Set(line.unit_cents),
        };
        let transaction = self.database.begin().await?;
        order::Entity::insert(order).exec_without_returning(&transaction).await?;
        line::Entity::insert_many(lines.into_iter().map(line)).exec_without_returning(&transaction).await?;
        let entries = entries.into_iter().map(write_entry);
        entry::Entity::insert_many(entries).exec_without_returning(&transaction).await?;
        Ok(transaction.commit().await?)
    }

    async fn save_many(&self, ids: &[Uuid]) -> Result<()> {
        let transaction = self.database.begin().await?;
        let select = order::Entity::find().filter(order::Column::Id.is_in(ids.iter().copied()));
        let orders = select.all(&transaction).await?;
        let lines = line::Entity::find().order_by_asc(line::Column::Number);
        let lines = orders.load_many(lines, &transaction).await?;
        for (model, lines) in orders.into_iter().zip(lines) {
            let version = model.version;
            let mut order = read_order(model, lines)?;
            order.change();
            let update = order::Entity::update_many()
                .col_expr(order::Column::Status, Expr::value(order.status.as_str()))
                .col_expr(order::Column::Version, Expr::value(version + 1))
                .filter(order::Column::Id.eq(order.id))
                .filter(order::Column::Version.eq(version));
            saved(update.exec(&transaction).await?.rows_affected)?;
            let line = order.lines.first().ok_or("an order without lines")?;
            let update = line::Entity::update_many()
                .col_expr(line::Column::Quantity, Expr::value(line.quantity))
                .filter(line::Column::OrderId.eq(order.id))
                .filter(line::Column::Number.eq(line.number));
            saved(update.exec(&transaction).await?.rows_affected)?;
        }
        Ok(transaction.commit().await?)
    }

    async fn bulk_insert(&self, accounts: Vec<Account>) -> Result<()> {
        let transaction = self.database.begin().await?;
        let models = accounts.into_iter().map(write_account);
        account::Entity::insert_many(models).exec_without_returning(&transaction).await?;
        Ok(transaction.commit().await?)
    }

    async fn page(&self, behind: &Place) -> Result<Page> {
        let key = behind.key()?;
        let mut cursor = account::Entity::find().cursor_by((account::Column::OpenedAt, account::Column::Id));
        let models = cursor.after(key).first(PAGE as u64 + 1).all(&self.database).await?;
        Ok(Page::of(models.into_iter().map(read_account).collect::<Result<_>>()?))
    }

    async fn children(&self) -> Result<Vec<Order>> {
        let select = order::Entity::find().order_by_asc(order::Column::PlacedAt).order_by_asc(order::Column::Id);
        let orders = select.limit(PARENTS as u64).all(&self.database).await?;
        let lines = line::Entity::find().order_by_asc(line::Column::Number);
        let lines = orders.load_many(lines, &self.database).await?;
        orders.into_iter().zip(lines).map(|(order, lines)| read_order(order, lines)).collect()
    }
}

fn read_account(model: account::Model) -> Result<Account> {
    let account::Model { id, owner, email, status, balance_cents, version: _, opened_at } = model;
    let opened_at: DateTime<Utc> = opened_at;
    Ok(Account { id, owner, email, status: Status::parse(&status)?, balance_cents, opened_at })
}

fn write_account(account: Account) -> account::ActiveModel {
    account::ActiveModel {
        id: Set(account.id),
        owner: Set(account.owner),
        email: Set(account.email),
        status: Set(account.status.as_str().to_owned()),
        balance_cents: Set(account.balance_cents),
        version: Set(1),
        opened_at: Set(account.opened_at),
    }
}

fn write_entry(entry: Entry) -> entry::ActiveModel {
    entry::ActiveModel {
        id: Set(entry.id),
        account_id: Set(entry.account_id),
        amount_cents: Set(entry.amount_cents),
        reason: Set(entry.reason),
    }
}

fn read_order(model: order::Model, lines: Vec<line::Model>) -> Result<Order> {
    let order::Model { id, account_id, status, note, version: _, placed_at } = model;
    let line = |line: line::Model| {
        let line::Model { order_id: _, number, sku, quantity, unit_cents } = line;
        Line { number, sku, quantity, unit_cents }
    };
    let lines = lines.into_iter().map(line).collect();
    Ok(Order { id, account_id, status: Status::parse(&status)?, note, placed_at, lines })
}
