//! A statement that is to be stopped before it has arrived.

use std::time::Duration;

use spakky::Error;
use spakky::prelude::*;

use crate::support::{Cancelled, Database, Line, account, cancel_after, facts, on_postgres};

on_postgres![a_statement_of_an_undone_scope_is_stopped_though_it_arrives_late];

async fn a_statement_of_an_undone_scope_is_stopped_though_it_arrives_late(db: Database) {
    let line = Line::new(&db).await;
    let accounts = line.accounts();
    let nested = TransactionOptions::new().propagation(Propagation::Nested);
    line.sessions
        .transaction(TransactionOptions::new(), async |_| {
            accounts.add_now(&mut account(1, "ann", 10)).await?;
            let part = line.sessions.transaction(nested, async |part| {
                accounts.add_now(&mut account(2, "bob", 20)).await?;
                // Requests to cancel go by a line of their own, and are faster.
                line.proxy.set_delay(Duration::from_millis(500), Duration::ZERO);
                let sleeping = part.sql("SELECT 1 FROM pg_sleep(600)").fetch_all::<(i32,)>();
                assert!(matches!(cancel_after(1, false, sleeping).await, Cancelled::Yes));
                Err::<(), _>(db.sessions.session().unwrap_err())
            });
            assert!(part.await.is_err());
            accounts.add_now(&mut account(3, "cy", 30)).await
        })
        .await
        .unwrap_or_else(|error: Error| panic!("{error:?}"));
    assert!(line.proxy.counts().cancel_requests >= 1);
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1), facts(3, "cy", 30, 1)]);
}
