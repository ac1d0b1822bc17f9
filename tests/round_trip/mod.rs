//! What goes over the line to PostgreSQL, counted exactly.

mod read;
mod scope;
mod write;
