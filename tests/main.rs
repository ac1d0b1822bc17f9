//! Spakky through its public API, on every backend.
//!
//! One binary: it links once. A test is an async function of a [`support::Database`]; `on_each_backend!` at the head of
//! each module runs it on SQLite and on PostgreSQL.

#![expect(clippy::unwrap_used, reason = "what fails here fails its test")]

mod aggregate;
mod cancellation;
mod catalog;
mod contract;
mod escape;
mod generated;
mod http;
mod lent;
mod listen;
mod migration;
mod model;
mod observability;
mod outcome;
mod pool;
mod projection;
mod query;
mod rollback;
mod round_trip;
mod scoping;
mod setting;
mod statement;
mod support;
mod testing;
mod transaction;
mod transactional;
mod type_map;
mod unit_of_work;
mod weak_points;
