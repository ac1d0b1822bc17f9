//! Several writes of one row become one.

use spakky::Error;
use spakky::prelude::*;

use crate::support::{Database, account, facts, on_each_backend};

on_each_backend![
    add_and_save_is_an_insert,
    add_and_delete_is_nothing,
    add_delete_and_add_is_an_insert,
    delete_and_add_is_an_update,
    delete_and_add_is_guarded_by_the_version,
    delete_add_and_save_is_an_update,
    delete_add_and_delete_is_a_delete,
    save_and_delete_is_a_delete,
    save_and_delete_is_guarded_by_the_version,
    delete_flush_and_add_is_both,
    upsert_inserts_or_updates,
    upsert_and_save_is_an_upsert,
    upsert_flush_and_save_updates,
    upsert_and_delete_is_a_delete,
    save_and_upsert_is_guarded_by_the_version,
    delete_by_id_and_add_replaces_whatever_is_there,
    delete_by_id_of_what_is_not_there_is_fine,
    an_upsert_is_read_back,
];

const PAY: TransactionOptions = TransactionOptions::new().name("pay");

/// The statements sent, by their verb.
fn verbs(db: &Database) -> Vec<&'static str> {
    let verb = |sql: &String| {
        let upsert = sql.contains("ON CONFLICT");
        ["DELETE FROM", "INSERT INTO", "UPDATE \"", "SELECT"]
            .into_iter()
            .find(|verb| sql.contains(verb))
            .map(|verb| if upsert { "UPSERT" } else { verb.split(' ').next().unwrap() })
    };
    db.sent().iter().filter_map(verb).collect()
}

/// Runs it on a bank with ann (version 1) in it.
async fn with_ann(
    db: &Database,
    body: impl AsyncFnOnce(&Session, &Repository<crate::support::AccountRow>) -> Result<(), Error>,
) -> Result<(), Error> {
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    db.sent();
    db.sessions.transaction(PAY, async |session| body(&session, &accounts).await).await
}

async fn add_and_save_is_an_insert(db: Database) {
    let answer = with_ann(&db, async |_, accounts| {
        let mut bob = account(2, "bob", 20);
        accounts.add(&mut bob)?;
        bob.balance = 21;
        accounts.save(&mut bob)
    });
    answer.await.unwrap();
    assert_eq!(verbs(&db), ["INSERT"]);
    assert_eq!(db.accounts().await[1], facts(2, "bob", 21, 1));
}

async fn add_and_delete_is_nothing(db: Database) {
    let answer = with_ann(&db, async |session, accounts| {
        let mut bob = account(2, "bob", 20);
        accounts.add(&mut bob)?;
        accounts.delete(&mut bob)?;
        assert_eq!(accounts.find(2).await?, None);
        session.flush().await
    });
    answer.await.unwrap();
    assert_eq!(db.sent(), Vec::<String>::new());
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1)]);
}

async fn add_delete_and_add_is_an_insert(db: Database) {
    let answer = with_ann(&db, async |_, accounts| {
        let mut bob = account(2, "bob", 20);
        accounts.add(&mut bob)?;
        accounts.delete(&mut bob)?;
        let mut bill = account(2, "bill", 22);
        accounts.add(&mut bill)?;
        assert_eq!(accounts.get(2).await?, bill);
        Ok(())
    });
    answer.await.unwrap();
    assert_eq!(verbs(&db), ["INSERT"]);
    assert_eq!(db.accounts().await[1], facts(2, "bill", 22, 1));
}

