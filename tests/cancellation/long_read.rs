//! A read that would take for ever, given up with its scope.

use std::time::Duration;

use spakky::Error;
use spakky::prelude::*;

use crate::support::{Database, Known, account, eventually, on_each_backend};

/// After this long it would be said that it hangs.
const HANGS: Duration = Duration::from_secs(60);

on_each_backend![a_connection_is_used_again_after_a_long_read_was_dropped_with_its_scope];

async fn a_connection_is_used_again_after_a_long_read_was_dropped_with_its_scope(db: Database) {
    let sessions = db.connect(|config| config.pool_size(1)).await;
    let known = Known::of(&sessions).await;
    let endless = if db.is_sqlite() {
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    } else {
        "SELECT 1::int8 FROM pg_sleep(600)"
    };
    let accounts = sessions.repository::<crate::support::AccountRow>();
    for (id, writes) in [(1, false), (2, true)] {
        let scope = sessions.transaction(TransactionOptions::new(), async |session| {
            if writes {
                accounts.add_now(&mut account(id, "ann", 10)).await?;
            }
            session.sql(endless).fetch_all::<(i64,)>().await?;
            Ok::<_, Error>(())
        });
        assert!(tokio::time::timeout(Duration::from_millis(100), scope).await.is_err());
        // The same connection, with nothing left on it.
        assert!(known.is_given().await);
        sessions
            .transaction(TransactionOptions::new(), async |_| accounts.add(&mut account(10 + id, &format!("{id}"), 1)))
            .await
            .unwrap();
    }
    assert_eq!(db.numbers("SELECT id FROM accounts ORDER BY id").await, [11, 12]);
    // Whoever gives a connection back counts it out a moment after the next one can have it.
    eventually("no connection is in use", HANGS, async || sessions.status().in_use == 0).await;
    assert_eq!(sessions.status().size, 1);
}
