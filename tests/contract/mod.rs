//! What a repository promises, whatever is behind it: one suite, run in memory, on SQLite and on PostgreSQL.
//!
//! Nothing here sends SQL. Where the databases cannot be the same, [`Kind`] says so in the test.

mod aggregate;
mod behind;
mod below;
mod buried;
mod conflict;
mod constraint;
mod drawn;
mod fallback;
mod in_order;
mod in_turn;
mod left_out;
mod limits;
mod matrix;
mod native_enum;
mod page;
mod query;
mod random;
mod restored;
mod save;
mod scope;
mod stamped;
mod undone;
mod upsert_by;
mod value;
mod view;
mod write_where;

use std::time::Duration;

use chrono::{DateTime, Utc};
use spakky::config::DatabaseConfig;
use spakky::prelude::*;
use spakky::testing::TestDatabase;
use spakky::{Error, Propagation};

/// What is behind the repositories.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    InMemory,
    Sqlite,
    Postgres,
}

/// An empty database with the tables of this suite.
#[derive(Clone)]
pub(crate) struct Store {
    kind: Kind,
    sessions: SessionManager,
}

/// Runs one test on a database of its own.
pub(crate) fn run<F: Future<Output = ()>>(kind: Kind, test: impl FnOnce(Store) -> F) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let home = runtime.block_on(async {
        let home = match kind {
            Kind::InMemory => None,
            Kind::Sqlite => Some(TestDatabase::sqlite().unwrap()),
            Kind::Postgres => Some(TestDatabase::postgres().await.unwrap()),
        };
        let url = home.as_ref().map_or("memory:", TestDatabase::url);
        let patience = Duration::from_secs(120);
        let config = DatabaseConfig::new(url).pool_size(4).pool_timeout(patience).lock_timeout(patience);
        let sessions = SessionManager::from_config(config).await.unwrap();
        sessions.create_tables(&tables()).await.unwrap();
        let test = test(Store { kind, sessions: sessions.clone() });
        tokio::time::timeout(Duration::from_secs(180), test).await.unwrap_or_else(|_| panic!("the test hangs"));
        let at_rest = async || sessions.status().in_use == 0;
        crate::support::eventually("the pool is full again", Duration::from_secs(60), at_rest).await;
        home
    });
    runtime.shutdown_timeout(Duration::from_secs(60));
    drop(home);
}

/// Makes a test in each database of async functions that take a [`Store`].
macro_rules! on_each_store {
    ($($name:ident),+ $(,)?) => {
        mod in_memory {
            $(#[test]
            fn $name() {
                $crate::contract::run($crate::contract::Kind::InMemory, super::$name);
            })+
        }

        mod sqlite {
            $(#[test]
            fn $name() {
                $crate::contract::run($crate::contract::Kind::Sqlite, super::$name);
            })+
        }

        mod postgres {
            $(#[test]
            fn $name() {
                $crate::contract::run($crate::contract::Kind::Postgres, super::$name);
            })+
        }
    };
}

use on_each_store;

/// Why a body fails, or what the database says.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("enough")]
    Enough,
    #[error(transparent)]
    Database(#[from] Error),
}

const WORK: TransactionOptions = TransactionOptions::new().name("work");