async fn delete_and_add_is_an_update(db: Database) {
    let mut eve = account(1, "eve", 5);
    let answer = with_ann(&db, async |_, accounts| {
        let mut ann = accounts.get(1).await?;
        accounts.delete(&mut ann)?;
        accounts.add(&mut eve)?;
        assert_eq!(accounts.get(1).await?, eve);
        Ok(())
    });
    answer.await.unwrap();
    assert_eq!(verbs(&db), ["SELECT", "UPDATE"]);
    assert_eq!(db.accounts().await, [facts(1, "eve", 5, 2)]);
    // Its version in hand is that of the row.
    eve.balance = 6;
    let accounts = db.account_repository();
    db.sessions.transaction(PAY, async |_| accounts.save(&mut eve)).await.unwrap();
    assert_eq!(db.accounts().await, [facts(1, "eve", 6, 3)]);
}

async fn delete_and_add_is_guarded_by_the_version(db: Database) {
    let answer = with_ann(&db, async |_, accounts| {
        let mut ann = accounts.get(1).await?;
        db.execute("UPDATE accounts SET version = 2").await;
        accounts.delete(&mut ann)?;
        accounts.add(&mut account(1, "eve", 5))
    });
    let error = answer.await.unwrap_err();
    assert!(error.is_conflict());
    assert_eq!(error.expected_version(), Some(1));
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 2)]);
}

async fn delete_add_and_save_is_an_update(db: Database) {
    let answer = with_ann(&db, async |_, accounts| {
        let mut ann = accounts.get(1).await?;
        accounts.delete(&mut ann)?;
        let mut eve = account(1, "eve", 5);
        accounts.add(&mut eve)?;
        eve.balance = 6;
        accounts.save(&mut eve)
    });
    answer.await.unwrap();
    assert_eq!(verbs(&db), ["SELECT", "UPDATE"]);
    assert_eq!(db.accounts().await, [facts(1, "eve", 6, 2)]);
}

async fn delete_add_and_delete_is_a_delete(db: Database) {
    let answer = with_ann(&db, async |_, accounts| {
        let mut ann = accounts.get(1).await?;
        accounts.delete(&mut ann)?;
        let mut eve = account(1, "eve", 5);
        accounts.add(&mut eve)?;
        accounts.delete(&mut eve)
    });
    answer.await.unwrap();
    assert_eq!(verbs(&db), ["SELECT", "DELETE"]);
    assert_eq!(db.accounts().await, []);
}

async fn save_and_delete_is_a_delete(db: Database) {
    let answer = with_ann(&db, async |_, accounts| {
        let mut ann = accounts.get(1).await?;
        ann.balance = 11;
        accounts.save(&mut ann)?;
        accounts.delete(&mut ann)
    });
    answer.await.unwrap();
    assert_eq!(verbs(&db), ["SELECT", "DELETE"]);
    assert_eq!(db.accounts().await, []);
}

async fn save_and_delete_is_guarded_by_the_version(db: Database) {
    let answer = with_ann(&db, async |_, accounts| {
        let mut ann = accounts.get(1).await?;
        db.execute("UPDATE accounts SET version = 2").await;
        ann.balance = 11;
        accounts.save(&mut ann)?;
        accounts.delete(&mut ann)
    });
    let error = answer.await.unwrap_err();
    assert!(error.is_conflict());
    assert!(
        error.to_string().starts_with("delete from `accounts` with id 1: its version is no longer 1, or it is gone"),
        "{error}"
    );
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 2)]);
}

async fn delete_flush_and_add_is_both(db: Database) {
    let answer = with_ann(&db, async |session, accounts| {
        let mut ann = accounts.get(1).await?;
        accounts.delete(&mut ann)?;
        session.flush().await?;
        let mut eve = account(1, "eve", 5);
        accounts.add(&mut eve)?;
        assert_eq!(eve.revision.version(), Some(1));
        Ok(())
    });
    answer.await.unwrap();
    assert_eq!(verbs(&db), ["SELECT", "DELETE", "INSERT"]);
    assert_eq!(db.accounts().await, [facts(1, "eve", 5, 1)]);
}

