//! Futures that are dropped: at every await, in living scopes, outside of any runtime.

mod call;
mod early;
mod every_await;
mod in_memory;
mod long_read;
mod nested;
mod outside;
mod runtime;
