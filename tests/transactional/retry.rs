//! Bodies that run again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use spakky::ErrorKind;
use spakky::prelude::*;

use super::{Bank, BankError, stored};
use crate::support::{Database, account, facts, on_each_backend};

on_each_backend! {
    a_conflict_is_tried_again_until_the_attempts_are_used_up,
    a_conflict_is_tried_again_until_it_is_none,
    a_conflict_alone_is_no_passing_failure,
    an_error_of_the_body_is_not_tried_again,
    each_run_gets_a_copy_of_the_arguments,
    each_run_gets_a_copy_of_the_receiver,
    an_inner_scope_leaves_the_retry_to_the_outer_one,
    nothing_of_a_failed_run_is_stored,
    many_that_change_one_aggregate_lose_nothing,
}

/// Counts runs, and conflicts as often as asked.
#[derive(Debug, Clone, Default)]
struct Runs {
    count: Arc<AtomicU32>,
    conflicts: u32,
}

impl Runs {
    fn with_conflicts(conflicts: u32) -> Self {
        Runs { count: Arc::default(), conflicts }
    }

    /// Queues a save of account 1 that will not find its version while there are conflicts to come.
    fn run(&self, bank: &Bank) -> Result<(), BankError> {
        let run = self.count.fetch_add(1, Ordering::SeqCst) + 1;
        let mut renamed = account(1, &format!("run {run}"), 0);
        bank.accounts.attach(&renamed, if run <= self.conflicts { 99 } else { 1 })?;
        Ok(bank.accounts.save(&mut renamed)?)
    }

    fn count(&self) -> u32 {
        self.count.load(Ordering::SeqCst)
    }
}

impl Bank {
    #[transactional(retry(attempts = 4, backoff = "1ms", on = conflict))]
    async fn on_conflict(&self, runs: Runs) -> Result<(), BankError> {
        runs.run(self)
    }

    #[transactional(retry(attempts = 4, backoff = "1ms"))]
    async fn on_passing_failures(&self, runs: Runs) -> Result<(), BankError> {
        runs.run(self)
    }

    #[transactional(retry(attempts = 4, backoff = "1ms", on = conflict))]
    async fn refusing(&self, runs: &Runs) -> Result<(), BankError> {
        runs.count.fetch_add(1, Ordering::SeqCst);
        Err(BankError::Refused("always"))
    }

    #[transactional(retry(attempts = 3, backoff = "1ms", on = conflict))]
    async fn using_up(
        &self,
        runs: &Runs,
        mut words: Vec<String>,
        (mut left, ref right, _): (String, String, u8),
        [first, second]: [i64; 2],
        optional: Option<Box<str>>,
    ) -> Result<String, BankError> {
        words.push(format!("{}", words.len()));
        left.push_str(right);
        let words = std::mem::take(&mut words).concat();
        runs.run(self)?;
        Ok(format!("{words} {left} {} {}", first + second, String::from(optional.unwrap_or_default())))
    }

    #[transactional(retry(attempts = 3, backoff = "1ms", on = conflict))]
    async fn using_up_itself(self: Arc<Self>, runs: &Runs) -> Result<usize, BankError> {
        runs.run(&self)?;
        let count = Arc::strong_count(&self);
        drop(self);
        Ok(count)
    }

    #[transactional(retry(attempts = 3, backoff = "1ms", on = conflict))]
    async fn by_value_again(mut self, runs: &Runs) -> Result<Repository<crate::support::AccountRow>, BankError> {
        runs.run(&self)?;
        self.accounts = self.accounts.untracked();
        Ok(self.accounts)
    }

    #[transactional(retry(attempts = 2, backoff = "1ms", on = conflict), name = "outer")]
    async fn around(&self, runs: &Runs, inner: &Runs) -> Result<(), BankError> {
        runs.count.fetch_add(1, Ordering::SeqCst);
        self.on_conflict(inner.clone()).await
    }

    #[transactional(retry(attempts = 2, backoff = "1ms", on = conflict))]
    async fn opening(&self, runs: &Runs) -> Result<(), BankError> {
        self.open(i64::from(runs.count()) + 10)?;
        Session::current()?.flush().await?;
        runs.run(self)
    }

