//! Tables that remain when others are dropped.

use spakky::Error;
use spakky::prelude::*;

use crate::support::{AccountRow, Database, Letter, Ticket, account, facts, on_each_backend};

on_each_backend![guarded_writes_work_on_when_other_tables_were_dropped];

async fn guarded_writes_work_on_when_other_tables_were_dropped(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    db.sessions.drop_tables(&schema![Letter]).await.unwrap();
    // As others do who know nothing of these sessions.
    db.observer().drop_tables(&schema![Ticket]).await.unwrap();
    for sessions in [db.sessions.clone(), db.connect(|config| config).await] {
        let accounts = sessions.repository::<AccountRow>();
        let stale = sessions.transaction(TransactionOptions::new(), async |_| {
            accounts.save_if(&mut account(1, "ann", 11), 7)?;
            accounts.add(&mut account(2, "bob", 20))
        });
        let error: Error = stale.await.unwrap_err();
        assert!(error.is_conflict(), "{error:?}");
        assert_eq!((error.table(), error.expected_version()), (Some("accounts"), Some(7)));
    }
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1)]);
}
