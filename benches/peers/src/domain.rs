//! The domain that every contender loads and stores, and how it is seeded: the same for all.

use chrono::{DateTime, Duration, Utc};
use spakky::ColumnValue;
use uuid::Uuid;

/// How many accounts there are before a run.
pub(crate) const ACCOUNTS: usize = 10_000;
/// How many orders there are before a run.
pub(crate) const ORDERS: usize = 1_000;
/// How many lines each order has.
pub(crate) const LINES: usize = 5;
/// How many orders one unit of `save_many` changes.
pub(crate) const SAVED: usize = 20;
/// How many accounts one unit of `bulk_insert` stores.
pub(crate) const INSERTED: usize = 1_000;
/// How many accounts a page has.
pub(crate) const PAGE: usize = 50;
/// How many orders `children` lists.
pub(crate) const PARENTS: usize = 50;

/// Stored as its name in lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ColumnValue)]
pub(crate) enum Status {
    Open,
    Held,
    Closed,
}

impl Status {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Status::Open => "open",
            Status::Held => "held",
            Status::Closed => "closed",
        }
    }

    pub(crate) fn parse(text: &str) -> crate::Result<Self> {
        match text {
            "open" => Ok(Status::Open),
            "held" => Ok(Status::Held),
            "closed" => Ok(Status::Closed),
            other => Err(format!("unknown status `{other}`").into()),
        }
    }
}

/// One row of `accounts`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Account {
    pub(crate) id: Uuid,
    pub(crate) owner: String,
    pub(crate) email: Option<String>,
    pub(crate) status: Status,
    pub(crate) balance_cents: i64,
    pub(crate) opened_at: DateTime<Utc>,
}

/// One row of `orders` with its lines in order of their number.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Order {
    pub(crate) id: Uuid,
    pub(crate) account_id: Uuid,
    pub(crate) status: Status,
    pub(crate) note: Option<String>,
    pub(crate) placed_at: DateTime<Utc>,
    pub(crate) lines: Vec<Line>,
}

impl Order {
    /// What a unit of `save_many` does to each order: from open to held or back, and one piece more of its first line.
    pub(crate) fn change(&mut self) {
        self.status = if self.status == Status::Open { Status::Held } else { Status::Open };
        if let Some(line) = self.lines.first_mut() {
            line.quantity += 1;
        }
    }
}

/// One row of `order_lines`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Line {
    pub(crate) number: i32,
    pub(crate) sku: String,
    pub(crate) quantity: i32,
    pub(crate) unit_cents: i64,
}

/// One row of `ledger`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) id: Uuid,
    pub(crate) account_id: Uuid,
    pub(crate) amount_cents: i64,
    pub(crate) reason: String,
}

/// The moment of the first seeded row; the others follow, a second apart.
fn beginning() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + Duration::days(20_000)
}

/// Later than every seeded row: what a run stores, it stores from here on.
pub(crate) fn after_seed() -> DateTime<Utc> {
    beginning() + Duration::days(1_000)
}

/// The id of a seeded account or order; spread over the index as random ids are.
pub(crate) fn seeded_id(number: usize) -> Uuid {
    let mixed = (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    Uuid::from_u64_pair(mixed, mixed.rotate_left(29) ^ number as u64)
}

pub(crate) fn seeded_account(number: usize) -> Account {
    Account {
        id: seeded_id(number),
        owner: format!("Owner {number:05}"),
        email: (!number.is_multiple_of(3)).then(|| format!("owner{number}@example.com")),
        status: if number.is_multiple_of(7) { Status::Held } else { Status::Open },
        balance_cents: number as i64 * 100,
        opened_at: beginning() + Duration::seconds(number as i64 / 3),
    }
}

pub(crate) fn seeded_order(number: usize) -> Order {
    Order {
        id: seeded_id(number),
        account_id: seeded_id(number % ACCOUNTS),
        status: Status::Open,
        note: number.is_multiple_of(4).then(|| format!("Note on order {number}")),
        placed_at: beginning() + Duration::seconds(number as i64),
        lines: lines(number),
    }
}

fn lines(seed: usize) -> Vec<Line> {
    let line = |number: usize| Line {
        number: number as i32 + 1,
        sku: format!("SKU-{:05}", (seed * LINES + number) % 48_611),
        quantity: 1 + number as i32,
        unit_cents: 199 + seed as i64,
    };
    (0..LINES).map(line).collect()
}

/// Accounts that are not stored yet; `seed` keeps them apart.
pub(crate) fn new_accounts(count: usize, seed: usize) -> Vec<Account> {
    let account = |number| Account {
        id: Uuid::now_v7(),
        opened_at: after_seed() + Duration::microseconds((seed * count + number) as i64),
        ..seeded_account(number)
    };
    (0..count).map(account).collect()
}

/// An order that is not stored yet, and the two rows of the ledger that go with it.
pub(crate) fn new_order(seed: usize) -> (Order, Vec<Entry>) {
    let order = Order {
        id: Uuid::now_v7(),
        placed_at: after_seed() + Duration::microseconds(seed as i64),
        ..seeded_order(seed % ORDERS)
    };
    let entries = vec![entry(order.account_id, -500, "order"), entry(order.account_id, -25, "fee")];
    (order, entries)
}

/// A row of the ledger that is not stored yet.
pub(crate) fn entry(account_id: Uuid, amount_cents: i64, reason: &str) -> Entry {
    Entry { id: Uuid::now_v7(), account_id, amount_cents, reason: reason.to_owned() }
}
