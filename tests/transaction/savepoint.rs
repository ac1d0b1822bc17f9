//! Nested scopes: savepoints made when they are needed, undone alone, kept with the rest.

use spakky::Error;
use spakky::prelude::*;

use crate::support::{Database, account, facts, on_each_backend};

on_each_backend![
    a_nested_scope_that_ends_well_is_kept,
    a_nested_scope_without_an_outer_one_is_a_transaction,
    a_nested_scope_that_is_undone_before_it_sent_anything_needs_no_savepoint,
    a_savepoint_is_made_by_the_first_write_and_released_later,
    nested_scopes_nest,
    the_outer_scope_undoes_what_a_nested_one_kept,
    an_inner_timeout_undoes_the_nested_scope_only,
    a_row_saved_outside_and_inside_gets_one_version,
    a_row_added_outside_may_be_saved_inside,
    a_row_saved_inside_an_undone_scope_is_saved_over_what_there_was,
    what_a_nested_scope_loaded_is_forgotten_with_it,
    what_is_queued_outside_while_a_scope_is_open_outlives_it,
    a_row_changed_in_an_open_nested_scope_is_refused_outside,
    nested_scopes_side_by_side_take_turns,
    the_outer_session_used_inside_a_nested_scope_is_an_error,
    the_session_of_an_ended_nested_scope_is_of_no_use,
    a_row_deleted_outside_is_not_added_inside_unflushed,
    a_row_added_outside_may_be_deleted_inside,
];

const PAY: TransactionOptions = TransactionOptions::new().name("pay");
const PART: TransactionOptions = TransactionOptions::new().name("part").propagation(Propagation::Nested);

/// The user's refusal.
fn refused() -> Error {
    Session::current().unwrap_err()
}

async fn a_nested_scope_that_ends_well_is_kept(db: Database) {
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY, async |_| {
            accounts.add(&mut account(1, "ann", 10))?;
            db.sessions.transaction(PART, async |_| accounts.add_now(&mut account(2, "bob", 20)).await).await?;
            accounts.add(&mut account(3, "cy", 30))
        })
        .await
        .unwrap();
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1), facts(2, "bob", 20, 1), facts(3, "cy", 30, 1)]);
}

async fn a_nested_scope_without_an_outer_one_is_a_transaction(db: Database) {
    let accounts = db.account_repository();
    db.sessions.transaction(PART, async |_| accounts.add(&mut account(1, "ann", 10))).await.unwrap();
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1)]);
    assert!(db.sent().iter().all(|sql| !sql.contains("SAVEPOINT")));
}

async fn a_nested_scope_that_is_undone_before_it_sent_anything_needs_no_savepoint(db: Database) {
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY, async |_| {
            accounts.add_all(&mut [account(1, "ann", 10), account(2, "bob", 20)])?;
            let undone = db.sessions.transaction(PART, async |_| {
                accounts.add(&mut account(3, "cy", 30))?;
                Err::<(), _>(
                    accounts
                        .get(3)
                        .await
                        .map(|cy| assert_eq!(cy.balance, 30))
                        .err()
                        .unwrap_or_else(|| accounts.add(&mut account(3, "cy", 30)).unwrap_err()),
                )
            });
            assert!(undone.await.unwrap_err().is_unique_violation());
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1), facts(2, "bob", 20, 1)]);
    let sent = db.sent();
    assert_eq!((sent.len(), sent[0].as_str(), sent[2].as_str()), (3, "BEGIN", "COMMIT"), "{sent:?}");
}

async fn a_savepoint_is_made_by_the_first_write_and_released_later(db: Database) {
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY, async |_| {
            accounts.add(&mut account(1, "ann", 10))?;
            db.sessions.transaction(PART, async |_| accounts.add_now(&mut account(2, "bob", 20)).await).await
        })
        .await
        .unwrap();
    let sent = db.sent();
    let control: Vec<_> = sent.iter().map(|sql| if sql.contains("INSERT") { "INSERT" } else { sql.as_str() }).collect();
    let expected = ["BEGIN", "INSERT", "SAVEPOINT spakky_1", "INSERT", "RELEASE SAVEPOINT spakky_1", "COMMIT"];
    assert_eq!(control, expected);
}

