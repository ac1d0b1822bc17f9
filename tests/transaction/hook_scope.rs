//! In which scope the hooks at the end of a transaction run: in none, whatever stands around it.

use std::sync::{Arc, Mutex};

use spakky::Error;
use spakky::prelude::*;

use crate::support::{Database, account, on_each_backend};

on_each_backend![
    hooks_after_a_commit_are_no_part_of_a_scope_around_it,
    hooks_after_a_commit_of_reads_are_no_part_of_a_scope_around_it,
    hooks_after_a_rollback_are_no_part_of_a_scope_around_it,
];

const OUTER: TransactionOptions = TransactionOptions::new().name("outer");
const INNER: TransactionOptions = TransactionOptions::new().name("inner").propagation(Propagation::RequiresNew);

#[derive(Clone, Copy, PartialEq)]
enum Ends {
    Written,
    Read,
    Undone,
}

/// What a hook of the inner scope is told when it looks for a session and when it queues a write.
async fn told(db: &Database, ends: Ends) -> Vec<(bool, bool)> {
    let accounts = db.account_repository();
    let told = Arc::new(Mutex::new(Vec::new()));
    db.sessions
        .transaction(OUTER, async |_| {
            let inner = db.sessions.transaction(INNER, async |session| {
                let listen = || {
                    let (told, accounts) = (Arc::clone(&told), accounts.clone());
                    move || async move {
                        let session = Session::current().is_err_and(|error| error.is_no_session());
                        let write = accounts.add(&mut account(9, "hook", 1)).is_err();
                        told.lock().unwrap().push((session, write));
                        Ok(())
                    }
                };
                session.after_commit(listen());
                session.on_rollback(listen());
                session.sql("SELECT 1").fetch_one::<(i32,)>().await?;
                match ends {
                    Ends::Written => accounts.add(&mut account(1, "ann", 10)),
                    Ends::Read => Ok(()),
                    Ends::Undone => accounts.get(8).await.map(drop),
                }
            });
            assert_eq!(inner.await.is_err(), ends == Ends::Undone);
            // The outer scope is still found outside of the hooks.
            assert_eq!(Session::current()?.name(), "outer");
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    let stored = i64::from(ends == Ends::Written);
    assert_eq!(db.numbers("SELECT count(*) FROM accounts").await, [stored]);
    std::mem::take(&mut told.lock().unwrap())
}

async fn hooks_after_a_commit_are_no_part_of_a_scope_around_it(db: Database) {
    assert_eq!(told(&db, Ends::Written).await, [(true, true)]);
}

async fn hooks_after_a_commit_of_reads_are_no_part_of_a_scope_around_it(db: Database) {
    assert_eq!(told(&db, Ends::Read).await, [(true, true)]);
}

async fn hooks_after_a_rollback_are_no_part_of_a_scope_around_it(db: Database) {
    assert_eq!(told(&db, Ends::Undone).await, [(true, true)]);
}
