//! Running a unit of work again after a passing failure.

use std::time::Duration;

use super::{RetryOn, RetryPolicy, TransactionOptions};
use crate::context::RequestContext;
use crate::error::ErrorKind;

/// The attempts of one call. The decision is made from the failure the session itself saw, so that it does not depend on
/// what the user's error type keeps of it.
#[derive(Debug)]
pub struct Retry {
    policy: Option<RetryPolicy>,
    attempt: u32,
    /// The context of the first attempt, which is that of all.
    context: Option<RequestContext>,
}

/// The failure that ended an attempt, as the session saw it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Failure {
    pub(crate) kind: ErrorKind,
    pub(crate) retryable: bool,
}

impl Retry {
    /// The first attempt.
    pub fn new(options: &TransactionOptions) -> Self {
        let context = options.retry.map(|_| RequestContext::current());
        Retry { policy: options.retry, attempt: 1, context }
    }

    /// The only attempt.
    pub(crate) fn none() -> Self {
        Retry { policy: None, attempt: 1, context: None }
    }

    /// The pause before the next attempt, or `None` if there is none.
    pub(crate) fn next(&mut self, failure: Option<Failure>) -> Option<Duration> {
        let policy = self.policy?;
        let failure = failure?;
        let counts = failure.retryable || (policy.on == RetryOn::Conflict && failure.kind == ErrorKind::Conflict);
        if !counts || self.attempt >= policy.attempts {
            return None;
        }
        let longest = policy.backoff.saturating_mul(1 << (self.attempt - 1).min(6));
        self.attempt += 1;
        Some(jittered(longest))
    }

    /// The context that an attempt behind the first has to be put into: the future may be awaited elsewhere by then.
    pub(super) fn context_again(&self) -> Option<RequestContext> {
        self.context.clone().filter(|_| self.attempt > 1)
    }

    /// The number of the current attempt, from 1.
    pub(crate) fn attempt(&self) -> u32 {
        self.attempt
    }
}

/// Between half of `longest` and all of it. The clock's nanoseconds are random enough to spread clients apart.
pub(crate) fn jittered(longest: Duration) -> Duration {
    let seed =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |elapsed| elapsed.subsec_nanos());
    let share = f64::from(seed.wrapping_mul(2_654_435_761) >> 8) / f64::from(1_u32 << 24);
    longest.mul_f64(0.5 + share / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(on: RetryOn) -> TransactionOptions {
        TransactionOptions::new().retry(RetryPolicy { attempts: 3, backoff: Duration::from_millis(20), on })
    }

    const DEADLOCK: Failure = Failure { kind: ErrorKind::Deadlock, retryable: true };
    const CONFLICT: Failure = Failure { kind: ErrorKind::Conflict, retryable: false };

    #[test]
    fn the_pause_doubles_and_is_jittered_and_attempts_end() {
        let mut retry = Retry::new(&options(RetryOn::Transient));
        let first = retry.next(Some(DEADLOCK)).unwrap();
        assert!((Duration::from_millis(10)..=Duration::from_millis(20)).contains(&first), "{first:?}");
        let second = retry.next(Some(DEADLOCK)).unwrap();
        assert!((Duration::from_millis(20)..=Duration::from_millis(40)).contains(&second), "{second:?}");
        assert_eq!(retry.next(Some(DEADLOCK)), None);
    }

    #[test]
    fn conflicts_count_only_where_asked_for() {
        assert_eq!(Retry::new(&options(RetryOn::Transient)).next(Some(CONFLICT)), None);
        assert!(Retry::new(&options(RetryOn::Conflict)).next(Some(CONFLICT)).is_some());
    }

    #[test]
    fn without_a_policy_or_a_failure_of_the_database_nothing_is_retried() {
        assert_eq!(Retry::new(&TransactionOptions::new()).next(Some(DEADLOCK)), None);
        assert_eq!(Retry::new(&options(RetryOn::Transient)).next(None), None);
    }
}
