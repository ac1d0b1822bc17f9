//! What a save writes, and which copies it takes.

use spakky::prelude::*;
use spakky::{Error, ErrorKind};

use crate::support::{Database, Letter, Posting, account, facts, letter, on_each_backend, posting};

on_each_backend![
    an_unchanged_save_sends_nothing,
    an_unchanged_save_leaves_the_version_alone,
    only_changed_columns_are_written,
    a_change_that_is_taken_back_still_counts_as_a_save,
    columns_outside_the_domain_are_left_alone,
    save_flush_save_counts_each_save_once,
    saves_without_a_flush_count_as_one,
    an_added_row_saved_before_its_insert_has_the_first_version,
    a_row_of_no_version_is_saved_by_its_key,
    a_row_of_no_version_that_is_gone_is_a_conflict,
    an_unknown_row_is_not_saved,
    an_unknown_row_is_not_deleted,
    a_deleted_row_is_not_saved,
    a_copy_older_than_the_last_save_is_stale,
    a_clone_taken_before_a_save_is_stale,
    a_save_of_no_change_makes_no_copy_stale,
    a_row_that_is_replaced_is_saved_as_often_as_one_likes,
    a_bare_version_tells_stale_copies_too,
    a_row_is_not_added_twice,
    a_value_that_cannot_be_stored_is_refused_at_once,
    a_domain_value_is_of_use_in_the_next_session,
    a_saved_value_equals_the_one_that_is_read_again,
    a_save_of_no_change_leaves_a_value_equal,
    many_shapes_of_change_end_in_one_statement,
    rows_changed_in_different_columns_are_one_statement,
];

const PAY: TransactionOptions = TransactionOptions::new().name("pay");

/// The statements sent, without transaction control.
fn statements(db: &Database) -> Vec<String> {
    let control = ["BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT"];
    db.sent().into_iter().filter(|sql| !control.iter().any(|word| sql.starts_with(word))).collect()
}

async fn an_unchanged_save_sends_nothing(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY, async |session| {
            let mut ann = accounts.get(1).await?;
            accounts.save(&mut ann)?;
            accounts.save_now(&mut ann).await?;
            session.flush().await?;
            assert_eq!(session.statistics().round_trips, 1);
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    assert_eq!(statements(&db).len(), 1);
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1)]);
}

async fn an_unchanged_save_leaves_the_version_alone(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    let mut ann = db
        .sessions
        .transaction(PAY, async |_| {
            let mut ann = accounts.get(1).await?;
            accounts.save(&mut ann)?;
            accounts.save(&mut ann)?;
            Ok::<_, Error>(ann)
        })
        .await
        .unwrap();
    assert_eq!(ann.revision.version(), Some(1));
    ann.balance = 11;
    db.sessions.transaction(PAY, async |_| accounts.save(&mut ann)).await.unwrap();
    assert_eq!(db.accounts().await, [facts(1, "ann", 11, 2)]);
}

async fn only_changed_columns_are_written(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY, async |_| {
            let mut ann = accounts.get(1).await?;
            ann.balance = 11;
            accounts.save(&mut ann)
        })
        .await
        .unwrap();
    let sent = statements(&db);
    let update = &sent[1];
    assert!(update.contains(r#"UPDATE "accounts" SET "balance" = "#), "{update}");
    assert!(!update.contains(r#""owner""#) && !update.contains(r#""remark""#), "{update}");
    assert_eq!(db.accounts().await, [facts(1, "ann", 11, 2)]);
}

async fn a_change_that_is_taken_back_still_counts_as_a_save(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    let ann = db
        .sessions
        .transaction(PAY, async |_| {
            let mut ann = accounts.get(1).await?;
            ann.balance = 11;
            accounts.save(&mut ann)?;
            ann.balance = 10;
            accounts.save(&mut ann)?;
            Ok::<_, Error>(ann)
        })
        .await
        .unwrap();
    // Whoever holds the copy in between must not take it for what is stored.
    assert_eq!(ann.revision.version(), Some(2));
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 2)]);
}

async fn columns_outside_the_domain_are_left_alone(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    db.execute("UPDATE accounts SET remark = 'good customer'").await;
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY, async |_| {
            let mut ann = accounts.get(1).await?;
            db.execute("UPDATE accounts SET remark = 'very good customer'").await;
            ann.balance = 11;
            accounts.save(&mut ann)
        })
        .await
        .unwrap();
    let remark: (String,) = db.observer().sql("SELECT remark FROM accounts").fetch_one().await.unwrap();
    assert_eq!(remark.0, "very good customer");
    assert_eq!(db.accounts().await, [facts(1, "ann", 11, 2)]);
}