async fn nested_scopes_nest(db: Database) {
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY, async |_| {
            accounts.add_now(&mut account(1, "ann", 10)).await?;
            let middle = db.sessions.transaction(PART, async |_| {
                accounts.add_now(&mut account(2, "bob", 20)).await?;
                let inner = db.sessions.transaction(PART, async |_| {
                    accounts.add_now(&mut account(3, "cy", 30)).await?;
                    accounts.get(9).await.map(drop)
                });
                assert!(inner.await.unwrap_err().is_not_found());
                let inner = db.sessions.transaction(PART, async |_| accounts.add_now(&mut account(4, "dan", 40)).await);
                inner.await
            });
            middle.await?;
            let middle = db.sessions.transaction(PART, async |_| {
                let inner = db.sessions.transaction(PART, async |_| accounts.add_now(&mut account(5, "eve", 50)).await);
                inner.await?;
                accounts.get(9).await.map(drop)
            });
            assert!(middle.await.unwrap_err().is_not_found());
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    assert_eq!(db.numbers("SELECT id FROM accounts ORDER BY id").await, [1, 2, 4]);
}

async fn the_outer_scope_undoes_what_a_nested_one_kept(db: Database) {
    let accounts = db.account_repository();
    let answer = db.sessions.transaction(PAY, async |_| {
        db.sessions.transaction(PART, async |_| accounts.add_now(&mut account(2, "bob", 20)).await).await?;
        accounts.get(9).await.map(drop)
    });
    assert!(answer.await.unwrap_err().is_not_found());
    assert_eq!(db.accounts().await, []);
}

async fn an_inner_timeout_undoes_the_nested_scope_only(db: Database) {
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY, async |_| {
            // Sent by itself: were the time over while it travels with the inner write, nobody would know what became of it.
            accounts.add_now(&mut account(1, "ann", 10)).await?;
            let limit = PART.timeout(std::time::Duration::from_millis(50));
            let inner = db.sessions.transaction(limit, async |_| {
                accounts.add_now(&mut account(2, "bob", 20)).await?;
                std::future::pending::<Result<(), Error>>().await
            });
            assert_eq!(inner.await.unwrap_err().to_string(), "finish `part` within 50ms");
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1)]);
}

async fn a_row_saved_outside_and_inside_gets_one_version(db: Database) {
    db.store(&[account(1, "ann", 10), account(2, "bob", 20)]).await;
    let accounts = db.account_repository();
    let mut last = db
        .sessions
        .transaction(PAY, async |_| {
            let mut ann = accounts.get(1).await?;
            ann.balance = 11;
            accounts.save(&mut ann)?;
            db.sessions
                .transaction(PART, async |_| {
                    let mut ann = accounts.get(1).await?;
                    assert_eq!(ann.balance, 11);
                    ann.balance = 12;
                    // Both are sent, one on each side of the savepoint.
                    accounts.save_now(&mut ann).await?;
                    ann.balance = 13;
                    accounts.save(&mut ann)?;
                    Ok(ann)
                })
                .await
        })
        .await
        .unwrap_or_else(|error: Error| panic!("{error:?}"));
    assert_eq!(db.accounts().await[0], facts(1, "ann", 13, 3));
    assert_eq!(last.revision.version(), Some(3));
    // What is in hand can be saved by the next transaction.
    last.balance = 14;
    db.sessions.transaction(PAY, async |_| accounts.save(&mut last)).await.unwrap();
    assert_eq!(db.accounts().await[0], facts(1, "ann", 14, 4));
}

