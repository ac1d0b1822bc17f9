//! Conditions of thousands of parts.

use spakky::query::Predicate;

use crate::support::{AccountRow, Database, account, on_each_backend};

on_each_backend![thousands_of_conditions_may_be_chained];

async fn thousands_of_conditions_may_be_chained(db: Database) {
    db.store(&[account(1, "ann", 10), account(2, "bob", 20), account(3, "cy", 30)]).await;
    let accounts = db.account_repository();
    let columns = AccountRow::COLUMNS;
    let ids = async |predicate: Predicate<AccountRow>| {
        let found = accounts.filter(predicate).order_by(columns.id.asc()).all().await.unwrap();
        found.into_iter().map(|account| account.id).collect::<Vec<_>>()
    };
    const MANY: i64 = 3_000;
    let is = |n: i64| columns.balance.eq(n);
    let is_not = |n: i64| columns.balance.ne(n);
    // One or the other, the last of them true.
    let chain = (21..MANY).fold(is(20), |chain, n| chain.or(is(n)));
    assert_eq!(ids(chain.clone()).await, [2, 3]);
    assert_eq!(ids((21..MANY).fold(is(20), |chain, n| is(n).or(chain))).await, [2, 3]);
    assert_eq!(ids(Predicate::any((21..MANY).map(is))).await, [3]);
    assert_eq!(ids(!chain.clone()).await, [1]);
    // All of them.
    let all = (21..MANY).fold(is_not(20), |chain, n| chain.and(is_not(n)));
    assert_eq!(ids(all.clone()).await, [1]);
    assert_eq!(ids((21..MANY).fold(is_not(20), |chain, n| is_not(n).and(chain))).await, [1]);
    assert_eq!(ids(Predicate::all((21..MANY).map(is_not))).await, [1, 2]);
    assert_eq!(ids(all.and(chain)).await, Vec::<i64>::new());
}
