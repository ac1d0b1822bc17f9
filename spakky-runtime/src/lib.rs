//! The runtime of the spakky persistence framework: backends, sessions, unit of work, repositories.
//!
//! Use it through the `spakky` crate, which re-exports what is public here.

#![cfg_attr(
    not(all(feature = "postgres", feature = "sqlite")),
    allow(dead_code, unused_variables, unreachable_code, reason = "what only a backend that is off would use")
)]

pub(crate) mod backend;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) mod bridge;
pub mod config;
pub(crate) mod connect;
pub mod context;
pub mod error;
#[cfg(test)]
mod fixture;
pub(crate) mod hash;
pub mod http;
mod instrument;
pub mod mappable;
#[cfg(all(feature = "migrations", any(feature = "postgres", feature = "sqlite")))]
pub mod migrations;
mod mutant;
pub mod mutation;
pub mod page;
pub(crate) mod pool;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod projection;
pub mod query;
mod quote;
pub mod repository;
pub mod request;
pub mod schema;
pub(crate) mod scope;
pub mod session;
pub(crate) mod sql;
pub(crate) mod statement;
pub(crate) mod suggest;
#[cfg(feature = "testing")]
pub mod testing;
pub mod transaction;
pub(crate) mod unit_of_work;
pub mod value;

#[doc(hidden)]
pub mod private;

pub use backend::Backend;
pub use config::DatabaseConfig;
pub use context::RequestContext;
pub use error::{Error, ErrorKind};
pub use mappable::{Mappable, MappingError, Revision};
pub use mutation::{MutationEvent, MutationKind};
pub use page::{CursorPage, CursorRequest, Page, PageRequest, Total, TotalMode};
pub use pool::PoolStatus;
pub use projection::{Batch, Loaded, Profile, Projection, ProjectionQuery};
pub use repository::{LockWait, QueryBuilder, Repository, Versioned};
pub use request::{Filter, FilterOperator, Query, QueryLimits, QueryRules, Sort};
pub use schema::{SchemaRegistry, Table, Tagged};
pub use session::{HasSessions, Session, SessionManager, SessionRegistry, Transaction};
pub use transaction::{Isolation, Propagation, RetryOn, RetryPolicy, TransactionOptions};
pub use value::{ColumnValue, Json};
