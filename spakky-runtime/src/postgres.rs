//! What is particular to PostgreSQL.

pub use bytes::Bytes;

pub use crate::backend::postgres::{Heard, Listener, Notice, Notices, Notification, PgConnection};