async fn upsert_inserts_or_updates(db: Database) {
    let answer =
        with_ann(&db, async |_, accounts| accounts.upsert_all(&mut [account(1, "anna", 11), account(2, "bob", 20)]));
    answer.await.unwrap();
    assert_eq!(verbs(&db), ["UPSERT"]);
    assert_eq!(db.accounts().await, [facts(1, "anna", 11, 2), facts(2, "bob", 20, 1)]);
}

async fn upsert_and_save_is_an_upsert(db: Database) {
    let answer = with_ann(&db, async |_, accounts| {
        let mut ann = account(1, "anna", 11);
        accounts.upsert(&mut ann)?;
        ann.balance = 12;
        accounts.save(&mut ann)
    });
    answer.await.unwrap();
    assert_eq!(verbs(&db), ["UPSERT"]);
    assert_eq!(db.accounts().await, [facts(1, "anna", 12, 2)]);
}

async fn upsert_flush_and_save_updates(db: Database) {
    let answer = with_ann(&db, async |session, accounts| {
        let mut ann = account(1, "anna", 11);
        accounts.upsert(&mut ann)?;
        session.flush().await?;
        ann.balance = 12;
        accounts.save(&mut ann)
    });
    answer.await.unwrap();
    assert_eq!(verbs(&db), ["UPSERT", "UPDATE"]);
    assert_eq!(db.accounts().await, [facts(1, "anna", 12, 3)]);
}

async fn upsert_and_delete_is_a_delete(db: Database) {
    let answer = with_ann(&db, async |_, accounts| {
        let (mut ann, mut bob) = (account(1, "anna", 11), account(2, "bob", 20));
        accounts.upsert(&mut ann)?;
        accounts.upsert(&mut bob)?;
        accounts.delete(&mut ann)?;
        accounts.delete(&mut bob)
    });
    answer.await.unwrap();
    assert_eq!(verbs(&db), ["DELETE"]);
    assert_eq!(db.accounts().await, []);
}

async fn save_and_upsert_is_guarded_by_the_version(db: Database) {
    let answer = with_ann(&db, async |_, accounts| {
        let mut ann = accounts.get(1).await?;
        db.execute("UPDATE accounts SET version = 2").await;
        ann.balance = 11;
        accounts.save(&mut ann)?;
        accounts.upsert(&mut account(1, "anna", 12))
    });
    assert!(answer.await.unwrap_err().is_conflict());
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 2)]);
}

async fn delete_by_id_and_add_replaces_whatever_is_there(db: Database) {
    let answer = with_ann(&db, async |_, accounts| {
        accounts.delete_all_by_id([1, 2])?;
        accounts.add_all(&mut [account(1, "eve", 5), account(2, "bob", 20)])
    });
    answer.await.unwrap();
    assert_eq!(verbs(&db), ["UPSERT"]);
    // As new rows, their versions too.
    assert_eq!(db.accounts().await, [facts(1, "eve", 5, 1), facts(2, "bob", 20, 1)]);
}

async fn delete_by_id_of_what_is_not_there_is_fine(db: Database) {
    let answer = with_ann(&db, async |_, accounts| {
        accounts.delete_by_id(7)?;
        accounts.delete_by_id_now(8).await?;
        accounts.delete_all_by_id([1, 9])
    });
    answer.await.unwrap();
    assert_eq!(db.accounts().await, []);
}

async fn an_upsert_is_read_back(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    db.execute("UPDATE accounts SET version = 7, remark = 'kept'").await;
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY, async |_| {
            accounts.upsert(&mut account(1, "anna", 11))?;
            let mut anna = accounts.get(1).await?;
            assert_eq!((anna.balance, anna.revision.version()), (11, Some(8)));
            anna.balance = 12;
            accounts.save(&mut anna)
        })
        .await
        .unwrap();
    assert_eq!(db.accounts().await, [facts(1, "anna", 12, 9)]);
    assert_eq!(db.numbers("SELECT count(*) FROM accounts WHERE remark = 'kept'").await, [1]);
}
