//! The connection against real SQLite databases.

mod burst;
mod cancel;
mod guarded_file;
mod lend;
mod lexer;
mod read;
mod support;
mod wire;