async fn save_flush_save_counts_each_save_once(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    let ann = db
        .sessions
        .transaction(PAY, async |session| {
            let mut ann = accounts.get(1).await?;
            for balance in 11..=14 {
                ann.balance = balance;
                accounts.save(&mut ann)?;
                session.flush().await?;
            }
            ann.balance = 15;
            accounts.save(&mut ann)?;
            Ok::<_, Error>(ann)
        })
        .await
        .unwrap();
    assert_eq!(ann.revision.version(), Some(6));
    assert_eq!(db.accounts().await, [facts(1, "ann", 15, 6)]);
}

async fn saves_without_a_flush_count_as_one(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY, async |_| {
            let mut ann = accounts.get(1).await?;
            for balance in 11..=14 {
                ann.balance = balance;
                accounts.save(&mut ann)?;
            }
            assert_eq!(ann.revision.version(), Some(2));
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    assert_eq!(statements(&db).len(), 2);
    assert_eq!(db.accounts().await, [facts(1, "ann", 14, 2)]);
}

async fn an_added_row_saved_before_its_insert_has_the_first_version(db: Database) {
    let accounts = db.account_repository();
    let mut ann = account(1, "ann", 10);
    db.sessions
        .transaction(PAY, async |_| {
            accounts.add(&mut ann)?;
            ann.balance = 11;
            accounts.save(&mut ann)
        })
        .await
        .unwrap();
    assert_eq!(ann.revision.version(), Some(1));
    assert_eq!(db.accounts().await, [facts(1, "ann", 11, 1)]);
    ann.balance = 12;
    db.sessions.transaction(PAY, async |_| accounts.save(&mut ann)).await.unwrap();
    assert_eq!(db.accounts().await, [facts(1, "ann", 12, 2)]);
}

async fn a_row_of_no_version_is_saved_by_its_key(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let postings = db.sessions.repository::<Posting>();
    db.sessions.transaction(PAY, async |_| postings.add(&mut posting(1, 1, 5))).await.unwrap();
    db.sessions
        .transaction(PAY, async |_| {
            let mut first = postings.get(1).await?;
            db.execute("UPDATE postings SET text = 'theirs'").await;
            first.amount = 6;
            postings.save(&mut first)
        })
        .await
        .unwrap();
    // The last write of each column wins.
    let row: (i64, String) = db.observer().sql("SELECT amount, text FROM postings").fetch_one().await.unwrap();
    assert_eq!(row, (6, "theirs".to_owned()));
}

async fn a_row_of_no_version_that_is_gone_is_a_conflict(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let postings = db.sessions.repository::<Posting>();
    db.sessions.transaction(PAY, async |_| postings.add(&mut posting(1, 1, 5))).await.unwrap();
    let answer = db.sessions.transaction(PAY, async |_| {
        let mut first = postings.get(1).await?;
        db.execute("DELETE FROM postings").await;
        first.amount = 6;
        postings.save_now(&mut first).await
    });
    let error = answer.await.unwrap_err();
    assert!(error.is_conflict());
    assert_eq!((error.table(), error.ids(), error.expected_version()), (Some("postings"), &["1".to_owned()][..], None));
    assert!(error.to_string().starts_with("save to `postings` with id 1: no such row (queued at "), "{error}");
}

fn not_loaded(verb: &str, table: &str) -> String {
    format!(
        "{verb} `{table}` with id 1: this session did not load it; load it here, use `add` for a new one, `upsert` if it \
         may exist, or `attach` with the version it was loaded with"
    )
}

async fn an_unknown_row_is_not_saved(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let (accounts, postings) = (db.account_repository(), db.sessions.repository::<Posting>());
    db.sessions
        .transaction(PAY, async |_| {
            let error = accounts.save(&mut account(1, "eve", 0)).unwrap_err();
            assert!(error.is_not_loaded());
            assert_eq!((error.table(), error.ids()), (Some("accounts"), &["1".to_owned()][..]));
            assert_eq!(error.to_string(), not_loaded("save", "accounts"));
            let error = postings.save(&mut posting(1, 1, 1)).unwrap_err();
            assert_eq!((error.kind(), error.to_string()), (ErrorKind::NotLoaded, not_loaded("save", "postings")));
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1)]);
}

async fn an_unknown_row_is_not_deleted(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY, async |_| {
            let error = accounts.delete(&mut account(1, "ann", 10)).unwrap_err();
            assert_eq!((error.kind(), error.to_string()), (ErrorKind::NotLoaded, not_loaded("delete", "accounts")));
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1)]);
}

