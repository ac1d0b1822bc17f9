//! Transactions: how they begin, end and nest.

mod closure;
mod handle;
mod hook;
mod nesting;
mod rollback_only;
mod savepoint;
mod writer;
