//! Ways past the repository: plain SQL, diesel's query builder, the lent SQLite connection, streams.

mod dsl;
mod parcel;
mod sql;
mod sqlite;
mod stream;
