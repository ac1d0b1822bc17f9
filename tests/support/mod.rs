//! What the tests share: a database for each, a small bank to keep in it, and ways to break things on purpose.

mod bank;
mod cancel;
mod database;
mod known;
mod line;
mod log;
mod wait;

pub(crate) use bank::*;
pub(crate) use cancel::{Cancelled, cancel_after};
pub(crate) use database::{
    Database, Place, listen_everywhere, on_each_backend, on_pgbouncer, on_postgres, on_sqlite, run,
};
pub(crate) use known::Known;
pub(crate) use line::Line;
pub(crate) use wait::eventually;
