//! Persistence for Rust services: derives, transactions and repositories over diesel and diesel-async, on PostgreSQL and
//! on embedded SQLite.
//!
//! Business rules stay in plain domain types. Attributes on a row struct say how they are stored; the rest is generated:
//!
//! * [`derive(Table)`](macro@Table) describes the table, [`derive(Mappable)`](macro@Mappable) maps it to the domain type,
//!   [`derive(ColumnValue)`](macro@ColumnValue) stores newtypes and unit enums.
//! * A [`Repository`] loads and saves aggregates; writes are queued and travel with COMMIT.
//! * A [`SessionManager`] runs units of work; its URL picks the backend.
//! * [`#[transactional]`](macro@transactional) makes a unit of work of a method, joined by everything called inside.
//!
//! No backend is on by default: turn on the feature `sqlite`, `postgres`, or both.
//!
//! ```no_run
//! use spakky::prelude::*;
//!
//! #[derive(Debug, Clone, Table, Mappable)]
//! #[table(name = "accounts")]
//! #[mappable(domain = Self)]
//! pub struct Account {
//!     #[table(id)]
//!     id: i64,
//!     owner: String,
//!     balance: i64,
//!     #[table(version)]
//!     version: i64,
//! }
//!
//! # async fn example() -> Result<(), spakky::Error> {
//! let sessions = SessionManager::connect("sqlite://accounts.db").await?;
//! sessions.create_tables(&schema![Account]).await?;
//! let accounts = sessions.repository::<Account>();
//! sessions
//!     .transaction(TransactionOptions::new().name("pay in"), async |_session| {
//!         let mut account = accounts.get(7).await?;
//!         account.balance += 100;
//!         accounts.save(&mut account)
//!     })
//!     .await?;
//! # Ok(())
//! # }
//! ```

pub mod prelude;

pub use spakky_derive::{ColumnValue, HasSessions, Mappable, Projection, Table, transactional};
pub use spakky_runtime::{
    Backend, Batch, ColumnValue, CursorPage, CursorRequest, DatabaseConfig, Error, ErrorKind, Filter, FilterOperator,
    HasSessions, Isolation, Json, Loaded, LockWait, Mappable, MappingError, MutationEvent, MutationKind, Page,
    PageRequest, PoolStatus, Profile, Projection, ProjectionQuery, Propagation, Query, QueryBuilder, QueryLimits,
    QueryRules, Repository, RequestContext, RetryOn, RetryPolicy, Revision, SchemaRegistry, Session, SessionManager,
    SessionRegistry, Sort, Table, Tagged, Total, TotalMode, Transaction, TransactionOptions, Versioned, config,
    context, error, http, mappable, mutation, page, projection, query, repository, request, schema, session,
    transaction, value,
};

#[cfg(all(feature = "migrations", any(feature = "postgres", feature = "sqlite")))]
pub use spakky_runtime::migrations;

#[cfg(feature = "postgres")]
pub use spakky_runtime::postgres;

#[cfg(feature = "testing")]
pub use spakky_derive::test;
#[cfg(feature = "testing")]
pub use spakky_runtime::testing;

#[doc(hidden)]
pub use spakky_runtime::private as __private;

#[cfg(all(doctest, feature = "sqlite"))]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;

#[cfg(all(doctest, feature = "sqlite"))]
#[doc = include_str!("../docs/guide/configuration.md")]
struct ConfigurationDoctests;

#[cfg(all(doctest, feature = "sqlite"))]
#[doc = include_str!("../docs/guide/tenancy.md")]
struct TenancyDoctests;

#[cfg(all(doctest, feature = "sqlite"))]
#[doc = include_str!("../docs/guide/queries.md")]
struct QueriesDoctests;

#[cfg(all(doctest, feature = "sqlite", feature = "migrations"))]
#[doc = include_str!("../docs/guide/migrations.md")]
struct MigrationsGuideDoctests;

#[cfg(all(doctest, feature = "sqlite"))]
#[doc = include_str!("../docs/guide/projections.md")]
struct ProjectionsDoctests;

#[cfg(all(doctest, feature = "sqlite"))]
#[doc = include_str!("../docs/guide/mapping.md")]
struct MappingDoctests;

#[cfg(all(doctest, feature = "sqlite"))]
#[doc = include_str!("../docs/guide/repositories.md")]
struct RepositoriesDoctests;

#[cfg(all(doctest, feature = "sqlite"))]
#[doc = include_str!("../docs/guide/transactions.md")]
struct TransactionsDoctests;

#[cfg(all(doctest, feature = "sqlite", feature = "postgres", feature = "testing"))]
#[doc = include_str!("../docs/guide/testing.md")]
struct TestingDoctests;

#[cfg(all(doctest, feature = "postgres", feature = "migrations", feature = "testing"))]
#[doc = include_str!("../docs/guide/existing.md")]
struct ExistingTableDoctests;

#[cfg(all(doctest, feature = "sqlite"))]
#[doc = include_str!("../docs/guide/http.md")]
struct HttpDoctests;

#[cfg(all(doctest, feature = "testing"))]
#[doc = include_str!("../docs/guide/in_memory.md")]
struct InMemoryDoctests;
