//! The connection against real SQLite databases.

mod burst;
mod cancel;
mod guarded_file;
mod lend;
mod read;
mod support;
mod wire;
