//! Many rows in one statement.

use spakky::Error;
use spakky::prelude::*;

use crate::support::{Account, Database, Letter, Line, Posting, account, letter, on_each_backend, posting};

on_each_backend![
    a_batch_is_one_statement_for_each_table_and_kind,
    a_batch_of_more_values_than_a_statement_takes_is_saved_whole,
    deletes_of_a_batch_are_one_statement,
];

mod server {
    use super::*;

    crate::support::on_postgres![
        one_prepared_statement_serves_every_size_of_batch,
        two_batches_in_opposite_orders_do_not_deadlock,
    ];
}

const WORK: TransactionOptions = TransactionOptions::new().name("work");

/// How many of the statements begin so, past a leading `WITH spakky_w AS (`.
fn count(sent: &[String], start: &str) -> usize {
    sent.iter().filter(|sql| sql.trim_start_matches("WITH spakky_w AS (").starts_with(start)).count()
}

async fn a_batch_is_one_statement_for_each_table_and_kind(db: Database) {
    db.store(&(1..=30).map(|id| account(id, &format!("owner {id}"), id)).collect::<Vec<_>>()).await;
    let accounts = db.account_repository();
    let (letters, postings) = (db.sessions.repository::<Letter>(), db.sessions.repository::<Posting>());
    let work = db.sessions.transaction(WORK, async |_| {
        let mut known = accounts.get_many(1..=30).await?;
        db.sent();
        for n in 0..10 {
            // Kinds and tables mixed on purpose.
            postings.add(&mut posting(n, 100 + n, n))?;
            accounts.add(&mut account(100 + n, &format!("new {n}"), 0))?;
            letters.add(&mut letter(n, "dear"))?;
            known[n as usize].balance += 1;
            accounts.save(&mut known[n as usize])?;
            accounts.delete(&mut known[20 + n as usize])?;
        }
        Ok::<_, Error>(())
    });
    work.await.unwrap();
    let sent = db.sent();
    assert_eq!(count(&sent, "INSERT INTO \"accounts\""), 1, "{sent:#?}");
    assert_eq!(count(&sent, "INSERT INTO \"postings\""), 1, "{sent:#?}");
    assert_eq!(count(&sent, "INSERT INTO \"letters\""), 1, "{sent:#?}");
    assert_eq!(sent.iter().filter(|sql| sql.contains("UPDATE \"accounts\"")).count(), 1, "{sent:#?}");
    assert_eq!(sent.iter().filter(|sql| sql.contains("DELETE FROM \"accounts\"")).count(), 1, "{sent:#?}");
    let place = |text: &str| sent.iter().position(|sql| sql.contains(text)).unwrap();
    assert!(place("DELETE FROM \"accounts\"") < place("UPDATE \"accounts\""));
    assert!(place("UPDATE \"accounts\"") < place("INSERT INTO \"accounts\""));
    assert!(place("INSERT INTO \"accounts\"") < place("INSERT INTO \"postings\""));
    assert_eq!(db.numbers("SELECT count(*) FROM accounts").await, [30]);
    assert_eq!(db.numbers("SELECT CAST(sum(balance) AS bigint) FROM accounts").await, [(1..=20).sum::<i64>() + 10]);
}

/// SQLite takes 32,766 values in one statement.
async fn a_batch_of_more_values_than_a_statement_takes_is_saved_whole(db: Database) {
    const ROWS: i64 = 20_000;
    let mut all: Vec<Account> = (0..ROWS).map(|id| account(id, &format!("owner {id}"), 1)).collect();
    let accounts = db.account_repository();
    db.sessions.transaction(WORK, async |_| accounts.add_all(&mut all)).await.unwrap();
    assert_eq!(db.numbers("SELECT count(*) FROM accounts").await, [ROWS]);
    let work = db.sessions.transaction(WORK, async |_| {
        for account in &mut all {
            account.balance += 1;
        }
        accounts.save_all(&mut all)
    });
    work.await.unwrap();
    assert_eq!(db.numbers("SELECT CAST(sum(balance) AS bigint) FROM accounts").await, [2 * ROWS]);
    assert_eq!(db.numbers("SELECT count(*) FROM accounts WHERE version = 2").await, [ROWS]);
}

async fn deletes_of_a_batch_are_one_statement(db: Database) {
    db.store(&(1..=30).map(|id| account(id, &format!("owner {id}"), id)).collect::<Vec<_>>()).await;
    let accounts = db.account_repository();
    db.sent();
    let work = db.sessions.transaction(WORK, async |_| accounts.delete_all_by_id(1..=29));
    work.await.unwrap();
    let sent = db.sent();
    assert_eq!(sent.len(), 3, "{sent:#?}");
    assert_eq!(db.numbers("SELECT id FROM accounts").await, [30]);
}

async fn one_prepared_statement_serves_every_size_of_batch(db: Database) {
    let line = Line::new(&db).await;
    let accounts = line.accounts();
    let mut next = 0;
    for size in [1, 2, 7, 100, 1, 500] {
        let mut all: Vec<Account> = (0..size).map(|n| account(next + n, &format!("owner {}", next + n), 1)).collect();
        next += size;
        line.sessions.transaction(WORK, async |_| accounts.add_all(&mut all)).await.unwrap();
        if size > 1 {
            let work = line.sessions.transaction(WORK, async |_| {
                for account in &mut all {
                    account.balance += 1;
                }
                accounts.save_all(&mut all)
            });
            work.await.unwrap();
        }
    }
    let prepared = "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE $1";
    let count = async |like: &str| {
        let (count,): (i64,) = line.sessions.sql(prepared).bind(like.to_owned()).fetch_one().await.unwrap();
        count
    };
    // A row by itself goes without lists.
    assert_eq!(count("%INSERT INTO \"accounts\"%").await, 2);
    assert_eq!(count("%UPDATE \"accounts\"%").await, 1);
}

async fn two_batches_in_opposite_orders_do_not_deadlock(db: Database) {
    const ROWS: i64 = 100;
    db.store(&[account(1, "ann", 0)]).await;
    // Without a version, so that nobody's save misses.
    let fill = "INSERT INTO postings (id, account, amount, text) SELECT n, 1, 0, '' FROM generate_series(1, 100) AS n";
    db.execute(fill).await;
    let tasks = [false, true].map(|backwards| {
        let sessions = db.sessions.clone();
        tokio::spawn(async move {
            let postings = sessions.repository::<Posting>();
            for round in 0..40 {
                let work = sessions.transaction(WORK, async |_| {
                    let ids: Vec<i64> = if backwards { (1..=ROWS).rev().collect() } else { (1..=ROWS).collect() };
                    let mut all = postings.get_many(ids).await?;
                    for posting in &mut all {
                        posting.amount = round * 2 + i64::from(backwards) + 1;
                    }
                    postings.save_all(&mut all)
                });
                work.await.unwrap();
            }
        })
    });
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(db.numbers("SELECT count(DISTINCT amount) FROM postings").await, [1]);
}
