//! Aggregates of several tables: rows with the rows of their relations.

mod kept;
mod load;
mod model;
mod query;
mod save;
mod scoped;
mod shape;
mod stream;