#[derive(Debug, Clone, Copy, PartialEq, Eq, ColumnValue)]
pub(crate) enum Status {
    Draft,
    Paid,
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "buyers")]
#[mappable(domain = Self)]
pub(crate) struct Buyer {
    #[table(id)]
    id: i64,
    #[table(unique)]
    name: String,
    #[table(references(Buyer))]
    invited_by_id: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(
    name = "purchases",
    unique(buyer_id, code),
    filterable(id, status, total, note, buyer.name),
    sortable(id, total, note, rank)
)]
#[mappable(domain = Self)]
pub(crate) struct Purchase {
    #[table(id)]
    id: i64,
    #[table(references(Buyer))]
    buyer_id: i64,
    #[table(length = 8)]
    code: String,
    status: Status,
    total: i64,
    note: Option<String>,
    rank: Option<i32>,
    weight: f64,
    gift: bool,
    placed_at: DateTime<Utc>,
    #[table(version)]
    version: i64,
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "tickets")]
#[mappable(domain = Ticket)]
pub(crate) struct TicketRow {
    #[table(id, generated)]
    id: i64,
    title: String,
    #[table(default = "'new'")]
    #[mappable(row_only)]
    state: String,
    #[table(default = "7")]
    #[mappable(row_only)]
    rank: i32,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ticket {
    id: i64,
    title: String,
}

fn tables() -> SchemaRegistry {
    let all = schema![Buyer, Purchase, TicketRow, aggregate::OrderRow, aggregate::LineRow, aggregate::InvoiceRow];
    let drawn = schema![aggregate::Crate, aggregate::Parcel, aggregate::Label];
    let stamped = [stamped::DocumentRow::descriptor()];
    let all = all.tables().unwrap().iter().chain(drawn.tables().unwrap()).copied();
    SchemaRegistry::of(all.chain(stamped))
}

fn buyer(id: i64, name: &str) -> Buyer {
    Buyer { id, name: name.to_owned(), invited_by_id: None }
}

/// Bought by 1, 2 or 3 in turn.
fn purchase(id: i64) -> Purchase {
    Purchase {
        id,
        buyer_id: (id - 1).rem_euclid(3) + 1,
        code: format!("c{id}"),
        status: if id % 2 == 0 { Status::Paid } else { Status::Draft },
        total: id * 10,
        note: (id % 2 == 0).then(|| format!("Note {id}")),
        rank: (id % 4 != 0).then_some((id % 4) as i32),
        weight: id as f64 / 4.0,
        gift: id % 3 == 0,
        placed_at: DateTime::from_timestamp(1_700_000_000 + id, 0).unwrap(),
        version: 0,
    }
}

fn ids(purchases: &[Purchase]) -> Vec<i64> {
    purchases.iter().map(|purchase| purchase.id).collect()
}

impl Store {
    fn of<Row: Table>(&self) -> Repository<Row> {
        self.sessions.repository()
    }

    /// Three buyers, and the purchases of these ids.
    async fn fill(&self, ids: impl IntoIterator<Item = i64>) -> Repository<Purchase> {
        let (buyers, purchases) = (self.of::<Buyer>(), self.of::<Purchase>());
        let mut people = [buyer(1, "Ann"), buyer(2, "Bob"), buyer(3, "Cid")];
        people[1].invited_by_id = Some(1);
        let mut bought: Vec<Purchase> = ids.into_iter().map(purchase).collect();
        self.work(async |_| {
            buyers.add_all(&mut people)?;
            purchases.add_all(&mut bought)
        })
        .await
        .unwrap();
        purchases
    }

    async fn work<T>(&self, body: impl AsyncFnOnce(Session) -> Result<T, Error>) -> Result<T, Error> {
        self.sessions.transaction(WORK, body).await
    }

    /// Does something as somebody else, also inside a scope.
    async fn elsewhere<T>(&self, body: impl AsyncFnOnce(Session) -> Result<T, Error>) -> Result<T, Error> {
        self.sessions.transaction(WORK.propagation(Propagation::RequiresNew), body).await
    }

    /// Does something, and fails in the end.
    async fn undone(&self, options: TransactionOptions, body: impl AsyncFnOnce(Session) -> Result<(), Error>) {
        let answer = self.sessions.transaction(options, async |session| {
            body(session).await?;
            Err::<(), _>(Failure::Enough)
        });
        assert!(matches!(answer.await, Err(Failure::Enough)));
    }

    /// Everything that is stored of the purchases.
    async fn stored(&self) -> Vec<Purchase> {
        self.of::<Purchase>().query().order_by(Purchase::COLUMNS.id.asc()).all().await.unwrap()
    }
}
