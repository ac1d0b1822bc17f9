//! Transactions: their options, how scopes nest, how they end.

pub(crate) mod commit_token;
mod fate;
mod hook;
mod mode;
mod options;
mod outcome;
mod policy;
pub(crate) mod retry;
mod run;
mod scope;
mod time_limit;

pub use mode::{Isolation, TransactionMode};
pub use options::{Propagation, RetryOn, RetryPolicy, TransactionOptions};

pub(crate) use fate::Fate;
pub(crate) use hook::{Hook, Hooks};
pub(crate) use outcome::{Outcome, Question, Unstoppable};
pub use policy::Policy;
pub use retry::Retry;
pub(crate) use retry::jittered;
pub use run::{Attempt, Body, run, run_once};
pub(crate) use time_limit::TimeLimit;