async fn a_deleted_row_is_not_saved(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY, async |session| {
            let mut ann = accounts.get(1).await?;
            accounts.delete(&mut ann)?;
            for flushed in [false, true] {
                if flushed {
                    session.flush().await?;
                }
                for error in [accounts.save(&mut ann).unwrap_err(), accounts.delete(&mut ann).unwrap_err()] {
                    assert!(error.is_not_loaded());
                    let text = error.to_string();
                    assert!(text.ends_with("it was deleted in this session; add it again with `add`"), "{text}");
                }
            }
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    assert_eq!(db.accounts().await, []);
}

async fn a_copy_older_than_the_last_save_is_stale(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY, async |session| {
            let mut old = accounts.get(1).await?;
            let mut new = accounts.get(1).await?;
            new.balance = 11;
            accounts.save(&mut new)?;
            old.owner = "eve".to_owned();
            for flushed in [false, true] {
                if flushed {
                    session.flush().await?;
                }
                for error in [accounts.save(&mut old).unwrap_err(), accounts.delete(&mut old).unwrap_err()] {
                    assert!(error.is_stale_copy());
                    assert_eq!(error.ids(), ["1"]);
                }
            }
            // The last one saved is good.
            new.balance = 12;
            accounts.save(&mut new)
        })
        .await
        .unwrap();
    assert_eq!(db.accounts().await, [facts(1, "ann", 12, 3)]);
}

