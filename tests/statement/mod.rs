//! The statements that arrive at the database.

mod batch;
mod conflict;
mod update;
mod value;
