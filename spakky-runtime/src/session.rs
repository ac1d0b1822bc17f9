//! Sessions: one unit of work on one connection, found by the code inside a scope without being passed along.

mod absorb;
mod ambient;
mod checked;
#[cfg(feature = "testing")]
mod enclosed;
mod execute;
mod finish;
mod given_up;
mod handle;
mod has_sessions;
mod manager;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod native;
mod nested;
mod plain;
mod registry;
mod runtime;
mod state;
mod stream;
mod transaction;
mod undone;

pub(crate) use ambient::{
    InScope, OutOfTime, enter as enter_scope, find as find_session, holds_connection, innermost as innermost_session,
};
pub(crate) use checked::CatalogGuard;
pub(crate) use execute::Call;
pub(crate) use finish::give_back;

pub use handle::Session;
pub(crate) use handle::{Queued, check_queued};
pub use has_sessions::HasSessions;
pub use manager::SessionManager;
#[cfg(feature = "postgres")]
pub use native::PostgresLoan;
pub(crate) use nested::ScopeGuard;
pub use plain::{BindValue, FromRecord, PlainSql};
pub use registry::SessionRegistry;
pub(crate) use runtime::{check_runtime, has_runtime, runtime_or};
pub use state::SessionStatistics;
pub(crate) use stream::SessionStream;
pub use transaction::Transaction;
pub(crate) use undone::UndoneVersions;
