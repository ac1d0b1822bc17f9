//! How a scope relates to the one around it: each propagation, inside and outside of one.

use spakky::ErrorKind;
use spakky::prelude::*;

use super::{Bank, BankError, stored};
use crate::support::{Database, account, facts, on_each_backend};

on_each_backend! {
    required_opens_a_transaction_and_joins_one,
    what_joined_is_undone_with_the_outer_scope,
    requires_new_commits_by_itself,
    requires_new_that_fails_leaves_the_outer_scope_alone,
    nested_opens_a_transaction_outside_of_any,
    nested_that_fails_is_undone_alone,
    mandatory_joins_and_needs_somebody_to_join,
    supports_joins_or_runs_without_a_transaction,
    never_refuses_to_run_in_a_transaction,
    not_supported_leaves_the_transaction_aside,
    a_joined_scope_asks_for_no_more_than_the_outer_one_gives,
    a_joined_scope_gets_what_the_outer_one_gives,
    a_scope_of_another_database_is_not_joined,
}

impl Bank {
    #[transactional]
    async fn required(&self, id: i64) -> Result<&'static str, BankError> {
        self.open(id)?;
        Ok(Session::current()?.name())
    }

    #[transactional(propagation = requires_new)]
    async fn requires_new(&self, id: i64) -> Result<&'static str, BankError> {
        self.open(id)?;
        Ok(Session::current()?.name())
    }

    #[transactional(propagation = requires_new)]
    async fn requires_new_and_fails(&self, id: i64) -> Result<(), BankError> {
        self.open(id)?;
        Err(BankError::Refused("inner"))
    }

    #[transactional(propagation = nested)]
    async fn nested(&self, id: i64) -> Result<(), BankError> {
        self.open(id)
    }

    #[transactional(propagation = nested)]
    async fn nested_and_fails(&self, id: i64) -> Result<(), BankError> {
        self.open(id)?;
        Session::current()?.flush().await?;
        Err(BankError::Refused("inner"))
    }

    #[transactional(propagation = mandatory)]
    async fn mandatory(&self, id: i64) -> Result<(), BankError> {
        self.open(id)
    }

    #[transactional(propagation = supports)]
    async fn supports(&self, id: i64) -> Result<bool, BankError> {
        Ok(self.accounts.exists(id).await?)
    }

    #[transactional(propagation = supports)]
    async fn supports_a_write(&self, id: i64) -> Result<(), BankError> {
        self.open(id)
    }

    #[transactional(propagation = never)]
    async fn never(&self, id: i64) -> Result<bool, BankError> {
        Ok(self.accounts.exists(id).await?)
    }

    #[transactional(propagation = not_supported)]
    async fn not_supported(&self, id: i64) -> Result<bool, BankError> {
        let error = Session::current().unwrap_err();
        assert!(error.is_no_session(), "{error}");
        Ok(self.accounts.exists(id).await?)
    }

    #[transactional(propagation = not_supported)]
    async fn not_supported_a_write(&self, id: i64) -> Result<(), BankError> {
        self.open(id)
    }

    #[transactional(name = "serializable", isolation = serializable)]
    async fn serializable(&self) -> Result<(), BankError> {
        Ok(())
    }

    #[transactional(name = "read-only", read_only)]
    async fn read_only(&self) -> Result<(), BankError> {
        Ok(())
    }

    #[transactional(name = "deferrable", isolation = serializable, read_only, deferrable)]
    async fn deferrable(&self) -> Result<(), BankError> {
        Ok(())
    }

    #[transactional(name = "read committed", isolation = read_committed)]
    async fn read_committed(&self) -> Result<(), BankError> {
        Ok(())
    }
}

/// A scope around `body`.
async fn outer<T>(bank: &Bank, body: impl AsyncFnOnce() -> Result<T, BankError>) -> Result<T, BankError> {
    bank.sessions.transaction(TransactionOptions::new().name("outer"), async |_| body().await).await
}

async fn required_opens_a_transaction_and_joins_one(database: Database) {
    let bank = Bank::new(&database);
    let name = bank.required(1).await.unwrap();
    assert_eq!(name, "main::transactional::propagation::required");
    assert_eq!(stored(&database).await, [1]);

    let name = outer(&bank, async || {
        bank.required(2).await?;
        bank.required(3).await
    });
    assert_eq!(name.await.unwrap(), "outer");
    assert_eq!(stored(&database).await, [1, 2, 3]);
}

async fn what_joined_is_undone_with_the_outer_scope(database: Database) {
    let bank = Bank::new(&database);
    let result: Result<(), _> = outer(&bank, async || {
        bank.required(1).await?;
        bank.mandatory(2).await?;
        bank.nested(3).await?;
        Err(BankError::Refused("outer"))
    })
    .await;
    assert_eq!(result, Err(BankError::Refused("outer")));
    assert_eq!(stored(&database).await, [0; 0]);
}

async fn requires_new_commits_by_itself(database: Database) {
    let bank = Bank::new(&database);
    let result: Result<(), _> = outer(&bank, async || {
        bank.open(1)?;
        let name = bank.requires_new(2).await?;
        assert_eq!(name, "main::transactional::propagation::requires_new");
        assert_eq!(Session::current()?.name(), "outer");
        Err(BankError::Refused("outer"))
    })
    .await;
    assert_eq!(result, Err(BankError::Refused("outer")));
    assert_eq!(stored(&database).await, [2]);
    bank.requires_new(3).await.unwrap();
    assert_eq!(stored(&database).await, [2, 3]);
}

