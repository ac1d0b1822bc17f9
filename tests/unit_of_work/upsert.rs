//! Upserts: where there can be none, and what is read after one that is pending.

use spakky::Error;
use spakky::prelude::*;

use crate::support::{Database, Ticket, account, facts, on_each_backend, ticket};

on_each_backend![
    an_upsert_of_a_row_whose_id_the_database_assigns_is_refused,
    many_ids_see_the_databases_row_behind_a_pending_upsert,
    a_copy_older_than_an_upsert_is_stale,
    the_copy_that_was_upserted_can_be_saved,
];

const PAY: TransactionOptions = TransactionOptions::new().name("pay");

async fn an_upsert_of_a_row_whose_id_the_database_assigns_is_refused(db: Database) {
    let tickets = db.sessions.repository::<Ticket>();
    let work = db.sessions.transaction(PAY, async |session| {
        let refused = [
            tickets.upsert(&mut ticket("one")).unwrap_err(),
            tickets.upsert_all(&mut [ticket("one"), ticket("two")]).unwrap_err(),
            tickets.upsert_now(&mut ticket("one")).await.unwrap_err(),
            tickets.upsert_all_now(&mut [ticket("one")]).await.unwrap_err(),
        ];
        for error in refused {
            assert!(error.is_invalid_query(), "{error:?}");
            assert_eq!(error.table(), Some("tickets"));
            assert_eq!(
                error.to_string(),
                "upsert into `tickets`: the database assigns its ids, so that none can be taken; use `add_now` for a new \
                 row, `save` for one that was loaded"
            );
        }
        assert_eq!(session.statistics().statements, 0);
        tickets.add(&mut ticket("three"))
    });
    work.await.unwrap();
    let titles: Vec<(String,)> = db.observer().sql("SELECT title FROM tickets").fetch_all().await.unwrap();
    assert_eq!(titles, [("three".to_owned(),)]);
}

async fn many_ids_see_the_databases_row_behind_a_pending_upsert(db: Database) {
    db.store(&[account(1, "ann", 10), account(2, "bob", 20)]).await;
    db.execute("UPDATE accounts SET version = 7 WHERE id = 1").await;
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY, async |_| {
            accounts.upsert_all(&mut [account(1, "anna", 11), account(3, "cy", 30)])?;
            let found = accounts.find_many([3, 1, 2, 4]).await?;
            let seen = |at: usize| {
                let account = found[at].as_ref()?;
                Some((account.id, account.balance, account.revision.version()))
            };
            assert_eq!([seen(0), seen(1)], [Some((3, 30, Some(1))), Some((1, 11, Some(8)))]);
            assert_eq!([seen(2), seen(3)], [Some((2, 20, Some(1))), None]);

            accounts.upsert(&mut account(2, "bob", 21))?;
            let mut bob = accounts.get_many([2]).await?.remove(0);
            assert_eq!((bob.balance, bob.revision.version()), (21, Some(2)));
            // What was read is what a save is guarded by.
            bob.balance = 22;
            accounts.save(&mut bob)?;
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    assert_eq!(db.accounts().await, [facts(1, "anna", 11, 8), facts(2, "bob", 22, 3), facts(3, "cy", 30, 1)]);
}

async fn a_copy_older_than_an_upsert_is_stale(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    let older = "this copy (version 1) is older than the one upserted in this session; change that one instead, or load it \
                 again";
    db.sessions
        .transaction(PAY, async |session| {
            let mut ann = accounts.get(1).await?;
            let mut old = ann.clone();
            ann.balance = 11;
            accounts.upsert(&mut ann)?;
            for flushed in [false, true] {
                if flushed {
                    session.flush().await?;
                }
                old.owner = "eve".to_owned();
                let error = accounts.save(&mut old).unwrap_err();
                assert!(error.is_stale_copy(), "{error:?}");
                assert_eq!(error.to_string(), format!("save `accounts` with id 1: {older}"));
                assert!(accounts.delete(&mut old).unwrap_err().is_stale_copy());
            }
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    assert_eq!(db.accounts().await, [facts(1, "ann", 11, 2)]);
}

async fn the_copy_that_was_upserted_can_be_saved(db: Database) {
    db.store(&[account(1, "ann", 10), account(2, "bob", 20), account(3, "cy", 30)]).await;
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY, async |session| {
            let mut three = accounts.get_many([1, 2, 3]).await?;
            three[0].balance = 11;
            accounts.upsert(&mut three[0])?;
            three[0].balance = 12;
            accounts.save(&mut three[0])?;
            // It joins what is queued.
            three[1].balance = 21;
            accounts.save(&mut three[1])?;
            accounts.upsert(&mut three[1])?;
            three[1].balance = 22;
            accounts.save(&mut three[1])?;
            // Its row was deleted before.
            accounts.delete_by_id(3)?;
            accounts.add(&mut three[2])?;
            three[2].balance = 31;
            accounts.save(&mut three[2])?;
            session.flush().await?;
            three[0].balance = 13;
            accounts.save(&mut three[0])
        })
        .await
        .unwrap();
    let balances: Vec<i64> = db.accounts().await.into_iter().map(|account| account.2).collect();
    assert_eq!(balances, [13, 22, 31]);
}
