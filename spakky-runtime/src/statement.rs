//! SQL text from descriptors, in the spelling of each backend.
//!
//! Everything here is pure: it makes [`Statement`](crate::backend::Statement)s and sends none.

mod aggregate;
mod array_literal;
mod bulk;
mod catalog;
mod condition;
mod delete;
mod draw;
mod equal;
mod guard;
mod insert;
mod kinship;
mod linked;
mod list;
pub(crate) mod operation;
mod select;
mod sql;
mod summary;
#[cfg(test)]
mod tests;
mod update;

pub(crate) use aggregate::Aggregate;
pub(crate) use bulk::{Marking, delete_all, delete_where, mark_where, update_where};
pub(crate) use catalog::{catalog_guard, is_catalog_guard, misfits};
pub(crate) use delete::delete;
pub(crate) use draw::draw;
pub(crate) use equal::equal_values;
pub(crate) use guard::{CONFLICT_TOKEN, RaiseStyle};
pub(crate) use insert::{Answering, Conflict, insert};
pub(crate) use kinship::Kinship;
pub(crate) use linked::Linked;
pub(crate) use select::{Lock, Select};
pub(crate) use sql::{SqlWriter, clock, quote_identifier};
pub(crate) use summary::summary;
pub(crate) use update::{Guarded, Rise, Touch, Within, update};
