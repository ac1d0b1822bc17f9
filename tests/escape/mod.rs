//! Ways past the repository: plain SQL, diesel's query builder, the lent SQLite connection, streams.

mod control;
mod dsl;
mod left;
mod left_on_sqlite;
mod parcel;
mod sql;
mod sqlite;
mod stream;
