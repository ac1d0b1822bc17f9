//! Tests on a real server.

mod burst;
mod cancel;
mod copy;
mod errors;
mod fault;
mod lexer;
mod listen;
mod native;
mod outcome;
mod round_trips;
mod server;
mod sign_in;
mod statement_log;
mod stream;
mod support;
mod tls;
mod types;
