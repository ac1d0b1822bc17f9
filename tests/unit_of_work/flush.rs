//! The order in which queued writes reach the database.

use spakky::Error;
use spakky::prelude::*;

use crate::support::{AccountRow, Database, Posting, account, facts, on_each_backend, posting};

on_each_backend![
    rows_come_behind_those_of_their_own_table_that_they_refer_to,
    parents_are_inserted_before_their_children,
    children_are_deleted_before_their_parents,
    a_child_is_moved_to_a_new_parent_before_the_old_one_goes,
    a_row_is_replaced_under_a_unique_key,
    a_unique_value_is_handed_on,
    a_swap_of_unique_values_is_made_or_refused_clearly,
    queued_writes_of_one_kind_are_one_statement,
    a_thousand_rows_are_inserted,
    a_thousand_rows_are_changed_and_deleted,
    an_explicit_flush_shows_errors_at_the_call,
    a_failed_flush_leaves_nothing_behind,
];

const PAY: TransactionOptions = TransactionOptions::new().name("pay");

fn statements(db: &Database) -> Vec<String> {
    db.sent().into_iter().filter(|sql| sql.contains('"')).collect()
}

async fn parents_are_inserted_before_their_children(db: Database) {
    let (accounts, postings) = (db.account_repository(), db.sessions.repository::<Posting>());
    db.sessions
        .transaction(PAY, async |_| {
            postings.add(&mut posting(1, 1, 5))?;
            postings.add(&mut posting(2, 2, 5))?;
            accounts.add(&mut account(1, "ann", 10))?;
            accounts.add(&mut account(2, "bob", 20))
        })
        .await
        .unwrap();
    assert_eq!(db.numbers("SELECT account FROM postings ORDER BY id").await, [1, 2]);
}

async fn children_are_deleted_before_their_parents(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    db.execute("INSERT INTO postings (id, account, amount, text) VALUES (1, 1, 5, '')").await;
    let (accounts, postings) = (db.account_repository(), db.sessions.repository::<Posting>());
    db.sessions
        .transaction(PAY, async |_| {
            let (mut ann, mut first) = (accounts.get(1).await?, postings.get(1).await?);
            accounts.delete(&mut ann)?;
            postings.delete(&mut first)
        })
        .await
        .unwrap();
    assert_eq!(db.accounts().await, []);
}

async fn a_child_is_moved_to_a_new_parent_before_the_old_one_goes(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    db.execute("INSERT INTO postings (id, account, amount, text) VALUES (1, 1, 5, '')").await;
    let (accounts, postings) = (db.account_repository(), db.sessions.repository::<Posting>());
    db.sessions
        .transaction(PAY, async |_| {
            let (mut ann, mut first) = (accounts.get(1).await?, postings.get(1).await?);
            accounts.delete(&mut ann)?;
            first.account = 2;
            postings.save(&mut first)?;
            accounts.add(&mut account(2, "bob", 20))
        })
        .await
        .unwrap();
    assert_eq!(db.accounts().await, [facts(2, "bob", 20, 1)]);
    assert_eq!(db.numbers("SELECT account FROM postings").await, [2]);
}

async fn a_row_is_replaced_under_a_unique_key(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY, async |_| {
            let mut ann = accounts.get(1).await?;
            accounts.add(&mut account(2, "ann", 20))?;
            accounts.delete(&mut ann)
        })
        .await
        .unwrap();
    assert_eq!(db.accounts().await, [facts(2, "ann", 20, 1)]);
}

async fn a_unique_value_is_handed_on(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    db.sessions
        .transaction(PAY, async |_| {
            let mut ann = accounts.get(1).await?;
            accounts.add(&mut account(2, "ann", 20))?;
            ann.owner = "anna".to_owned();
            accounts.save(&mut ann)
        })
        .await
        .unwrap();
    assert_eq!(db.accounts().await, [facts(1, "anna", 10, 2), facts(2, "ann", 20, 1)]);
}

