//! Lines that break and servers that go away, and what the caller is told.

mod commit;
mod server;
mod token;