async fn a_row_added_outside_may_be_saved_inside(db: Database) {
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY, async |_| {
            accounts.add(&mut account(1, "ann", 10))?;
            accounts.add(&mut account(2, "bob", 20))?;
            let undone = db.sessions.transaction(PART, async |_| {
                let mut bob = accounts.get(2).await?;
                bob.balance = 99;
                accounts.save_now(&mut bob).await?;
                accounts.get(9).await.map(drop)
            });
            assert!(undone.await.unwrap_err().is_not_found());
            db.sessions
                .transaction(PART, async |_| {
                    let mut ann = accounts.get(1).await?;
                    ann.balance = 11;
                    accounts.save_now(&mut ann).await
                })
                .await?;
            let mut bob = accounts.get(2).await?;
            assert_eq!(bob.balance, 20);
            bob.balance = 21;
            accounts.save(&mut bob)
        })
        .await
        .unwrap();
    assert_eq!(db.accounts().await, [facts(1, "ann", 11, 2), facts(2, "bob", 21, 2)]);
}

async fn a_row_saved_inside_an_undone_scope_is_saved_over_what_there_was(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY, async |_| {
            let mut ann = accounts.get(1).await?;
            let undone = db.sessions.transaction(PART, async |_| {
                ann.balance = 99;
                accounts.save_now(&mut ann).await?;
                accounts.get(9).await.map(drop)
            });
            assert!(undone.await.unwrap_err().is_not_found());
            assert_eq!(accounts.get(1).await?.balance, 10);
            assert_eq!(ann.revision.version(), Some(1));
            ann.balance = 11;
            accounts.save(&mut ann)
        })
        .await
        .unwrap();
    assert_eq!(db.accounts().await, [facts(1, "ann", 11, 2)]);
}

async fn what_a_nested_scope_loaded_is_forgotten_with_it(db: Database) {
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY, async |_| {
            let undone = db.sessions.transaction(PART, async |_| {
                accounts.add_now(&mut account(1, "ann", 10)).await?;
                assert_eq!(accounts.get(1).await?.balance, 10);
                accounts.get(9).await.map(drop)
            });
            assert!(undone.await.unwrap_err().is_not_found());
            assert_eq!(accounts.find(1).await?, None);
            accounts.add(&mut account(1, "bob", 20))
        })
        .await
        .unwrap();
    assert_eq!(db.accounts().await, [facts(1, "bob", 20, 1)]);
}

async fn what_is_queued_outside_while_a_scope_is_open_outlives_it(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY, async |session| {
            let outside = accounts.in_session(&session);
            let mut ann = outside.get(1).await?;
            let undone = db.sessions.transaction(PART, async |_| {
                accounts.add_now(&mut account(2, "bob", 20)).await?;
                ann.balance = 11;
                outside.save(&mut ann)?;
                outside.add(&mut account(3, "cy", 30))?;
                accounts.add_now(&mut account(4, "dan", 40)).await?;
                accounts.get(9).await.map(drop)
            });
            assert!(undone.await.unwrap_err().is_not_found());
            assert_eq!(accounts.get(1).await?.balance, 11);
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    assert_eq!(db.accounts().await, [facts(1, "ann", 11, 2), facts(3, "cy", 30, 1)]);
}

async fn a_row_changed_in_an_open_nested_scope_is_refused_outside(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY, async |session| {
            let outside = accounts.in_session(&session);
            let mut ann = outside.get(1).await?;
            db.sessions
                .transaction(PART, async |_| {
                    let mut inner = accounts.get(1).await?;
                    inner.balance = 11;
                    accounts.save(&mut inner)?;
                    ann.revision = inner.revision.clone();
                    ann.balance = 12;
                    let error = outside.save(&mut ann).unwrap_err();
                    assert!(error.is_invalid_transaction());
                    assert_eq!(
                        error.to_string(),
                        "write to `accounts` with id 1: a nested scope that is still open has changed the same row; wait \
                         for its end"
                    );
                    Ok::<_, Error>(())
                })
                .await?;
            outside.save(&mut ann)
        })
        .await
        .unwrap();
    // The nested scope sent its change when it ended.
    assert_eq!(db.accounts().await, [facts(1, "ann", 12, 3)]);
}

