//! The future that a function under the attribute gives: what it needs, and how large it is.

use std::rc::Rc;

use spakky::prelude::*;

use super::{Bank, BankError, stored};
use crate::support::{Database, on_each_backend};

on_each_backend! {
    the_future_is_send_when_the_body_is,
    the_body_may_hold_what_is_not_send,
    nesting_does_not_double_the_future,
}

fn send<F: Future + Send>(future: F) -> F {
    future
}

impl Bank {
    #[transactional]
    async fn plain(&self, id: i64, name: &str) -> Result<usize, BankError> {
        self.open(id)?;
        self.accounts.find(id).await?;
        Ok(name.len())
    }

    #[transactional(retry(attempts = 2), timeout = "5s", commit_on = BankError::Refused(_))]
    async fn with_options(&self, ids: Vec<i64>, name: &str) -> Result<usize, BankError> {
        for id in ids {
            self.plain(id, name).await?;
        }
        Ok(name.len())
    }

    #[transactional(registry = "future")]
    async fn by_reference<T: AsRef<str> + Clone + Send + Sync>(&self, name: &T) -> Result<usize, BankError> {
        self.in_a_savepoint(0).await?;
        Ok(name.as_ref().len())
    }

    #[transactional(propagation = nested)]
    async fn in_a_savepoint(&self, id: i64) -> Result<(), BankError> {
        self.open(id)
    }

    #[transactional]
    async fn not_send(&self, id: i64) -> Result<usize, BankError> {
        let shared = Rc::new(id);
        self.accounts.find(*shared).await?;
        self.open(*shared)?;
        Ok(Rc::strong_count(&shared))
    }
}

async fn the_future_is_send_when_the_body_is(database: Database) {
    let bank = Bank::new(&database);
    send(bank.plain(1, "name")).await.unwrap();
    send(bank.with_options(vec![2, 3], "name")).await.unwrap();
    drop(send(bank.by_reference(&"name")));
    let name = "spawned".to_owned();
    tokio::spawn(async move { bank.plain(4, &name).await }).await.unwrap().unwrap();
    assert_eq!(stored(&database).await, [1, 2, 3, 4]);
}

async fn the_body_may_hold_what_is_not_send(database: Database) {
    assert_eq!(Bank::new(&database).not_send(1).await.unwrap(), 1);
    assert_eq!(stored(&database).await, [1]);
}

impl Bank {
    #[transactional]
    async fn depth_1(&self, id: i64) -> Result<(), BankError> {
        self.leaf(id).await
    }

    #[transactional]
    async fn depth_2(&self, id: i64) -> Result<(), BankError> {
        self.depth_1(id).await
    }

    #[transactional]
    async fn depth_3(&self, id: i64) -> Result<(), BankError> {
        self.depth_2(id).await
    }

    #[transactional]
    async fn depth_4(&self, id: i64) -> Result<(), BankError> {
        self.depth_3(id).await
    }

    #[transactional]
    async fn depth_5(&self, id: i64) -> Result<(), BankError> {
        self.depth_4(id).await
    }

    #[transactional]
    async fn depth_6(&self, id: i64) -> Result<(), BankError> {
        self.depth_5(id).await
    }

    #[expect(clippy::unused_async, reason = "a leaf that awaits nothing shows the size of the scopes alone")]
    async fn leaf(&self, id: i64) -> Result<(), BankError> {
        self.open(id)
    }
}

async fn nesting_does_not_double_the_future(database: Database) {
    let bank = Bank::new(&database);
    let sizes = [
        size_of_val(&bank.leaf(1)),
        size_of_val(&bank.depth_1(1)),
        size_of_val(&bank.depth_2(1)),
        size_of_val(&bank.depth_3(1)),
        size_of_val(&bank.depth_4(1)),
        size_of_val(&bank.depth_5(1)),
        size_of_val(&bank.depth_6(1)),
    ];
    let steps: Vec<_> = sizes.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(steps.iter().all(|step| *step < 1_000), "a scope around a scope costs {steps:?} bytes");
    assert!(steps.windows(2).all(|pair| pair[0].abs_diff(pair[1]) < 64), "{steps:?}: it costs more at each level");
    bank.depth_6(1).await.unwrap();
    assert_eq!(stored(&database).await, [1]);
}
