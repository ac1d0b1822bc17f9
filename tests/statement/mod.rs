//! The statements that arrive at the database.

mod batch;
mod chain;
mod conflict;
mod dropped;
mod length;
mod limit;
mod name;
mod trusted;
mod update;
mod value;
