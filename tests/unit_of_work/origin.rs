//! Errors that come late say where they come from.

use spakky::Error;
use spakky::prelude::*;

use crate::support::{Database, Posting, Ticket, account, on_each_backend, posting, ticket};

on_each_backend![
    each_way_of_queueing_names_its_call,
    a_now_call_that_fails_for_an_earlier_write_names_that,
    a_query_that_fails_for_an_earlier_write_says_so,
    a_batch_queued_in_several_places_names_them,
    an_insert_with_a_generated_id_names_its_call,
    the_error_names_the_aggregate,
    the_driver_speaks_in_the_source_only,
];

const PAY: TransactionOptions = TransactionOptions::new().name("pay");

/// Where an error says that its write was queued.
fn place(error: &Error) -> (&str, u32) {
    let origin = error.origin().unwrap();
    (origin.file(), origin.line())
}

async fn each_way_of_queueing_names_its_call(db: Database) {
    db.store(&[account(1, "ann", 10), account(2, "bob", 20)]).await;
    let accounts = db.account_repository();
    let bad = || account(3, "cy", -1);
    for way in 0..7 {
        let mut line = 0;
        let answer = db.sessions.transaction(PAY, async |session| {
            let mut ann = accounts.get(1).await?;
            ann.balance = -1;
            match way {
                0 => {
                    line = line!() + 1;
                    accounts.add(&mut bad())?;
                }
                1 => {
                    line = line!() + 1;
                    accounts.add_all(&mut [bad()])?;
                }
                2 => {
                    line = line!() + 1;
                    accounts.save(&mut ann)?;
                }
                3 => {
                    line = line!() + 1;
                    accounts.save_all([&mut ann])?;
                }
                4 => {
                    line = line!() + 1;
                    accounts.upsert(&mut bad())?;
                }
                5 => {
                    line = line!() + 1;
                    return accounts.add_now(&mut bad()).await;
                }
                _ => {
                    line = line!() + 1;
                    return accounts.save_if_now(&mut ann, 1).await;
                }
            }
            session.flush().await
        });
        let error = answer.await.unwrap_err();
        assert!(error.is_check_violation(), "way {way}: {error:?}");
        let (file, found) = place(&error);
        assert_eq!(file, file!());
        assert!(found == line, "way {way}: {found} and not {line}");
        assert!(error.to_string().ends_with(&format!("(queued at {}:{found})", file!())), "way {way}: {error}");
    }
}

async fn a_now_call_that_fails_for_an_earlier_write_names_that(db: Database) {
    let (accounts, tickets) = (db.account_repository(), db.sessions.repository::<Ticket>());
    for generated in [false, true] {
        let mut line = 0;
        let answer = db.sessions.transaction(PAY, async |_| {
            line = line!() + 1;
            accounts.add(&mut account(1, "ann", -1))?;
            if generated {
                tickets.add_now(&mut ticket("fine")).await
            } else {
                accounts.add_now(&mut account(2, "bob", 20)).await
            }
        });
        let error = answer.await.unwrap_err();
        assert!(error.is_check_violation());
        assert_eq!(error.table(), Some("accounts"));
        // Rows of one table travel together: either call may have queued the one that failed.
        if generated {
            assert_eq!(place(&error), (file!(), line));
        }
    }
}

async fn a_query_that_fails_for_an_earlier_write_says_so(db: Database) {
    let accounts = db.account_repository();
    let mut line = 0;
    let answer = db.sessions.transaction(PAY, async |_| {
        line = line!() + 1;
        accounts.add(&mut account(1, "ann", -1))?;
        accounts.query().count().await
    });
    let error = answer.await.unwrap_err();
    assert!(error.is_check_violation());
    assert_eq!(place(&error), (file!(), line));
    assert!(error.to_string().contains("ahead of"), "{error}");
}

async fn a_batch_queued_in_several_places_names_them(db: Database) {
    let accounts = db.account_repository();
    let mut line = 0;
    let answer = db.sessions.transaction(PAY, async |_| {
        line = line!() + 1;
        accounts.add(&mut account(1, "ann", 10))?;
        accounts.add(&mut account(2, "bob", -1))?;
        accounts.add(&mut account(3, "cy", 30))
    });
    let error = answer.await.unwrap_err();
    assert_eq!(error.ids(), ["1", "2", "3"]);
    let expected = format!("(queued at one of {0}:{1}, {0}:{2}, {0}:{3})", file!(), line, line + 1, line + 2);
    assert!(error.to_string().ends_with(&expected), "{error}");
}

async fn an_insert_with_a_generated_id_names_its_call(db: Database) {
    let tickets = db.sessions.repository::<Ticket>();
    let mut line = 0;
    let answer = db.sessions.transaction(PAY, async |_| {
        tickets.add_now(&mut ticket("one")).await?;
        line = line!() + 1;
        tickets.add_now(&mut ticket("one")).await
    });
    let error = answer.await.unwrap_err();
    assert!(error.is_unique_violation());
    assert_eq!((error.table(), error.constraint()), (Some("tickets"), Some("uq_tickets_title")));
    assert_eq!(place(&error), (file!(), line));

    let answer = db.sessions.transaction(PAY, async |_| {
        tickets.add(&mut ticket("two"))?;
        line = line!() + 1;
        tickets.add_all(&mut [ticket("three"), ticket("three")])
    });
    let error = answer.await.unwrap_err();
    assert_eq!((error.table(), error.constraint()), (Some("tickets"), Some("uq_tickets_title")));
    assert!(error.to_string().contains(&format!("{}:{line}", file!())), "{error}");
}

async fn the_error_names_the_aggregate(db: Database) {
    let postings = db.sessions.repository::<Posting>();
    let answer = db.sessions.transaction(PAY, async |_| postings.add(&mut posting(42, 99, 5)));
    let error = answer.await.unwrap_err();
    assert!(error.is_foreign_key_violation());
    assert_eq!(
        (error.table(), error.constraint(), error.ids()),
        (Some("postings"), Some("fk_postings_account"), &["42".to_owned()][..])
    );
}

async fn the_driver_speaks_in_the_source_only(db: Database) {
    db.store(&[account(1, "a secret", 10)]).await;
    let accounts = db.account_repository();
    let answer = db.sessions.transaction(PAY, async |_| accounts.add(&mut account(2, "a secret", 10)));
    let error = answer.await.unwrap_err();
    let text = error.to_string();
    assert!(!text.contains("secret") && !text.contains("INSERT"), "{text}");
    assert!(std::error::Error::source(&error).unwrap().to_string().contains("accounts"), "{error:?}");
}
