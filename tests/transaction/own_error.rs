//! Errors of the program's own where this library's are asked for.

use std::error::Error as _;
use std::time::Duration;

use spakky::prelude::*;
use spakky::{Error, ErrorKind};

use crate::support::{AccountRow, Database, account, on_each_backend};

on_each_backend![a_hook_and_a_body_may_fail_with_an_error_of_their_own, a_policy_is_built_from_its_attempts];

const PAY: TransactionOptions = TransactionOptions::new().name("pay");

#[derive(Debug, HasSessions)]
struct Shop {
    sessions: SessionManager,
    repo: Repository<AccountRow>,
}

impl Shop {
    #[transactional]
    async fn open(&self, id: i64) -> Result<(), Error> {
        self.repo.add(&mut account(id, "ann", 10))?;
        Err(Error::other("open an account: the shop is closed"))
    }
}

async fn a_hook_and_a_body_may_fail_with_an_error_of_their_own(db: Database) {
    let accounts = db.account_repository();
    let shop = Shop { sessions: db.sessions.clone(), repo: accounts.clone() };
    let error = shop.open(1).await.unwrap_err();
    assert_eq!((error.kind(), error.is_custom(), error.is_retryable()), (ErrorKind::Custom, true, false));
    assert_eq!(error.to_string(), "open an account: the shop is closed");
    assert!(error.source().is_none());

    let work = db.sessions.transaction(PAY, async |session| {
        session.before_commit(|| async { Err(Error::custom(std::fmt::Error)) });
        accounts.add(&mut account(1, "ann", 10))
    });
    let error = work.await.unwrap_err();
    assert!(error.is_custom());
    assert_eq!(error.to_string(), "do what the program itself adds");
    assert!(error.source().is_some_and(|source| source.is::<std::fmt::Error>()));
    assert_eq!(db.accounts().await, []);
}

async fn a_policy_is_built_from_its_attempts(db: Database) {
    let policy = RetryPolicy::new(3).backoff(Duration::from_millis(1)).on(RetryOn::Conflict);
    assert_eq!(policy, RetryPolicy { attempts: 3, backoff: Duration::from_millis(1), on: RetryOn::Conflict });
    assert_eq!(RetryPolicy::new(2).backoff, Duration::from_millis(20));
    let solvent: Predicate<AccountRow> = AccountRow::COLUMNS.balance.ge(0);
    let mut runs = 0;
    let work = db.sessions.transaction_with_retry(PAY.retry(policy), |session| {
        runs += 1;
        let found = session.manager().repository::<AccountRow>().filter(solvent.clone());
        async move {
            found.count().await?;
            Err::<(), _>(Error::other("give up: nothing of the database's"))
        }
    });
    assert!(work.await.unwrap_err().is_custom());
    assert_eq!(runs, 1);
}
