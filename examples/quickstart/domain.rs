//! The business: orders and their rules. Nothing here knows of a database, but for the derives that say how a newtype and
//! an enum are written down.

use chrono::{DateTime, Utc};
use spakky::{ColumnValue, Revision};
use uuid::Uuid;

/// The number of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ColumnValue)]
pub(crate) struct OrderId(pub(crate) Uuid);

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ColumnValue)]
pub(crate) enum OrderStatus {
    /// May still change.
    Draft,
    /// Ordered, to be paid.
    Placed,
    /// Paid.
    Paid,
    /// Given up.
    Cancelled,
}

/// An order as a whole.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) id: OrderId,
    pub(crate) customer: Uuid,
    pub(crate) customer_name: String,
    pub(crate) status: OrderStatus,
    pub(crate) total_cents: i64,
    pub(crate) lines: Vec<OrderLine>,
    pub(crate) note: Option<String>,
    pub(crate) placed_at: DateTime<Utc>,
    pub(crate) revision: Revision,
}

/// One line of an order.
#[derive(Debug, Clone)]
pub(crate) struct OrderLine {
    pub(crate) position: i32,
    pub(crate) sku: String,
    pub(crate) title: String,
    pub(crate) quantity: i32,
    pub(crate) unit_cents: i64,
}

/// A rule of the business that was not kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OrderError {
    /// Only what is placed can be paid.
    #[error("order {0:?} cannot be paid: it is {1:?}")]
    NotPlaced(Uuid, OrderStatus),
    /// What is paid stays.
    #[error("order {0:?} cannot be cancelled: it is paid")]
    Paid(Uuid),
}

impl Order {
    pub(crate) fn id(&self) -> OrderId {
        self.id
    }

    pub(crate) fn status(&self) -> OrderStatus {
        self.status
    }

    pub(crate) fn total_cents(&self) -> i64 {
        self.total_cents
    }

    pub(crate) fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    pub(crate) fn set_note(&mut self, note: &str) {
        self.note = Some(note.to_owned());
    }

    pub(crate) fn pay(&mut self) -> Result<(), OrderError> {
        match self.status {
            OrderStatus::Placed => {
                self.status = OrderStatus::Paid;
                Ok(())
            }
            other => Err(OrderError::NotPlaced(self.id.0, other)),
        }
    }

    pub(crate) fn cancel(&mut self) -> Result<(), OrderError> {
        if self.status == OrderStatus::Paid {
            return Err(OrderError::Paid(self.id.0));
        }
        self.status = OrderStatus::Cancelled;
        Ok(())
    }
}
