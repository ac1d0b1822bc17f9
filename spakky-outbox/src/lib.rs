//! The transactional outbox of the spakky persistence framework.
//!
//! The crate holds its name and its place in the workspace; it has no items yet.
