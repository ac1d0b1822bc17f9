//! Faults from outside: processes that are killed or stopped and lines that break at random moments. Afterwards the database
//! is compared with what callers were told of each unit of work.
//!
//! `cargo test` runs a few cases of one seed, `cargo xtask faults` as many as it is told, of other seeds.

#![expect(clippy::unwrap_used, reason = "what fails here fails its test")]

mod bytes;
mod extent;
mod ledger;
mod line;
mod process;
mod random;
mod shapes;
mod transcript;
mod vault;
#[path = "../support/wait.rs"]
mod wait;
