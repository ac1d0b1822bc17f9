//! Aggregates that come from another request, with the version they had there.

use spakky::Error;
use spakky::prelude::*;

use crate::support::{AccountRow, Database, Posting, account, facts, on_each_backend, posting};

on_each_backend![
    an_attached_aggregate_is_saved_without_being_loaded,
    an_attached_aggregate_is_guarded_by_its_version,
    an_attached_aggregate_is_deleted_by_its_version,
    save_if_takes_the_version_it_is_given,
    save_if_refuses_another_version,
    save_if_now_is_a_unit_of_work_of_its_own,
    a_table_without_a_version_refuses_them,
    get_versioned_carries_the_version,
    what_is_queued_is_not_attached,
    an_attached_row_is_read_when_asked_for,
    the_attached_version_stays_the_guard_when_a_newer_row_is_read,
];

const PAY: TransactionOptions = TransactionOptions::new().name("pay");

async fn an_attached_aggregate_is_saved_without_being_loaded(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    db.execute("UPDATE accounts SET version = 4, remark = 'kept'").await;
    let accounts = db.account_repository();
    let mut ann = account(1, "anna", 11);
    db.sessions
        .transaction(PAY, async |session| {
            accounts.attach(&ann, 4)?;
            accounts.save(&mut ann)?;
            assert_eq!(ann.revision.version(), Some(5));
            assert_eq!(session.statistics().round_trips, 0);
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    assert_eq!(db.accounts().await, [facts(1, "anna", 11, 5)]);
    assert_eq!(db.numbers("SELECT count(*) FROM accounts WHERE remark = 'kept'").await, [1]);
}

async fn an_attached_aggregate_is_guarded_by_its_version(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    let answer = db.sessions.transaction(PAY, async |_| {
        let mut ann = account(1, "anna", 11);
        accounts.attach(&ann, 4)?;
        accounts.save(&mut ann)
    });
    let error = answer.await.unwrap_err();
    assert!(error.is_conflict());
    assert_eq!((error.ids(), error.expected_version()), (&["1".to_owned()][..], Some(4)));
}

async fn an_attached_aggregate_is_deleted_by_its_version(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    for (version, gone) in [(2, false), (1, true)] {
        let mut ann = account(1, "ann", 10);
        let answer = db.sessions.transaction(PAY, async |_| {
            accounts.attach(&ann, version)?;
            accounts.delete(&mut ann)
        });
        assert_eq!(answer.await.is_ok(), gone);
        assert_eq!(db.accounts().await.is_empty(), gone);
    }
}

async fn save_if_takes_the_version_it_is_given(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    let mut ann = account(1, "anna", 11);
    db.sessions.transaction(PAY, async |_| accounts.save_if(&mut ann, 1)).await.unwrap();
    assert_eq!(db.accounts().await, [facts(1, "anna", 11, 2)]);
    assert_eq!(ann.revision.version(), Some(2));
}

async fn save_if_refuses_another_version(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    let answer = db.sessions.transaction(PAY, async |_| {
        // Loaded before: what was asked for counts.
        let mut ann = accounts.get(1).await?;
        ann.balance = 0;
        accounts.save_if(&mut ann, 7)
    });
    let error = answer.await.unwrap_err();
    assert!(error.is_conflict());
    assert_eq!(error.expected_version(), Some(7));
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1)]);
}

async fn save_if_now_is_a_unit_of_work_of_its_own(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    assert!(accounts.save_if_now(&mut account(1, "anna", 11), 1).await.unwrap_err().is_no_session());
    let accounts = accounts.autocommit();
    accounts.save_if_now(&mut account(1, "anna", 11), 1).await.unwrap();
    assert!(accounts.save_if_now(&mut account(1, "eve", 12), 1).await.unwrap_err().is_conflict());
    assert_eq!(db.accounts().await, [facts(1, "anna", 11, 2)]);
}

async fn a_table_without_a_version_refuses_them(db: Database) {
    let postings = db.sessions.repository::<Posting>();
    let refused = "use the version of `postings`, which has none; mark an `i64` field `#[table(version)]`";
    db.sessions
        .transaction(PAY, async |_| {
            let mut first = posting(1, 1, 1);
            for error in [
                postings.attach(&first, 1).unwrap_err(),
                postings.save_if(&mut first, 1).unwrap_err(),
                postings.save_if_now(&mut first, 1).await.unwrap_err(),
                postings.get_versioned(1).await.unwrap_err(),
            ] {
                assert!(error.is_invalid_query());
                assert_eq!(error.to_string(), refused);
            }
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
}

async fn get_versioned_carries_the_version(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    db.execute("UPDATE accounts SET version = 8").await;
    let accounts = db.account_repository();
    let mut loaded = accounts.get_versioned(1).await.unwrap();
    assert_eq!(loaded.version, 8);
    loaded.value.balance = 11;
    accounts.autocommit().save_if_now(&mut loaded.value, loaded.version).await.unwrap();
    assert_eq!(db.accounts().await, [facts(1, "ann", 11, 9)]);
    assert!(accounts.get_versioned(2).await.unwrap_err().is_not_found());
}

async fn what_is_queued_is_not_attached(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY, async |_| {
            let mut ann = accounts.get(1).await?;
            ann.balance = 11;
            accounts.save(&mut ann)?;
            let error = accounts.attach(&ann, 1).unwrap_err();
            assert_eq!(error.to_string(), "attach `accounts` with id 1: a write of it is queued; flush it before");
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    assert_eq!(db.accounts().await, [facts(1, "ann", 11, 2)]);
}

async fn an_attached_row_is_read_when_asked_for(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY, async |_| {
            let mut ann = account(1, "anna", 11);
            accounts.attach(&ann, 1)?;
            assert_eq!(accounts.get(1).await?.owner, "ann");
            accounts.save(&mut ann)?;
            assert_eq!(accounts.get(1).await?.owner, "anna");
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    assert_eq!(db.accounts().await, [facts(1, "anna", 11, 2)]);
}

async fn the_attached_version_stays_the_guard_when_a_newer_row_is_read(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    db.execute("UPDATE accounts SET owner = 'eve', version = 2").await;
    let accounts = db.account_repository();
    for reads in 0..4 {
        let work = db.sessions.transaction(PAY, async |_| {
            let mut ann = account(1, "anna", 11);
            accounts.attach(&ann, 1)?;
            let seen = match reads {
                0 => accounts.get(1).await?,
                1 => accounts.filter(AccountRow::COLUMNS.id.eq(1)).one().await?,
                2 => accounts.lock(1).await?,
                _ => accounts.get_many([1]).await?.remove(0),
            };
            assert_eq!((seen.owner.as_str(), seen.revision.version()), ("eve", Some(2)));
            accounts.save(&mut ann)
        });
        let error = work.await.unwrap_err();
        assert!(error.is_conflict(), "{reads}: {error:?}");
        assert_eq!(error.expected_version(), Some(1));
    }
    assert_eq!(db.accounts().await, [facts(1, "eve", 10, 2)]);
}
