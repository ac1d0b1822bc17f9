//! How many rows a query is limited to.

use crate::support::{AccountRow, Database, account, on_each_backend};

on_each_backend![a_limit_is_kept_by_what_asks_for_one_row];

async fn a_limit_is_kept_by_what_asks_for_one_row(db: Database) {
    db.store(&[account(1, "ann", 10), account(2, "bob", 20)]).await;
    let accounts = db.account_repository();
    let ordered = || accounts.query().order_by(AccountRow::COLUMNS.id.desc());
    assert_eq!(ordered().first().await.unwrap().map(|account| account.id), Some(2));
    assert_eq!(ordered().limit(9).first().await.unwrap().map(|account| account.id), Some(2));
    assert_eq!(ordered().limit(0).first().await.unwrap(), None);

    let several = "find one `AccountRow` in `accounts`: there are several; use `first` or `all`";
    assert_eq!(ordered().one().await.unwrap_err().to_string(), several);
    assert_eq!(ordered().limit(9).one().await.unwrap_err().to_string(), several);
    assert_eq!(ordered().limit(1).one().await.unwrap().id, 2);
    let error = ordered().limit(0).one().await.unwrap_err();
    assert!(error.is_not_found());
    assert_eq!(error.to_string(), "find one `AccountRow` in `accounts`: there is none");
}
