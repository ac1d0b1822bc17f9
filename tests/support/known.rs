//! Knowing a connection again, whatever is undone on it between its users.

use spakky::Backend;
use spakky::prelude::*;

/// The one connection of a pool.
pub(crate) struct Known {
    sessions: SessionManager,
    first: i64,
}

impl Known {
    /// The connection that the pool gives now.
    pub(crate) async fn of(sessions: &SessionManager) -> Self {
        if sessions.backend() != Backend::Postgres {
            // Each connection counts what was changed on it.
            sessions.sql("CREATE TABLE IF NOT EXISTS known (id int)").execute().await.unwrap();
            sessions.sql("INSERT INTO known VALUES (1)").execute().await.unwrap();
        }
        let known = Known { sessions: sessions.clone(), first: number(sessions).await };
        assert!(known.first > 0);
        known
    }

    /// Whether the pool still gives the same.
    pub(crate) async fn is_given(&self) -> bool {
        let now = number(&self.sessions).await;
        if self.sessions.backend() == Backend::Postgres { now == self.first } else { now >= self.first }
    }
}

async fn number(sessions: &SessionManager) -> i64 {
    let sql = match sessions.backend() {
        Backend::Postgres => "SELECT pg_backend_pid()::int8",
        _ => "SELECT total_changes()",
    };
    sessions.sql(sql).fetch_one::<(i64,)>().await.unwrap().0
}
