//! What is particular to PostgreSQL.

pub use crate::backend::postgres::PgConnection;
