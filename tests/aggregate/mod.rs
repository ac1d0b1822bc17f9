//! Aggregates of several tables: rows with the rows of their relations.

mod load;
mod model;
mod save;
mod shape;
