//! What a session answers without asking the database.

use spakky::Error;
use spakky::prelude::*;

use crate::support::{AccountRow, Database, Letter, account, facts, letter, on_each_backend};

on_each_backend![
    a_second_get_costs_nothing,
    a_get_sees_a_queued_save,
    a_get_sees_a_queued_add,
    a_get_sees_a_queued_delete,
    many_ids_ask_only_for_the_unknown_ones,
    a_query_gives_rows_as_the_session_knows_them,
    a_query_sees_what_is_queued,
    a_query_without_autoflush_does_not,
    untracked_reads_leave_the_session_alone,
    a_read_only_scope_remembers_nothing,
    a_lock_reads_again_and_makes_older_copies_stale,
    plain_sql_has_rows_read_again,
    plain_selects_do_not,
    an_update_by_query_has_its_table_read_again,
    a_copy_loaded_before_plain_sql_is_guarded_by_its_version,
    stamps_are_read_back_after_a_flush,
    exists_is_answered_from_what_is_known,
    another_session_knows_nothing_of_it,
    a_missing_row_is_asked_for_again,
    a_row_deleted_by_plain_sql_may_be_added_again,
];

const PAY: TransactionOptions = TransactionOptions::new().name("pay");

fn trips(session: &Session) -> u64 {
    session.statistics().round_trips
}

