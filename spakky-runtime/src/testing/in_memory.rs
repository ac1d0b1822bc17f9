//! Sessions whose database is in memory, for unit tests.

use crate::error::Error;
use crate::schema::SchemaRegistry;
use crate::session::SessionManager;

/// Sessions on an empty database in memory that holds these tables: for unit tests of services, with the same
/// repositories, transactions and hooks, but no server, no file and no SQL. It ends with the manager.
///
/// Constraints that descriptors name are checked: keys, unique keys, foreign keys, required columns, lengths. Checks and
/// partial indexes given as SQL text are not. Transactions are as on SQLite: one writes at a time, the others wait up to
/// `lock_timeout`. What SQLite cannot do is refused with the same words, such as sorting by a decimal; and so is SQL
/// itself, with migrations and lent connections. [`backend`](SessionManager::backend) answers `Sqlite`.
///
/// The same as a manager for the URL `memory:`, with settings of one's own, and
/// [`create_tables`](SessionManager::create_tables).
///
/// ```
/// # async fn example(tables: spakky_runtime::schema::SchemaRegistry) -> Result<(), spakky_runtime::Error> {
/// let sessions = spakky_runtime::testing::in_memory(&tables).await?;
/// # Ok(()) }
/// ```
///
/// # Errors
/// [`is_schema`](Error::is_schema) when the tables do not fit together, or one has a default that is neither a number, a
/// quoted text, `true`, `false`, `NULL`, `now()` nor `CURRENT_TIMESTAMP`.
pub async fn in_memory(tables: &SchemaRegistry) -> Result<SessionManager, Error> {
    let sessions = SessionManager::connect("memory:").await?;
    sessions.create_tables(tables).await?;
    Ok(sessions)
}
