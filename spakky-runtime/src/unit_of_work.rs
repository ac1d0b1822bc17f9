//! The unit of work: what a session knows of the rows it touched, and what it has to write.
//!
//! Queueing is synchronous and changes nothing outside the session. A flush turns the queue into as few statements as
//! possible, in an order that foreign keys and unique keys accept.

mod aggregate;
mod drawn;
mod flush;
mod identity_map;
mod order;
mod pending;
mod row_key;
mod segment;
mod siblings;
mod version;

pub(crate) use aggregate::{
    adopt, check, differs, draws_keys, keep, keep_unmapped, key_of, leave_out, mark_children, stamp_children,
};
pub(crate) use drawn::recognize;
pub(crate) use flush::{
    Drawing, DrawnIds, FlushContext, FlushPlan, FlushStep, Settled, constraint_of, insertable, is_drawn, show_ids,
    show_key, untold,
};
pub(crate) use identity_map::{Entry, IdentityMap, version_of};
pub(crate) use pending::{Change, PendingQueue, PendingWrite, Told};
pub(crate) use row_key::{ByRow, RowKey};
pub(crate) use segment::segments;
pub(crate) use version::raised;
