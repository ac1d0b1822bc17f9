//! What a scope asks for.

use std::time::Duration;

use super::{Isolation, TransactionMode};
use crate::error::{Error, ErrorKind};

/// How a scope relates to one that is already open on the same manager.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Propagation {
    /// Joins the open transaction, or opens one.
    #[default]
    Required,
    /// Opens a transaction of its own on another connection; the outer one waits.
    RequiresNew,
    /// Runs in a savepoint of the open transaction, or opens one.
    Nested,
    /// Joins the open transaction; without one it is an error.
    Mandatory,
    /// Joins the open transaction; without one reads run by themselves and writes are refused.
    Supports,
    /// Runs without a transaction; an open one is an error.
    Never,
    /// Runs without a transaction; an open one is left aside meanwhile.
    NotSupported,
}

impl Propagation {
    /// As it is written in `#[transactional]`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Propagation::Required => "required",
            Propagation::RequiresNew => "requires_new",
            Propagation::Nested => "nested",
            Propagation::Mandatory => "mandatory",
            Propagation::Supports => "supports",
            Propagation::Never => "never",
            Propagation::NotSupported => "not_supported",
        }
    }
}

/// Which failures make a scope run again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RetryOn {
    /// What the database itself calls passing: serialization failures, deadlocks, lock timeouts, a connection lost
    /// before COMMIT was sent.
    #[default]
    Transient,
    /// Version conflicts as well. Right where the change is computed from what the scope loads.
    Conflict,
}

/// How often and how fast a scope runs again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How often the body runs at most, the first time included.
    pub attempts: u32,
    /// The pause before the second attempt. It doubles with each further one, up to 64 times, and is jittered (between
    /// half of it and all of it).
    pub backoff: Duration,
    /// Which failures count.
    pub on: RetryOn,
}

impl RetryPolicy {
    /// So many attempts at most, the first one included, with a first pause of 20 ms, after failures that the database itself
    /// calls passing.
    #[must_use]
    pub const fn new(attempts: u32) -> Self {
        RetryPolicy { attempts, backoff: Duration::from_millis(20), on: RetryOn::Transient }
    }

    /// The same with another pause before the second attempt.
    #[must_use]
    pub const fn backoff(self, backoff: Duration) -> Self {
        RetryPolicy { backoff, ..self }
    }

    /// The same after other failures.
    #[must_use]
    pub const fn on(self, on: RetryOn) -> Self {
        RetryPolicy { on, ..self }
    }
}

/// What a scope asks for: the options of `#[transactional]`, for use with an explicit session.
///
/// ```
/// use spakky_runtime::transaction::{Isolation, TransactionOptions};
///
/// let options = TransactionOptions::new().name("pay order").isolation(Isolation::Serializable);
/// # let _ = options;
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TransactionOptions {
    pub(crate) propagation: Propagation,
    pub(crate) isolation: Option<Isolation>,
    pub(crate) read_only: bool,
    pub(crate) deferrable: bool,
    pub(crate) timeout: Option<Duration>,
    pub(crate) retry: Option<RetryPolicy>,
    pub(crate) name: Option<&'static str>,
    pub(crate) place: Option<Place>,
}

/// Where in the code a scope is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// With the path of its module.
    pub(crate) function: &'static str,
    pub(crate) file: &'static str,
    pub(crate) line: u32,
}

impl TransactionOptions {
    /// The defaults: joins or opens a read-write transaction at the server's isolation level, without limit or retry.
    pub const fn new() -> Self {
        TransactionOptions {
            propagation: Propagation::Required,
            isolation: None,
            read_only: false,
            deferrable: false,
            timeout: None,
            retry: None,
            name: None,
            place: None,
        }
    }

    /// How the scope relates to one that is open.
    #[must_use]
    pub const fn propagation(mut self, propagation: Propagation) -> Self {
        self.propagation = propagation;
        self
    }

    /// The isolation level.
    #[must_use]
    pub const fn isolation(mut self, isolation: Isolation) -> Self {
        self.isolation = Some(isolation);
        self
    }

    /// Writes are refused.
    #[must_use]
    pub const fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    /// A serializable read-only transaction waits for a snapshot with which it cannot fail.
    #[must_use]
    pub const fn deferrable(mut self) -> Self {
        self.deferrable = true;
        self
    }

    /// The longest that the body may take with what follows ahead of COMMIT: before-commit hooks, and what a nested scope sends at
    /// its end. COMMIT is never cut short.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Runs the body again after a passing failure. Acts only on the scope that opens the transaction.
    #[must_use]
    pub const fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = Some(policy);
        self
    }

    /// The use case, for messages, spans and metrics.
    #[must_use]
    pub const fn name(mut self, name: &'static str) -> Self {
        self.name = Some(name);
        self
    }

    /// The function that is the scope, by which it is called if it has no other name.
    #[doc(hidden)]
    #[must_use]
    pub const fn written_at(mut self, function: &'static str, file: &'static str, line: u32) -> Self {
        self.place = Some(Place { function, file, line });
        self
    }

    pub(crate) fn display_name(&self) -> &'static str {
        self.name.or(self.place.map(|place| place.function)).unwrap_or("unnamed scope")
    }

    pub(crate) fn mode(&self) -> TransactionMode {
        TransactionMode {
            isolation: self.isolation,
            read_only: self.read_only,
            deferrable: self.deferrable,
            settings: Vec::new(),
        }
    }

    pub(crate) fn out_of_time(&self) -> Error {
        let limit = self.timeout.unwrap_or_default();
        Error::new(ErrorKind::Timeout, format!("finish `{}` within {limit:?}", self.display_name()))
    }

    /// Options that contradict each other.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.deferrable && !(self.read_only && self.isolation == Some(Isolation::Serializable)) {
            return Err(Error::new(
                ErrorKind::InvalidTransaction,
                "open a deferrable transaction: `deferrable` needs `read_only` and `isolation = serializable`",
            ));
        }
        if self.retry.is_some_and(|retry| retry.attempts == 0) {
            return Err(Error::new(ErrorKind::InvalidTransaction, "retry with `attempts = 0`: give at least 1"));
        }
        Ok(())
    }

    /// Whether a scope with these options can join a transaction opened with `outer`. A `reader` only asks to read: writes
    /// are refused in it whatever the transaction may do.
    pub(crate) fn check_joins(&self, outer: &TransactionMode, outer_name: &str, reader: bool) -> Result<(), Error> {
        let refused = |what: String| {
            Err(Error::new(
                ErrorKind::InvalidTransaction,
                format!("join `{outer_name}` from `{}`: {what}", self.display_name()),
            ))
        };
        if let Some(wanted) = self.isolation
            && outer.isolation.unwrap_or(Isolation::ReadCommitted) < wanted
        {
            return refused(format!(
                "it does not give the isolation `{wanted:?}` asked for here; ask for it on the outer scope, or use `requires_new`"
            ));
        }
        if self.read_only && !outer.read_only && !reader {
            return refused("it is not `read_only`; drop `read_only` here, or use `requires_new`".into());
        }
        if self.deferrable && !outer.deferrable {
            return refused("it is not `deferrable`; drop `deferrable` here, or use `requires_new`".into());
        }
        Ok(())
    }
}