    #[transactional(retry(attempts = 200, backoff = "1ms", on = conflict))]
    async fn pay_in(&self, id: i64, amount: i64) -> Result<(), BankError> {
        let mut account = self.accounts.get(id).await?;
        account.balance += amount;
        Ok(self.accounts.save(&mut account)?)
    }
}

async fn bank(database: &Database) -> Bank {
    database.store(&[account(1, "ann", 0)]).await;
    Bank::new(database)
}

async fn a_conflict_is_tried_again_until_the_attempts_are_used_up(database: Database) {
    let (bank, runs) = (bank(&database).await, Runs::with_conflicts(9));
    let error = bank.on_conflict(runs.clone()).await.unwrap_err();
    assert_eq!((error.kind(), runs.count()), (Some(ErrorKind::Conflict), 4));
    assert_eq!(database.accounts().await, [facts(1, "ann", 0, 1)]);
}

async fn a_conflict_is_tried_again_until_it_is_none(database: Database) {
    let (bank, runs) = (bank(&database).await, Runs::with_conflicts(2));
    bank.on_conflict(runs.clone()).await.unwrap();
    assert_eq!(runs.count(), 3);
    assert_eq!(database.accounts().await, [facts(1, "run 3", 0, 2)]);
}

async fn a_conflict_alone_is_no_passing_failure(database: Database) {
    let (bank, runs) = (bank(&database).await, Runs::with_conflicts(1));
    let error = bank.on_passing_failures(runs.clone()).await.unwrap_err();
    assert_eq!((error.kind(), runs.count()), (Some(ErrorKind::Conflict), 1));
}

async fn an_error_of_the_body_is_not_tried_again(database: Database) {
    let (bank, runs) = (bank(&database).await, Runs::default());
    assert_eq!(bank.refusing(&runs).await, Err(BankError::Refused("always")));
    assert_eq!(runs.count(), 1);
}

async fn each_run_gets_a_copy_of_the_arguments(database: Database) {
    let (bank, runs) = (bank(&database).await, Runs::with_conflicts(2));
    let words = vec!["a".to_owned(), "b".to_owned()];
    let pair = ("left".to_owned(), "right".to_owned(), 0);
    let shown = bank.using_up(&runs, words, pair, [1, 2], Some("some".into())).await.unwrap();
    assert_eq!((shown.as_str(), runs.count()), ("ab2 leftright 3 some", 3));
}

async fn each_run_gets_a_copy_of_the_receiver(database: Database) {
    let (bank, runs) = (bank(&database).await, Runs::with_conflicts(2));
    let shared = Arc::new(bank.clone());
    assert_eq!(Arc::clone(&shared).using_up_itself(&runs).await.unwrap(), 3);
    assert_eq!((runs.count(), Arc::strong_count(&shared)), (3, 1));
    database.execute("UPDATE accounts SET version = 1").await;
    let runs = Runs::with_conflicts(2);
    bank.by_value_again(&runs).await.unwrap();
    assert_eq!(runs.count(), 3);
}

async fn an_inner_scope_leaves_the_retry_to_the_outer_one(database: Database) {
    let (bank, outer, inner) = (bank(&database).await, Runs::default(), Runs::with_conflicts(1));
    bank.around(&outer, &inner).await.unwrap();
    assert_eq!((outer.count(), inner.count()), (2, 2));
    assert_eq!(database.accounts().await, [facts(1, "run 2", 0, 2)]);
}

async fn nothing_of_a_failed_run_is_stored(database: Database) {
    let (bank, runs) = (bank(&database).await, Runs::with_conflicts(1));
    bank.opening(&runs).await.unwrap();
    assert_eq!(runs.count(), 2);
    assert_eq!(stored(&database).await, [1, 11]);
}

async fn many_that_change_one_aggregate_lose_nothing(database: Database) {
    let bank = bank(&database).await;
    let tasks: Vec<_> = (1..=16)
        .map(|amount| {
            let bank = bank.clone();
            tokio::spawn(async move { bank.pay_in(1, amount).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(database.accounts().await, [facts(1, "ann", 136, 17)]);
}
