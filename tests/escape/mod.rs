//! Ways past the repository: plain SQL, the lent SQLite connection, streams.

mod sql;
mod sqlite;
mod stream;
