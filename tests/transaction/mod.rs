//! Transactions: how they begin, end and nest.

mod chain;
mod closure;
mod foreign;
mod handle;
mod hook;
mod hook_context;
mod hook_scope;
mod nested_end;
mod nesting;
mod owed;
mod own_error;
mod rollback_only;
mod savepoint;
mod waiting;
mod writer;
