//! What became of a COMMIT whose answer never came.
//!
//! The server remembers how each recent transaction ended. To ask it on another connection is safe only if it is the
//! server that ran the transaction and has lost nothing since, so a connection notes on opening whom it speaks to:
//!
//! * the cluster's identifier: another one numbers its transactions on its own;
//! * the timeline: a standby that took over may have taken over without the transaction;
//! * when statistics were last reset, which recovery from a crash does too: a transaction that was not on disk when
//!   the server crashed may have its number given to a later one.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout, timeout_at};
use uuid::Uuid;

use super::PostgresConnection;
use crate::backend::{Answer, Bind, Statement, Step};
use crate::error::ErrorKind;
pub(crate) use crate::transaction::Outcome;
use crate::transaction::commit_token;
use crate::value::{ColumnType, ColumnValue, ScalarType, Value};

/// Which server, and which stretch of its life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerIdentity {
    pub(super) system_identifier: String,
    pub(super) timeline: String,
    pub(super) statistics_since: String,
}

/// The timeline is read from the name of the WAL file being written: the last checkpoint may be older than a promotion.
const IDENTIFY: &str = "\
SELECT s.system_identifier::text, \
       CASE WHEN NOT pg_is_in_recovery() THEN substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8) END, \
       b.stats_reset::text \
FROM pg_catalog.pg_control_system() s, pg_catalog.pg_stat_bgwriter b";

/// Asks which server it is, and which stretch of its life.
pub(super) fn identify() -> Step {
    Step::Statement(Statement {
        sql: IDENTIFY.into(),
        binds: Vec::new(),
        cached: false,
        guard: None,
        meaning: None,
        by_user: false,
    })
}

fn status(xid: &str) -> Step {
    let ty = ColumnType::scalar(ScalarType::Text);
    let binds = vec![Bind { ty, value: Value::Text(xid.to_owned()) }];
    Step::Statement(Statement {
        sql: "SELECT pg_xact_status($1::text::xid8)".into(),
        binds,
        cached: false,
        guard: None,
        meaning: None,
        by_user: false,
    })
}

fn text(answer: &mut Answer, column: usize) -> Option<String> {
    let value = answer.rows.first_mut()?.get_mut(column)?;
    String::from_value(std::mem::replace(value, Value::Null)).ok()
}

fn identity(answer: &mut Answer) -> Option<ServerIdentity> {
    Some(ServerIdentity {
        system_identifier: text(answer, 0)?,
        timeline: text(answer, 1)?,
        statistics_since: text(answer, 2)?,
    })
}

impl PostgresConnection {
    /// Keeps what the server told of itself when the connection was opened; nothing if it does not tell (a standby, a missing right).
    pub(super) fn keep_identity(&self, answer: Option<&mut Answer>) {
        let _ = self.server.set(answer.and_then(identity));
    }

    /// Asks which server this is, and keeps the answer.
    #[cfg(test)]
    pub(crate) async fn identify(&self) -> Option<ServerIdentity> {
        let mut answers = self.send(vec![identify()]).await.unwrap_or_default();
        self.keep_identity(answers.first_mut());
        self.server().cloned()
    }
}

/// Asks how the transaction `xid` ended, which `lost_on` ran, and waits for its end up to `deadline`.
///
/// # Cancellation
/// Nothing is left behind; asking again is safe.
pub(crate) async fn resolve(
    connection: &PostgresConnection,
    xid: &str,
    lost_on: &ServerIdentity,
    deadline: Duration,
) -> Outcome {
    let end = Instant::now() + deadline;
    let asked = timeout_at(end, async {
        let mut pause = Duration::from_millis(5);
        loop {
            match ask(connection, xid, lost_on).await {
                Some(outcome) => return outcome,
                None => sleep(pause).await,
            }
            pause = (pause * 2).min(Duration::from_millis(200));
        }
    });
    asked.await.unwrap_or(Outcome::Unknown)
}

/// Asks how the transaction that wrote `token` ended, which `lost_on` ran, and waits for its end up to `deadline`. If it has
/// not written it yet, it never will.
///
/// # Cancellation
/// A question that was sent may still be answered by the server; asking again is safe.
pub(crate) async fn resolve_token(
    connection: &PostgresConnection,
    token: Uuid,
    lost_on: &ServerIdentity,
    deadline: Duration,
) -> Outcome {
    let asked = async {
        loop {
            match ask_token(connection, token, lost_on).await {
                Some(outcome) => return outcome,
                None => sleep(Duration::from_millis(20)).await,
            }
        }
    };
    match timeout(deadline, asked).await {
        Ok(outcome) => outcome,
        Err(_) => {
            connection.stop().await;
            Outcome::Unknown
        }
    }
}

/// `None` if the database could not say for now.
async fn ask_token(connection: &PostgresConnection, token: Uuid, lost_on: &ServerIdentity) -> Option<Outcome> {
    let Ok(mut answers) = connection.send(vec![identify()]).await else { return Some(Outcome::Unknown) };
    // A token is drawn once: unlike an id it means the same after a crash.
    let same = |found: &ServerIdentity| {
        found.system_identifier == lost_on.system_identifier && found.timeline == lost_on.timeline
    };
    if !answers.first_mut().and_then(identity).as_ref().is_some_and(same) {
        return Some(Outcome::Unknown);
    }
    match connection.send(vec![Step::Statement(commit_token::ask(token))]).await {
        Ok(answers) => Some(match answers.first().and_then(|answer| answer.rows.first()).map(Vec::as_slice) {
            Some([Value::Bool(false)]) => Outcome::Committed,
            Some([Value::Bool(true)]) => Outcome::Aborted,
            _ => Outcome::Unknown,
        }),
        // It waited for the transaction longer than statements may here, or ended at the same moment.
        Err(failure) if !failure.lost && (failure.error.retryable || failure.error.kind == ErrorKind::Timeout) => None,
        Err(_) => Some(Outcome::Unknown),
    }
}

/// `None` while the transaction is in progress.
async fn ask(connection: &PostgresConnection, xid: &str, lost_on: &ServerIdentity) -> Option<Outcome> {
    // Identity and status in one trip, and in this order: a failover in between would break the connection.
    let Ok(mut answers) = connection.send(vec![identify(), status(xid)]).await else { return Some(Outcome::Unknown) };
    let [identified, status] = answers.as_mut_slice() else { return Some(Outcome::Unknown) };
    if identity(identified).as_ref() != Some(lost_on) {
        return Some(Outcome::Unknown);
    }
    match text(status, 0).as_deref() {
        Some("committed") => Some(Outcome::Committed),
        Some("aborted") => Some(Outcome::Aborted),
        Some("in progress") => None,
        // Too long ago.
        _ => Some(Outcome::Unknown),
    }
}
