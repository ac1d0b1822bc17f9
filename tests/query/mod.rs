//! Queries: requests from outside, pages, sums, and writes by condition.

mod aggregate;
mod bulk;
mod cost;
mod cursor;
mod page;
mod refused;
mod relation;
mod request;
mod walk;

use chrono::{DateTime, Utc};
use spakky::prelude::*;

use crate::support::Database;

#[derive(Debug, Clone, Copy, PartialEq, ColumnValue)]
pub(crate) enum Status {
    Draft,
    Paid,
    Cancelled,
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "buyers", filterable(name, invited_by.name))]
#[mappable(domain = Self)]
pub(crate) struct Buyer {
    #[table(id)]
    id: i64,
    name: String,
    #[table(references(Buyer))]
    invited_by_id: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(
    name = "purchases",
    index(total, id),
    filterable(id, status, total, note, weight, gift, placed_at, buyer_id, buyer.name),
    sortable(id, status, total, note, rank, placed_at)
)]
#[mappable(domain = Self)]
pub(crate) struct Purchase {
    #[table(id)]
    id: i64,
    #[table(references(Buyer))]
    buyer_id: i64,
    status: Status,
    total: i64,
    note: Option<String>,
    rank: Option<i32>,
    weight: f64,
    gift: bool,
    placed_at: DateTime<Utc>,
    secret: String,
}

/// Bought by 1, 2 or 3 in turn.
fn purchase(id: i64) -> Purchase {
    Purchase {
        id,
        buyer_id: (id - 1).rem_euclid(3) + 1,
        status: [Status::Draft, Status::Paid, Status::Cancelled][(id % 3).unsigned_abs() as usize],
        total: id * 10,
        note: (id % 2 == 0).then(|| format!("note {id}")),
        rank: (id % 4 != 0).then_some((id % 4) as i32),
        weight: id as f64 / 4.0,
        gift: id % 2 == 0,
        placed_at: DateTime::from_timestamp(1_700_000_000 + id, 0).unwrap(),
        secret: "hidden".to_owned(),
    }
}

async fn prepare(db: &Database, purchases: impl IntoIterator<Item = Purchase>) -> Repository<Purchase> {
    db.sessions.create_tables(&schema![Buyer, Purchase]).await.unwrap();
    let buyers = db.sessions.repository::<Buyer>();
    let repository = db.sessions.repository::<Purchase>();
    let mut people: Vec<Buyer> = [(1, "Ann", None), (2, "Bob", Some(1)), (3, "Cid", Some(2))]
        .map(|(id, name, invited_by_id)| Buyer { id, name: name.to_owned(), invited_by_id })
        .into();
    let mut purchases: Vec<Purchase> = purchases.into_iter().collect();
    let filled = db.sessions.transaction(TransactionOptions::new(), async |_| {
        buyers.add_all(&mut people)?;
        repository.add_all(&mut purchases)
    });
    filled.await.unwrap();
    db.sent();
    repository
}

fn ids(purchases: &[Purchase]) -> Vec<i64> {
    purchases.iter().map(|purchase| purchase.id).collect()
}

fn query(text: &str) -> Query {
    Query::from_query_string(text).unwrap()
}
