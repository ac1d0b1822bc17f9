//! The row by which the end of a transaction is known though no answer of it ever came (PostgreSQL).
//!
//! Its key is drawn by us and it is written ahead of COMMIT, in the same burst: it is there if and only if the transaction was
//! committed. Who asks writes a row of the same key that says the opposite. The database makes that wait for the transaction
//! if it is in progress, and then keeps the first of the two: ours if the transaction has not written its own, which it never
//! can then, be its burst still on the way or its connection kept alive by a pooler. So what was once found stays true, and
//! nobody has to know which connection of the server ran the transaction.

use std::time::Duration;

use uuid::Uuid;
use uuid::timestamp::{Timestamp, context::NoContext};

use crate::backend::{Bind, Statement};
use crate::error::{DatabaseError, Error, ErrorKind};
use crate::value::{ColumnType, ScalarType, Value};

/// The table, unqualified: it is found like the tables without a schema.
pub(crate) const TABLE: &str = "spakky_commit_token";
/// Makes it where it is not there yet.
pub(crate) const CREATE: &str =
    "CREATE TABLE IF NOT EXISTS spakky_commit_token (token uuid PRIMARY KEY, aborted boolean NOT NULL DEFAULT false)";
/// How long a row is kept: much longer than anybody asks for it, by clocks that differ.
const KEPT: Duration = Duration::from_secs(3_600);
/// After how many tokens a manager removes rows that are older.
pub(crate) const SWEPT_EVERY: u64 = 100;

/// Writes the row of a transaction and answers with the transaction's id. Fails in a transaction that has failed before.
pub(crate) fn write(token: Uuid) -> Statement {
    statement("INSERT INTO spakky_commit_token (token) VALUES ($1) RETURNING pg_current_xact_id()::text", token)
}

/// Answers whether the transaction of this token was aborted, once that is certain.
#[cfg(feature = "postgres")]
pub(crate) fn ask(token: Uuid) -> Statement {
    statement(
        "INSERT INTO spakky_commit_token (token, aborted) VALUES ($1, true) \
         ON CONFLICT (token) DO UPDATE SET aborted = spakky_commit_token.aborted RETURNING aborted",
        token,
    )
}

/// Removes rows that nobody will ask for any more: twice as many as were written since it was last sent.
pub(crate) fn sweep() -> Statement {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let before = Uuid::new_v7(Timestamp::from_unix(NoContext, now.saturating_sub(KEPT).as_secs(), 0));
    statement(
        "DELETE FROM spakky_commit_token WHERE token IN \
         (SELECT token FROM spakky_commit_token WHERE token < $1 ORDER BY token LIMIT 200)",
        before,
    )
}

fn statement(sql: &str, token: Uuid) -> Statement {
    let binds = vec![Bind { ty: ColumnType::scalar(ScalarType::Uuid), value: Value::Uuid(token) }];
    Statement { sql: sql.into(), binds, cached: true, guard: None, meaning: None, by_user: false }
}

/// Why the row could not be written.
pub(crate) fn explain(error: DatabaseError) -> Error {
    if error.code() != "42P01" {
        return Error::from_database(error);
    }
    let message = format!(
        "write the commit token: there is no table `{TABLE}`; run `create_tables` or `create_commit_token_table` with \
         `commit_token` on, or turn `commit_token` off"
    );
    Error::new(ErrorKind::Schema, message).with_source(error)
}
