//! The unit of work: what a session knows of the rows it touched, and what it has to write.
//!
//! Queueing is synchronous and changes nothing outside the session. A flush turns the queue into as few statements as
//! possible, in an order that foreign keys and unique keys accept.

mod aggregate;
mod flush;
mod identity_map;
mod order;
mod pending;

pub(crate) use aggregate::{adopt, check, differs, is_unassigned, keep, key_of, stamp_children};
pub(crate) use flush::{FlushContext, FlushPlan, FlushStep, constraint_of, insertable, show_ids, show_key};
pub(crate) use identity_map::{ByRow, Entry, IdentityMap, RowKey, version_of};
pub(crate) use pending::{Change, PendingQueue, PendingWrite};
