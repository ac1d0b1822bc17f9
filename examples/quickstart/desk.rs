//! The use cases. Each `#[transactional]` method is one unit of work.

use chrono::{DateTime, NaiveDate, Utc};
use spakky::prelude::*;

use crate::domain::{Order, OrderError, OrderId, OrderStatus};
use crate::import::Draft;
use crate::row::{OrderRow, OrderView};

/// The order desk.
#[derive(Clone, HasSessions)]
pub(crate) struct Desk {
    sessions: SessionManager,
    orders: Repository<OrderRow>,
}

/// What can go wrong at the desk.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeskError {
    #[error(transparent)]
    Order(#[from] OrderError),
    #[error("failed to {0}")]
    Storage(#[from] spakky::Error),
    #[error("read the orders: {0}")]
    Read(#[from] std::io::Error),
    #[error("no order was imported")]
    Empty,
}

/// One row of the summary.
pub(crate) struct Summary {
    pub(crate) status: OrderStatus,
    pub(crate) orders: i64,
    pub(crate) lines: i64,
    pub(crate) total_cents: i64,
}

impl Desk {
    pub(crate) fn new(sessions: &SessionManager) -> Self {
        Desk { sessions: sessions.clone(), orders: sessions.repository() }
    }

    /// Takes in a batch of orders and answers why some were not: two round trips, however many orders and lines.
    #[transactional(name = "import")]
    pub(crate) async fn import(&self, drafts: Vec<Draft>) -> Result<Vec<(usize, String)>, DeskError> {
        let mut rejected = Vec::new();
        let known = self.orders.find_many(drafts.iter().map(|draft| draft.order.id)).await?;
        for (mut draft, known) in drafts.into_iter().zip(known) {
            if known.is_some() {
                rejected.push((draft.number, "an order with this id has been imported before".to_owned()));
                continue;
            }
            match self.orders.add(&mut draft.order) {
                Ok(()) => {}
                Err(error) if error.is_unique_violation() => {
                    rejected.push((draft.number, "an order with this id stands on an earlier line".to_owned()));
                }
                Err(error) if error.is_mapping() => rejected.push((draft.number, error.to_string())),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(rejected)
    }

    /// Pays one order: loaded with its lines and saved in two round trips.
    #[transactional(name = "pay")]
    pub(crate) async fn pay(&self, id: OrderId) -> Result<(), DeskError> {
        let mut order = self.orders.get(id).await?;
        order.pay()?;
        self.orders.save(&mut order)?;
        Ok(())
    }

    /// Cancels the placed orders of a time that are below an amount.
    #[transactional(name = "cancel small orders")]
    pub(crate) async fn cancel_small(&self, from: &str, to: &str, below_cents: i64) -> Result<usize, DeskError> {
        let mut orders = self.placed_between(from, to).await?;
        orders.retain(|order| order.total_cents() < below_cents);
        for order in &mut orders {
            order.cancel()?;
        }
        self.orders.save_all(&mut orders)?;
        Ok(orders.len())
    }

    /// Pays several orders, all or none: `pay` takes part in this unit of work.
    #[transactional(name = "settle")]
    pub(crate) async fn settle(&self, ids: &[OrderId]) -> Result<(), DeskError> {
        for id in ids {
            self.pay(*id).await?;
        }
        Ok(())
    }

    /// An order with the version that a later save must find.
    pub(crate) async fn open(&self, id: OrderId) -> Result<(Order, i64), DeskError> {
        let order = self.orders.get_versioned(id).await?;
        Ok((order.value, order.version))
    }

    /// Saves an order that was opened before, if nobody else has saved it since.
    #[transactional(name = "save")]
    pub(crate) async fn save(&self, order: &mut Order, version: i64) -> Result<(), DeskError> {
        self.orders.save_if(order, version)?;
        Ok(())
    }

    pub(crate) async fn load(&self, ids: &[OrderId]) -> Result<Vec<Order>, DeskError> {
        Ok(self.orders.get_many(ids.iter().copied()).await?)
    }

    /// Placed orders from a day on, up to but without another.
    pub(crate) async fn placed_between(&self, from: &str, to: &str) -> Result<Vec<Order>, DeskError> {
        let o = OrderRow::COLUMNS;
        let placed = o.status.eq(OrderStatus::Placed).and(o.placed_at.ge(day(from))).and(o.placed_at.lt(day(to)));
        Ok(self.orders.filter(placed).order_by(o.placed_at.asc()).order_by(o.id.asc()).all().await?)
    }

    /// The first orders of a status.
    pub(crate) async fn some(&self, status: OrderStatus, count: u64) -> Result<Vec<Order>, DeskError> {
        let o = OrderRow::COLUMNS;
        Ok(self.orders.filter(o.status.eq(status)).order_by(o.id.asc()).limit(count).all().await?)
    }

    /// A page of the paid orders from an amount on, the largest first. It costs the same wherever it lies.
    pub(crate) async fn largest(&self, from_cents: i64, at: CursorRequest) -> Result<CursorPage<Order>, DeskError> {
        let o = OrderRow::COLUMNS;
        let large = o.status.eq(OrderStatus::Paid).and(o.total_cents.ge(from_cents));
        Ok(self.orders.filter(large).order_by(o.total_cents.desc()).cursor_page(at).await?)
    }

    /// The largest orders of a status, as a list shows them.
    pub(crate) async fn list(&self, status: OrderStatus, count: u64) -> Result<Vec<OrderView>, DeskError> {
        let o = OrderRow::COLUMNS;
        let orders = self.orders.project::<OrderView>().filter(o.status.eq(status));
        Ok(orders.order_by(o.total_cents.desc()).order_by(o.id.asc()).limit(count).all().await?)
    }

    /// Counts and totals by status, in plain SQL.
    pub(crate) async fn summary(&self) -> Result<Vec<Summary>, DeskError> {
        let rows: Vec<(OrderStatus, i64, i64, i64)> = self
            .sessions
            .sql(
                "SELECT o.status, count(*), CAST(sum(l.lines) AS bigint), CAST(sum(o.total_cents) AS bigint) \
                 FROM orders AS o \
                 JOIN (SELECT order_id, count(*) AS lines FROM order_lines GROUP BY order_id) AS l ON l.order_id = o.id \
                 GROUP BY o.status ORDER BY o.status",
            )
            .fetch_all()
            .await?;
        let summary =
            rows.into_iter().map(|(status, orders, lines, total_cents)| Summary { status, orders, lines, total_cents });
        Ok(summary.collect())
    }
}

/// The start of a day, UTC.
fn day(text: &str) -> DateTime<Utc> {
    text.parse::<NaiveDate>().unwrap_or_default().and_time(chrono::NaiveTime::MIN).and_utc()
}