async fn nested_scopes_side_by_side_take_turns(db: Database) {
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY, async |_| {
            let part = |id: i64, fails: bool| {
                let accounts = accounts.clone();
                let sessions = db.sessions.clone();
                async move {
                    sessions
                        .transaction(PART, async |_| {
                            for step in 0..3 {
                                let id = id * 10 + step;
                                accounts.add_now(&mut account(id, &format!("owner {id}"), id)).await?;
                                tokio::task::yield_now().await;
                            }
                            if fails { accounts.get(9).await.map(drop) } else { Ok::<_, Error>(()) }
                        })
                        .await
                }
            };
            let [one, two, three] = [part(1, false), part(2, true), part(3, false)].map(Box::pin);
            let (one, two, three) = tokio::join!(one, two, three);
            one?;
            three?;
            assert!(two.unwrap_err().is_not_found());
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    assert_eq!(db.numbers("SELECT id FROM accounts ORDER BY id").await, [10, 11, 12, 30, 31, 32]);
}

async fn the_outer_session_used_inside_a_nested_scope_is_an_error(db: Database) {
    let accounts = db.account_repository();
    let answer = db.sessions.transaction(PAY, async |session| {
        let outside = accounts.in_session(&session);
        db.sessions
            .transaction(PART, async |_| {
                let error = outside.find(1).await.unwrap_err();
                assert!(error.is_invalid_transaction());
                assert_eq!(
                    error.to_string(),
                    "use the session of `pay` inside a scope nested in it, which would wait for itself; use the nested \
                     scope's own session, as `Session::current()` gives it"
                );
                accounts.find(1).await.map(drop)
            })
            .await
    });
    answer.await.unwrap();
}

async fn the_session_of_an_ended_nested_scope_is_of_no_use(db: Database) {
    let accounts = db.account_repository();
    let answer = db.sessions.transaction(PAY, async |_| {
        let ended = db.sessions.transaction(PART, async |session| Ok::<_, Error>(session)).await?;
        db.sessions
            .transaction(PART, async |_| {
                // At the same depth, but not the same scope.
                let ended = accounts.in_session(&ended);
                for error in [ended.add(&mut account(1, "ann", 10)).unwrap_err(), ended.find(1).await.unwrap_err()] {
                    assert!(error.is_no_session());
                    assert_eq!(error.to_string(), "use the session of a nested scope that has ended");
                }
                Ok::<_, Error>(())
            })
            .await
    });
    answer.await.unwrap();
    assert!(refused().is_no_session());
}

async fn a_row_deleted_outside_is_not_added_inside_unflushed(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY, async |session| {
            let mut ann = accounts.get(1).await?;
            accounts.delete(&mut ann)?;
            let refused = db.sessions.transaction(PART, async |_| accounts.add(&mut account(1, "bob", 20)));
            assert_eq!(
                refused.await.unwrap_err().to_string(),
                "add to `accounts` with id 1: its deletion is queued in the scope around this nested one; flush it before"
            );
            session.flush().await?;
            db.sessions.transaction(PART, async |_| accounts.add(&mut account(1, "bob", 20))).await
        })
        .await
        .unwrap();
    assert_eq!(db.accounts().await, [facts(1, "bob", 20, 1)]);
}

async fn a_row_added_outside_may_be_deleted_inside(db: Database) {
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY, async |_| {
            accounts.add(&mut account(1, "ann", 10))?;
            accounts.add(&mut account(2, "bob", 20))?;
            db.sessions
                .transaction(PART, async |_| {
                    let mut ann = accounts.get(1).await?;
                    accounts.delete(&mut ann)
                })
                .await?;
            db.sessions
                .transaction(PART, async |_| {
                    let mut bob = accounts.get(2).await?;
                    accounts.delete_now(&mut bob).await
                })
                .await?;
            assert_eq!(accounts.find(1).await?, None);
            accounts.add(&mut account(1, "cy", 30))
        })
        .await
        .unwrap();
    assert_eq!(db.accounts().await, [facts(1, "cy", 30, 1)]);
}
