//! The statements that arrive at the database.

mod batch;
mod conflict;
mod dropped;
mod limit;
mod length;
mod update;
mod value;
mod name;
