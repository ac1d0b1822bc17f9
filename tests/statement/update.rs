//! What an UPDATE sets.

use spakky::Error;
use spakky::prelude::*;

use crate::support::{Database, account, on_each_backend, on_postgres as only};

on_each_backend![only_changed_columns_are_set, rows_with_different_changes_share_a_statement];

mod variants {
    use super::*;

    only![beyond_sixteen_sets_of_columns_all_are_set];
}

const WORK: TransactionOptions = TransactionOptions::new().name("work");

/// The UPDATE among what was sent, and nothing but one.
fn the_update(db: &Database) -> String {
    let mut updates: Vec<String> = db.sent().into_iter().filter(|sql| sql.contains("UPDATE \"")).collect();
    assert_eq!(updates.len(), 1, "{updates:#?}");
    updates.remove(0)
}

async fn only_changed_columns_are_set(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    let work = db.sessions.transaction(WORK, async |_| {
        let mut ann = accounts.get(1).await?;
        // What others do to a column that is left alone here stays, as long as they leave the version alone too.
        db.execute("UPDATE accounts SET remark = 'kept', owner = 'anne' WHERE id = 1").await;
        ann.balance = 11;
        accounts.save(&mut ann)
    });
    work.await.unwrap();
    let update = the_update(&db);
    assert!(update.contains("\"balance\" = "), "{update}");
    assert!(!update.contains("\"owner\" = ") && !update.contains("\"remark\" = "), "{update}");
    assert_eq!(db.accounts().await, [crate::support::facts(1, "anne", 11, 2)]);
    assert_eq!(db.numbers("SELECT count(*) FROM accounts WHERE remark = 'kept'").await, [1]);
}

async fn rows_with_different_changes_share_a_statement(db: Database) {
    db.store(&[account(1, "ann", 10), account(2, "bob", 20)]).await;
    let accounts = db.account_repository();
    let work = db.sessions.transaction(WORK, async |_| {
        let mut both = accounts.get_many([1, 2]).await?;
        both[0].balance = 11;
        both[1].owner = "bert".to_owned();
        accounts.save_all(&mut both)
    });
    work.await.unwrap();
    the_update(&db);
    assert_eq!(db.accounts().await, [crate::support::facts(1, "ann", 11, 2), crate::support::facts(2, "bert", 20, 2)]);
}

/// Five columns can change in 31 ways.
#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "switches")]
#[mappable(domain = Self)]
struct Switches {
    #[table(id)]
    id: i64,
    a: bool,
    b: bool,
    c: bool,
    d: bool,
    e: bool,
    #[table(version)]
    version: i64,
}

async fn beyond_sixteen_sets_of_columns_all_are_set(db: Database) {
    db.sessions.create_tables(&schema![Switches]).await.unwrap();
    let switches = db.sessions.repository::<Switches>();
    let mut all = Switches { id: 1, a: false, b: false, c: false, d: false, e: false, version: 0 };
    db.sessions.transaction(WORK, async |_| switches.add(&mut all)).await.unwrap();
    let mut texts = std::collections::BTreeSet::new();
    for mask in 1..32_u8 {
        db.sent();
        let work = db.sessions.transaction(WORK, async |_| {
            let mut all = switches.get(1).await?;
            for (bit, switch) in [&mut all.a, &mut all.b, &mut all.c, &mut all.d, &mut all.e].into_iter().enumerate() {
                *switch ^= mask & (1 << bit) != 0;
            }
            switches.save(&mut all)?;
            Ok::<_, Error>(all)
        });
        let saved = work.await.unwrap();
        let update = the_update(&db);
        let set = ["a", "b", "c", "d", "e"].iter().filter(|name| update.contains(&format!("\"{name}\" = $"))).count();
        let expected = if mask <= 16 { mask.count_ones() as usize } else { 5 };
        assert_eq!(set, expected, "{mask}: {update}");
        texts.insert(update);
        let stored = switches.get(1).await.unwrap();
        assert_eq!(Switches { version: 0, ..stored }, Switches { version: 0, ..saved });
    }
    assert_eq!(texts.len(), 17);
}