async fn a_clone_taken_before_a_save_is_stale(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY, async |_| {
            let mut ann = accounts.get(1).await?;
            ann.balance = 11;
            accounts.save(&mut ann)?;
            let mut clone = ann.clone();
            ann.balance = 12;
            accounts.save(&mut ann)?;
            // Both hold version 2, which the row will have; only one has seen the second save.
            clone.owner = "eve".to_owned();
            assert!(accounts.save(&mut clone).unwrap_err().is_stale_copy());
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    assert_eq!(db.accounts().await, [facts(1, "ann", 12, 2)]);
}

async fn a_save_of_no_change_makes_no_copy_stale(db: Database) {
    db.store(&[account(1, "ann", 10), account(2, "bob", 20)]).await;
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY, async |session| {
            for (id, flushed) in [(1, false), (2, true)] {
                let mut first = accounts.get(id).await?;
                first.balance += 1;
                accounts.save(&mut first)?;
                if flushed {
                    session.flush().await?;
                }
                let mut same = accounts.get(id).await?;
                accounts.save(&mut same)?;
                // Both are as good as before, whether anything waits or not.
                first.balance += 1;
                accounts.save(&mut first)?;
                assert!(accounts.save(&mut same).unwrap_err().is_stale_copy());
            }
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    assert_eq!(db.accounts().await, [facts(1, "ann", 12, 2), facts(2, "bob", 22, 3)]);
}

async fn a_row_that_is_replaced_is_saved_as_often_as_one_likes(db: Database) {
    db.store(&[account(1, "ann", 10), account(2, "bob", 20)]).await;
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY, async |_| {
            for mut new in [account(1, "eve", 0), account(2, "dan", 0)] {
                accounts.delete_by_id(new.id)?;
                accounts.add(&mut new)?;
                for balance in 1..=3 {
                    let mut old = new.clone();
                    new.balance = balance;
                    accounts.save(&mut new)?;
                    assert!(accounts.save(&mut old).unwrap_err().is_stale_copy());
                }
            }
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    let stored: Vec<(i64, String, i64)> =
        db.observer().sql("SELECT id, owner, balance FROM accounts ORDER BY id").fetch_all().await.unwrap();
    assert_eq!(stored, [(1, "eve".to_owned(), 3), (2, "dan".to_owned(), 3)]);
}

async fn a_bare_version_tells_stale_copies_too(db: Database) {
    let letters = db.sessions.repository::<Letter>();
    db.sessions.transaction(PAY, async |_| letters.add(&mut letter(1, "dear"))).await.unwrap();
    db.sessions
        .transaction(PAY, async |_| {
            let mut old = letters.get(1).await?;
            let mut new = old.clone();
            new.text = "dear ann".to_owned();
            letters.save(&mut new)?;
            assert_eq!((old.version, new.version), (1, 2));
            old.text = "dear bob".to_owned();
            assert!(letters.save(&mut old).unwrap_err().is_stale_copy());
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    let text: (String,) = db.observer().sql("SELECT text FROM letters").fetch_one().await.unwrap();
    assert_eq!(text.0, "dear ann");
}

async fn a_row_is_not_added_twice(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY, async |_| {
            accounts.get(1).await?;
            accounts.add(&mut account(2, "bob", 20))?;
            for id in [1, 2] {
                let error = accounts.add(&mut account(id, "eve", 0)).unwrap_err();
                assert!(error.is_unique_violation());
                assert_eq!(error.constraint(), Some("pk_accounts"));
                assert_eq!(
                    error.to_string(),
                    format!("add to `accounts`: this session already has an aggregate with id {id}")
                );
            }
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1), facts(2, "bob", 20, 1)]);
}

async fn a_value_that_cannot_be_stored_is_refused_at_once(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY, async |session| {
            let error = accounts.add(&mut account(2, "b\0b", 20)).unwrap_err();
            assert!(error.is_mapping());
            assert_eq!((error.table(), error.columns()), (Some("accounts"), &["owner".to_owned()][..]));
            let mut ann = accounts.get(1).await?;
            let good = ann.clone();
            ann.owner.push('\0');
            assert!(accounts.save(&mut ann).unwrap_err().is_mapping());
            assert!(accounts.upsert(&mut ann).unwrap_err().is_mapping());
            // Nothing happened.
            assert!(!session.is_rollback_only());
            assert_eq!(accounts.get(1).await?, good);
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
}

async fn a_domain_value_is_of_use_in_the_next_session(db: Database) {
    let accounts = db.account_repository();
    let mut ann = account(1, "ann", 10);
    db.sessions.transaction(PAY, async |_| accounts.add(&mut ann)).await.unwrap();
    for balance in 11..=13 {
        ann.balance = balance;
        db.sessions.transaction(PAY, async |_| accounts.save(&mut ann)).await.unwrap();
    }
    assert_eq!(db.accounts().await, [facts(1, "ann", 13, 4)]);
    db.sessions.transaction(PAY, async |_| accounts.delete(&mut ann)).await.unwrap();
    assert_eq!(db.accounts().await, []);
}

async fn many_shapes_of_change_end_in_one_statement(db: Database) {
    let letters: Vec<_> = (1..=40).map(|id| account(id, &format!("owner {id}"), id)).collect();
    db.store(&letters).await;
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY, async |_| {
            let mut all = accounts.get_many(1..=40).await?;
            for (position, account) in all.iter_mut().enumerate() {
                if position % 2 == 0 {
                    account.balance += 100;
                }
                if position % 3 == 0 {
                    account.owner.push('!');
                }
            }
            accounts.save_all(&mut all)
        })
        .await
        .unwrap();
    assert_eq!(statements(&db).len(), 2);
    let stored = db.accounts().await;
    for (position, (id, owner, balance, version)) in stored.into_iter().enumerate() {
        let (richer, louder) = (position % 2 == 0, position % 3 == 0);
        assert_eq!(balance, id + if richer { 100 } else { 0 });
        assert_eq!(owner.ends_with('!'), louder);
        assert_eq!(version, if richer || louder { 2 } else { 1 });
    }
}

async fn rows_changed_in_different_columns_are_one_statement(db: Database) {
    db.store(&[account(1, "ann", 10), account(2, "bob", 20)]).await;
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY, async |_| {
            let mut both = accounts.get_many([1, 2]).await?;
            both[0].balance = 11;
            both[1].owner = "bill".to_owned();
            accounts.save_all(&mut both)
        })
        .await
        .unwrap();
    assert_eq!(statements(&db).len(), 2);
    assert_eq!(db.accounts().await, [facts(1, "ann", 11, 2), facts(2, "bill", 20, 2)]);
}

async fn a_saved_value_equals_the_one_that_is_read_again(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    let work = db.sessions.transaction(PAY, async |_| {
        let mut ann = accounts.get(1).await?;
        let loaded = ann.clone();
        ann.balance += 5;
        accounts.save(&mut ann)?;
        assert_ne!(ann, loaded);
        Ok::<_, Error>(ann)
    });
    let saved = work.await.unwrap();
    assert_eq!(saved, accounts.get(1).await.unwrap());
}

async fn a_save_of_no_change_leaves_a_value_equal(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    let work = db.sessions.transaction(PAY, async |_| {
        let mut ann = accounts.get(1).await?;
        let loaded = ann.clone();
        accounts.save(&mut ann)?;
        assert_eq!(ann, loaded);
        Ok::<_, Error>(())
    });
    work.await.unwrap();
}
