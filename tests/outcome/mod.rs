//! Lines that break and servers that go away, and what the caller is told.

mod begin;
mod commit;
mod server;
mod token;
