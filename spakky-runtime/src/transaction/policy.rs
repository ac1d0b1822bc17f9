//! What a scope does with errors.

use crate::error::Error;

/// What a scope does with errors, in terms of what its body returns (`R`) and of the error in that (`E`).
///
/// The functions here are all that a scope knows of `R`: that it is a `Result` is known where the policy is made, and
/// nowhere else, so that a function that returns something else is told so once.
#[derive(Debug)]
pub struct Policy<R, E> {
    /// Whether an error of the body commits all the same.
    commits: fn(&E) -> bool,
    /// Makes the user's error of one of the library's.
    convert: fn(Error) -> E,
    failure: for<'r> fn(&'r R) -> Option<&'r E>,
    failed: fn(E) -> R,
}

impl<R, E> Clone for Policy<R, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R, E> Copy for Policy<R, E> {}

impl<T, E> Policy<Result<T, E>, E> {
    /// The errors for which `commits` holds commit, the others roll back; `convert` makes the user's error of the
    /// library's.
    pub const fn new(commits: fn(&E) -> bool, convert: fn(Error) -> E) -> Self {
        Policy { commits, convert, failure: |result| result.as_ref().err(), failed: Err }
    }
}

impl<T, E: From<Error>> Default for Policy<Result<T, E>, E> {
    /// Every error rolls back; the library's are converted with `From`.
    fn default() -> Self {
        Policy::new(|_| false, E::from)
    }
}

impl<R, E> Policy<R, E> {
    /// What is returned for an error of the library's.
    pub fn failed(&self, error: Error) -> R {
        (self.failed)((self.convert)(error))
    }

    /// Whether what the body wrote is to be kept.
    pub(crate) fn commits(&self, returned: &R) -> bool {
        (self.failure)(returned).is_none_or(self.commits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn success_and_the_errors_asked_for_commit() {
        let policy: Policy<Result<(), i32>, i32> = Policy::new(|error| *error > 1, |_| 0);
        assert!(policy.commits(&Ok(())) && policy.commits(&Err(2)) && !policy.commits(&Err(1)));
    }

    #[test]
    fn by_default_every_error_rolls_back() {
        let policy = Policy::<Result<(), Error>, Error>::default();
        let failed = policy.failed(Error::new(ErrorKind::Timeout, "wait"));
        assert!(!policy.commits(&failed) && failed.is_err_and(|error| error.is_timeout()));
    }
}
