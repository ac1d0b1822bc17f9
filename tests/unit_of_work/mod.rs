//! The unit of work: what a session knows of the rows it touched, and what it writes of them.

mod attached;
mod batch;
mod cascade;
mod circle;
mod coalescing;
mod conflict;
mod family;
mod flush;
mod generated;
mod identity;
mod locked;
mod mutation;
mod origin;
mod save;
mod sharing;
mod upsert;
mod variants;