async fn a_swap_of_unique_values_is_made_or_refused_clearly(db: Database) {
    db.store(&[account(1, "ann", 10), account(2, "bob", 20)]).await;
    let accounts = db.account_repository();
    let answer = db.sessions.transaction(PAY, async |_| {
        let mut both = accounts.get_many([1, 2]).await?;
        both[0].owner = "bob".to_owned();
        both[1].owner = "ann".to_owned();
        accounts.save_all(&mut both)
    });
    match answer.await {
        Ok(()) => assert_eq!(db.accounts().await, [facts(1, "bob", 10, 2), facts(2, "ann", 20, 2)]),
        Err(error) => {
            assert!(error.is_unique_violation());
            assert_eq!((error.table(), error.constraint()), (Some("accounts"), Some("uq_accounts_owner")));
            assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1), facts(2, "bob", 20, 1)]);
        }
    }
}

async fn queued_writes_of_one_kind_are_one_statement(db: Database) {
    db.store(&[account(1, "ann", 10), account(2, "bob", 20), account(3, "cy", 30), account(4, "dan", 40)]).await;
    let (accounts, postings) = (db.account_repository(), db.sessions.repository::<Posting>());
    let mut all = db.sessions.transaction(PAY, async |_| accounts.get_many([1, 2, 3, 4]).await).await.unwrap();
    db.sent();
    db.sessions
        .transaction(PAY, async |session| {
            let (changed, gone) = all.split_at_mut(2);
            for id in 5..8 {
                accounts.add(&mut account(id, &format!("owner {id}"), id))?;
                postings.add(&mut posting(id, id, id))?;
            }
            for account in changed {
                account.balance += 1;
                accounts.save(account)?;
            }
            accounts.delete_all(gone)?;
            assert_eq!(session.statistics().statements, 0);
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    let sent = statements(&db);
    assert_eq!(sent.len(), 4, "{sent:#?}");
    assert!(sent[0].contains(r#"DELETE FROM "accounts""#), "{sent:#?}");
    assert!(sent[1].contains(r#"UPDATE "accounts""#), "{sent:#?}");
    assert!(sent[2].contains(r#"INSERT INTO "accounts""#), "{sent:#?}");
    assert!(sent[3].contains(r#"INSERT INTO "postings""#), "{sent:#?}");
    assert_eq!(db.numbers("SELECT id FROM accounts ORDER BY id").await, [1, 2, 5, 6, 7]);
}

async fn a_thousand_rows_are_inserted(db: Database) {
    let (accounts, postings) = (db.account_repository(), db.sessions.repository::<Posting>());
    let mut many: Vec<_> = (1..=1_000).map(|id| account(id, &format!("owner {id}"), id)).collect();
    let mut theirs: Vec<_> = (1..=12_000).map(|id| posting(id, 1 + id % 1_000, id)).collect();
    let answer = db.sessions.transaction(PAY, async |session| {
        postings.add_all(&mut theirs)?;
        accounts.add_all(&mut many)?;
        session.flush().await?;
        Ok::<_, Error>(session.statistics())
    });
    let statistics = answer.await.unwrap();
    assert_eq!((statistics.round_trips, statistics.rows_written), (1, 13_000));
    // On SQLite they go in lots of 100, whose one text stays prepared.
    assert_eq!(statistics.statements, if db.is_sqlite() { 131 } else { 3 });
    assert_eq!(db.numbers("SELECT count(*) FROM accounts WHERE balance = id AND version = 1").await, [1_000]);
    assert_eq!(db.numbers("SELECT count(*) FROM postings WHERE amount = id").await, [12_000]);
}

async fn a_thousand_rows_are_changed_and_deleted(db: Database) {
    let accounts = db.account_repository();
    let mut many: Vec<_> = (1..=1_000).map(|id| account(id, &format!("owner {id}"), id)).collect();
    db.sessions.transaction(PAY, async |_| accounts.add_all(&mut many)).await.unwrap();
    db.sessions
        .transaction(PAY, async |session| {
            for account in &mut many {
                account.balance *= 2;
                account.owner.push('!');
            }
            let (changed, gone) = many.split_at_mut(600);
            accounts.save_all(changed)?;
            accounts.delete_all(gone)?;
            session.flush().await?;
            assert_eq!((session.statistics().round_trips, session.statistics().statements), (1, 3));
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    let sql = "SELECT count(*) FROM accounts WHERE balance = 2 * id AND version = 2 AND owner LIKE '%!' AND id <= 600";
    assert_eq!(db.numbers(sql).await, [600]);
    assert_eq!(db.numbers("SELECT count(*) FROM accounts").await, [600]);
}

async fn an_explicit_flush_shows_errors_at_the_call(db: Database) {
    let accounts = db.account_repository();
    let answer = db.sessions.transaction(PAY, async |session| {
        accounts.add(&mut account(1, "ann", -5))?;
        let error = session.flush().await.unwrap_err();
        assert!(error.is_check_violation());
        assert_eq!(error.constraint(), Some("ck_accounts_solvent"));
        assert!(session.is_rollback_only());
        Err::<(), _>(error)
    });
    assert!(answer.await.unwrap_err().is_check_violation());
}

async fn a_failed_flush_leaves_nothing_behind(db: Database) {
    let (accounts, postings) = (db.account_repository(), db.sessions.repository::<Posting>());
    let answer = db.sessions.transaction(PAY, async |_| {
        accounts.add(&mut account(1, "ann", 10))?;
        // Refers to nobody; the statement before it has run by then.
        postings.add(&mut posting(1, 99, 5))
    });
    let error = answer.await.unwrap_err();
    assert!(error.is_foreign_key_violation());
    assert_eq!((error.table(), error.constraint()), (Some("postings"), Some("fk_postings_account")));
    assert_eq!(db.accounts().await, []);
    // The connection is fit for use.
    db.sessions.transaction(PAY, async |_| accounts.add(&mut account(1, "ann", 10))).await.unwrap();
    assert_eq!(db.sessions.repository::<AccountRow>().get(1).await.unwrap().balance, 10);
}

/// A row of a tree.
#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "nodes")]
#[mappable(domain = Self)]
struct Node {
    #[table(id)]
    id: i64,
    #[table(references(Node), index)]
    above: Option<i64>,
    #[table(flatten)]
    data: Data,
}

/// So many columns that a few thousand rows are more than one statement of SQLite takes.
#[derive(Debug, Clone, Default, PartialEq, Table)]
#[table(embedded)]
struct Data {
    a: i16,
    b: i16,
    c: i16,
    d: i16,
    e: i16,
    f: i16,
    g: i16,
    h: i16,
}

async fn rows_come_behind_those_of_their_own_table_that_they_refer_to(db: Database) {
    const ROWS: i64 = 4_000;
    db.sessions.create_tables(&schema![Node]).await.unwrap();
    let nodes = db.sessions.repository::<Node>();
    // Each refers to the next one: by their keys, all of them would come before what they refer to.
    let node = |id| Node { id, above: (id < ROWS).then_some(id + 1), data: Data::default() };
    let mut chain: Vec<Node> = (1..=ROWS).map(node).collect();
    let work = TransactionOptions::new();
    db.sessions.transaction(work, async |_| nodes.add_all(&mut chain)).await.unwrap();
    assert_eq!(nodes.query().count().await.unwrap(), 4_000);
    db.sessions.transaction(work, async |_| nodes.upsert_all(&mut chain)).await.unwrap();
    db.sessions.transaction(work, async |_| nodes.delete_all_by_id(1..=ROWS)).await.unwrap();
    assert_eq!(nodes.query().count().await.unwrap(), 0);
}