async fn a_second_get_costs_nothing(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY, async |session| {
            let first = accounts.get(1).await?;
            db.execute("UPDATE accounts SET balance = 99").await;
            assert_eq!(accounts.get(1).await?, first);
            assert_eq!(accounts.find(1).await?.as_ref(), Some(&first));
            assert_eq!(accounts.get_versioned(1).await?.version, 1);
            assert_eq!(accounts.get_many([1, 1]).await?, [first.clone(), first]);
            assert_eq!(trips(&session), 1);
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
}

async fn a_get_sees_a_queued_save(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY, async |session| {
            let mut ann = accounts.get(1).await?;
            ann.balance = 11;
            accounts.save(&mut ann)?;
            assert_eq!(accounts.get(1).await?, ann);
            assert_eq!(accounts.get_versioned(1).await?.version, 2);
            assert_eq!(trips(&session), 1);
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
}

async fn a_get_sees_a_queued_add(db: Database) {
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY, async |session| {
            let mut ann = account(1, "ann", 10);
            accounts.add(&mut ann)?;
            assert_eq!(ann.revision.version(), Some(1));
            assert_eq!(accounts.get(1).await?, ann);
            assert_eq!(trips(&session), 0);
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
}

async fn a_get_sees_a_queued_delete(db: Database) {
    db.store(&[account(1, "ann", 10), account(2, "bob", 20)]).await;
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY, async |session| {
            let mut ann = accounts.get(1).await?;
            accounts.delete(&mut ann)?;
            accounts.delete_by_id(2)?;
            assert_eq!(accounts.find_many([1, 2]).await?, [None, None]);
            assert!(!accounts.exists(1).await?);
            let error = accounts.get(1).await.unwrap_err();
            assert!(error.is_not_found());
            assert_eq!(error.to_string(), "find `AccountRow` with id 1 in `accounts`");
            assert_eq!(trips(&session), 1);
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    assert_eq!(db.accounts().await, []);
}

async fn many_ids_ask_only_for_the_unknown_ones(db: Database) {
    db.store(&[account(1, "ann", 10), account(2, "bob", 20), account(3, "cy", 30)]).await;
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY, async |session| {
            accounts.get(2).await?;
            let found = accounts.get_many([3, 2, 3, 1]).await?;
            assert_eq!(found.iter().map(|account| account.id).collect::<Vec<_>>(), [3, 2, 3, 1]);
            assert_eq!(session.statistics().rows_read, 3);
            let error = accounts.get_many([1, 7, 2, 8]).await.unwrap_err();
            assert!(error.is_not_found());
            assert_eq!(error.ids(), ["7", "8"]);
            assert_eq!(error.to_string(), "find `AccountRow` with id 7, 8 in `accounts`");
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
}

async fn a_query_gives_rows_as_the_session_knows_them(db: Database) {
    db.store(&[account(1, "ann", 10), account(2, "bob", 20)]).await;
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY, async |_| {
            let ann = accounts.get(1).await?;
            db.execute("UPDATE accounts SET balance = balance + 5, version = version + 1").await;
            let all = accounts.query().order_by(AccountRow::COLUMNS.id.asc()).all().await?;
            // The copy in hand could not be saved otherwise: nobody would know what it was compared with.
            assert_eq!(all[0], ann);
            assert_eq!((all[1].balance, all[1].revision.version()), (25, Some(2)));
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
}

async fn a_query_sees_what_is_queued(db: Database) {
    db.store(&[account(1, "ann", 10), account(2, "bob", 20)]).await;
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY, async |session| {
            let mut found = accounts.get_many([1, 2]).await?;
            found[0].balance = 50;
            accounts.save(&mut found[0])?;
            accounts.delete(&mut found[1])?;
            accounts.add(&mut account(3, "cy", 60))?;
            let rich = accounts.filter(AccountRow::COLUMNS.balance.ge(15)).all().await?;
            let mut ids: Vec<_> = rich.iter().map(|account| account.id).collect();
            ids.sort_unstable();
            assert_eq!(ids, [1, 3]);
            assert_eq!(accounts.query().count().await?, 2);
            assert_eq!(trips(&session), 3);
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
}

async fn a_query_without_autoflush_does_not(db: Database) {
    db.store(&[account(1, "ann", 10), account(2, "bob", 20), account(3, "cy", 30)]).await;
    let sessions = db.connect(|config| config.autoflush(false)).await;
    let accounts = sessions.repository::<AccountRow>();
    sessions
        .transaction(PAY, async |session| {
            let mut found = accounts.get_many([1, 2]).await?;
            found[0].balance = 50;
            accounts.save(&mut found[0])?;
            accounts.delete(&mut found[1])?;
            accounts.attach(&account(3, "cy", 30), 1)?;
            let mut cy = account(3, "cy", 31);
            accounts.save(&mut cy)?;
            accounts.add(&mut account(4, "dan", 40))?;
            assert_eq!(accounts.query().count().await?, 3);
            let all = accounts.query().order_by(AccountRow::COLUMNS.id.asc()).all().await?;
            // Found by what is stored, given as the session knows them.
            assert_eq!(all.iter().map(|account| account.balance).collect::<Vec<_>>(), [50, 20, 31]);
            assert_eq!(accounts.find(2).await?, None);
            session.flush().await?;
            assert_eq!(accounts.query().count().await?, 3);
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    assert_eq!(db.accounts().await, [facts(1, "ann", 50, 2), facts(3, "cy", 31, 2), facts(4, "dan", 40, 1)]);
}

async fn untracked_reads_leave_the_session_alone(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    let notes = db.sessions.repository::<crate::support::Posting>();
    db.sessions
        .transaction(PAY, async |session| {
            let postings = notes.untracked();
            notes.add_now(&mut crate::support::posting(1, 1, 5)).await?;
            let mut copy = postings.get(1).await?;
            copy.text = "changed".to_owned();
            let before = trips(&session);
            postings.get(1).await?;
            assert_eq!(trips(&session), before + 1);
            accounts.untracked().get(1).await?;
            accounts.untracked().get(1).await?;
            assert_eq!(trips(&session), before + 3);
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
}

async fn a_read_only_scope_remembers_nothing(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY.read_only(), async |session| {
            accounts.get(1).await?;
            accounts.get(1).await?;
            assert_eq!(trips(&session), 2);
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
}

async fn a_lock_reads_again_and_makes_older_copies_stale(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY, async |_| {
            let mut old = accounts.get(1).await?;
            db.execute("UPDATE accounts SET balance = 50, version = 2").await;
            let mut locked = accounts.lock(1).await?;
            assert_eq!((locked.balance, locked.revision.version()), (50, Some(2)));
            old.balance = 0;
            let error = accounts.save(&mut old).unwrap_err();
            assert!(error.is_stale_copy());
            assert_eq!(
                error.to_string(),
                "save `accounts` with id 1: this copy (version 1) is older than the last one saved or loaded in this \
                 session (version 2); change that one instead"
            );
            locked.balance += 1;
            accounts.save(&mut locked)
        })
        .await
        .unwrap();
    assert_eq!(db.accounts().await, [facts(1, "ann", 51, 3)]);
}

async fn plain_sql_has_rows_read_again(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY, async |session| {
            let mut ann = accounts.get(1).await?;
            ann.balance = 20;
            accounts.save(&mut ann)?;
            // Sees the save, which is sent ahead of it.
            let doubled = session.sql("UPDATE accounts SET balance = balance * 2").execute().await?;
            assert_eq!(doubled, 1);
            assert_eq!(accounts.get(1).await?.balance, 40);
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    assert_eq!(db.accounts().await, [facts(1, "ann", 40, 2)]);
}

async fn plain_selects_do_not(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY, async |session| {
            accounts.get(1).await?;
            let sum: (i64,) = session.sql("SELECT balance FROM accounts").fetch_one().await?;
            assert_eq!(sum, (10,));
            let before = trips(&session);
            accounts.get(1).await?;
            assert_eq!(trips(&session), before);
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
}

async fn an_update_by_query_has_its_table_read_again(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY, async |_| {
            let mut old = accounts.get(1).await?;
            let column = AccountRow::COLUMNS.balance;
            accounts.filter(column.ge(5)).update([column.set(7)]).await?;
            let ann = accounts.get(1).await?;
            assert_eq!((ann.balance, ann.revision.version()), (7, Some(2)));
            old.balance = 0;
            assert!(accounts.save(&mut old).unwrap_err().is_stale_copy());
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    assert_eq!(db.accounts().await, [facts(1, "ann", 7, 2)]);
}

async fn a_copy_loaded_before_plain_sql_is_guarded_by_its_version(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    let answer = db.sessions.transaction(PAY, async |session| {
        let mut ann = accounts.get(1).await?;
        session.sql("UPDATE accounts SET balance = 50, version = version + 1").execute().await?;
        ann.owner = "eve".to_owned();
        accounts.save(&mut ann)
    });
    let error = answer.await.unwrap_err();
    assert!(error.is_conflict());
    assert_eq!(error.expected_version(), Some(1));
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1)]);
}

async fn stamps_are_read_back_after_a_flush(db: Database) {
    let letters = db.sessions.repository::<Letter>();
    db.sessions
        .transaction(PAY, async |session| {
            letters.add(&mut letter(1, "dear"))?;
            let guessed = letters.get(1).await?;
            assert!(guessed.created_at > chrono::DateTime::UNIX_EPOCH);
            assert_eq!(trips(&session), 0);
            session.flush().await?;
            let mut stored = letters.get(1).await?;
            assert_eq!(trips(&session), 2);
            assert_eq!((stored.version, stored.created_at), (1, stored.updated_at));
            stored.text = "dear ann".to_owned();
            letters.save_now(&mut stored).await?;
            let again = letters.get(1).await?;
            assert_eq!((again.version, again.created_at), (2, stored.created_at));
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    assert_eq!(db.numbers("SELECT version FROM letters").await, [2]);
}

async fn exists_is_answered_from_what_is_known(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY, async |session| {
            assert!(accounts.exists(1).await?);
            assert!(!accounts.exists(2).await?);
            let before = trips(&session);
            accounts.add(&mut account(2, "bob", 20))?;
            assert!(accounts.exists(2).await?);
            assert_eq!(trips(&session), before);
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
}

async fn another_session_knows_nothing_of_it(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    let mut kept = db.sessions.transaction(PAY, async |_| accounts.get(1).await).await.unwrap();
    db.execute("UPDATE accounts SET balance = 50").await;
    let seen = db.sessions.transaction(PAY, async |_| accounts.get(1).await).await.unwrap();
    assert_eq!(seen.balance, 50);
    // The domain value carries its version, so it may be saved anywhere.
    kept.owner = "anna".to_owned();
    db.sessions.transaction(PAY, async |_| accounts.save(&mut kept)).await.unwrap();
    assert_eq!(db.accounts().await, [facts(1, "anna", 10, 2)]);
}

async fn a_missing_row_is_asked_for_again(db: Database) {
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY, async |_| {
            assert_eq!(accounts.find(1).await?, None);
            db.store(&[account(1, "ann", 10)]).await;
            assert_eq!(accounts.get(1).await?.balance, 10);
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
}

async fn a_row_deleted_by_plain_sql_may_be_added_again(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY, async |session| {
            let mut ann = accounts.get(1).await?;
            accounts.delete_now(&mut ann).await?;
            session.sql("INSERT INTO accounts (id, owner, balance, version) VALUES (1, 'eve', 5, 1)").execute().await?;
            assert_eq!(accounts.get(1).await?.owner, "eve");
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    assert_eq!(db.accounts().await, [facts(1, "eve", 5, 1)]);
}