async fn requires_new_that_fails_leaves_the_outer_scope_alone(database: Database) {
    let bank = Bank::new(&database);
    outer(&bank, async || {
        bank.open(1)?;
        assert_eq!(bank.requires_new_and_fails(2).await, Err(BankError::Refused("inner")));
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(stored(&database).await, [1]);
}

async fn nested_opens_a_transaction_outside_of_any(database: Database) {
    let bank = Bank::new(&database);
    bank.nested(1).await.unwrap();
    assert_eq!(bank.nested_and_fails(2).await, Err(BankError::Refused("inner")));
    assert_eq!(stored(&database).await, [1]);
}

async fn nested_that_fails_is_undone_alone(database: Database) {
    let bank = Bank::new(&database);
    outer(&bank, async || {
        bank.open(1)?;
        assert_eq!(bank.nested_and_fails(2).await, Err(BankError::Refused("inner")));
        bank.nested(3).await?;
        bank.open(4)
    })
    .await
    .unwrap();
    assert_eq!(stored(&database).await, [1, 3, 4]);
}

async fn mandatory_joins_and_needs_somebody_to_join(database: Database) {
    let bank = Bank::new(&database);
    let error = bank.mandatory(1).await.unwrap_err();
    let message = "failed to run `main::transactional::propagation::mandatory`: it is `mandatory` and there is no \
                   transaction to join";
    assert_eq!(error.kind(), Some(ErrorKind::NoSession));
    assert_eq!(format!("failed to {error}"), message);

    outer(&bank, async || bank.mandatory(1).await).await.unwrap();
    assert_eq!(stored(&database).await, [1]);
}

async fn supports_joins_or_runs_without_a_transaction(database: Database) {
    let bank = Bank::new(&database);
    assert!(!bank.supports(1).await.unwrap());
    let error = bank.supports_a_write(1).await.unwrap_err();
    assert_eq!(error.kind(), Some(ErrorKind::NoSession));

    outer(&bank, async || {
        bank.supports_a_write(1).await?;
        assert!(bank.supports(1).await?, "what is queued is seen inside the scope");
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(stored(&database).await, [1]);
}

async fn never_refuses_to_run_in_a_transaction(database: Database) {
    let bank = Bank::new(&database);
    assert!(!bank.never(1).await.unwrap());
    let error = outer(&bank, async || bank.never(1).await).await.unwrap_err();
    assert_eq!(error.kind(), Some(ErrorKind::InvalidTransaction));
    let message = "run `main::transactional::propagation::never`: it is `never` and `outer` is open";
    assert_eq!(error.to_string(), message);
}

async fn not_supported_leaves_the_transaction_aside(database: Database) {
    let bank = Bank::new(&database);
    assert!(!bank.not_supported(1).await.unwrap());
    outer(&bank, async || {
        bank.open(1)?;
        assert!(!bank.not_supported(1).await?, "what is queued is not seen outside the scope");
        let error = bank.not_supported_a_write(2).await.unwrap_err();
        assert_eq!(error.kind(), Some(ErrorKind::NoSession));
        bank.required(3).await?;
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(stored(&database).await, [1, 3]);
}

async fn a_joined_scope_asks_for_no_more_than_the_outer_one_gives(database: Database) {
    let bank = Bank::new(&database);
    let refused = [
        (
            outer(&bank, async || bank.serializable().await).await,
            "join `outer` from `serializable`: it does not give the isolation `Serializable` asked for here; ask for it \
             on the outer scope, or use `requires_new`",
        ),
        (
            outer(&bank, async || bank.read_only().await).await,
            "join `outer` from `read-only`: it is not `read_only`; drop `read_only` here, or use `requires_new`",
        ),
    ];
    for (result, message) in refused {
        let error = result.unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (Some(ErrorKind::InvalidTransaction), message));
    }
    let options = TransactionOptions::new().name("outer").isolation(Isolation::Serializable).read_only();
    let result: Result<(), BankError> = bank.sessions.transaction(options, async |_| bank.deferrable().await).await;
    let message =
        "join `outer` from `deferrable`: it is not `deferrable`; drop `deferrable` here, or use `requires_new`";
    assert_eq!(result.unwrap_err().to_string(), message);
}

async fn a_joined_scope_gets_what_the_outer_one_gives(database: Database) {
    let bank = Bank::new(&database);
    outer(&bank, async || bank.read_committed().await).await.unwrap();
    let options = TransactionOptions::new().isolation(Isolation::Serializable).read_only().deferrable();
    let result: Result<(), BankError> = bank
        .sessions
        .transaction(options, async |_| {
            bank.read_committed().await?;
            bank.serializable().await?;
            bank.read_only().await?;
            bank.deferrable().await
        })
        .await;
    result.unwrap();
}

async fn a_scope_of_another_database_is_not_joined(database: Database) {
    let bank = Bank::new(&database);
    let other = database.connect(|config| config).await;
    let branch = Bank { accounts: other.repository(), sessions: other };
    let result: Result<(), _> = outer(&bank, async || {
        let error = branch.mandatory(1).await.unwrap_err();
        assert_eq!(error.kind(), Some(ErrorKind::NoSession));
        branch.required(1).await?;
        Err(BankError::Refused("outer"))
    })
    .await;
    assert_eq!(result, Err(BankError::Refused("outer")));
    let stored = database.accounts().await;
    assert_eq!(stored, [facts(1, "owner 1", account(1, "", 0).balance, 1)]);
}
