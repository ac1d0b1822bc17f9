//! What `#[transactional]` expands to.

use std::marker::PhantomData;

use crate::error::Error;
use crate::session::{HasSessions, SessionManager, SessionRegistry};
use crate::transaction::{Policy, TransactionOptions};

/// What a function under `#[transactional]` returns.
#[diagnostic::on_unimplemented(
    message = "a function under `#[transactional]` returns a `Result`, and `{Self}` is none",
    label = "not a `Result`",
    note = "a transaction can fail; return `Result<{Self}, E>` with an error type that is `From<spakky::Error>`"
)]
pub trait Returned: Sized {
    /// The error in it.
    type Error;

    /// What a scope does with it.
    fn policy(commits: fn(&Self::Error) -> bool, convert: fn(Error) -> Self::Error) -> Policy<Self, Self::Error>;
}

impl<T, E> Returned for Result<T, E> {
    type Error = E;

    fn policy(commits: fn(&E) -> bool, convert: fn(Error) -> E) -> Policy<Self, E> {
        Policy::new(commits, convert)
    }
}

/// An error type that takes up the library's.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be made of a `spakky::Error`",
    label = "not `From<spakky::Error>`",
    note = "a transaction can fail by itself, at COMMIT for instance; implement `From<spakky::Error>` for `{Self}`, or \
            convert with `#[transactional(map_err = path)]`"
)]
pub trait FromSpakkyError: Sized {
    /// The user's error that stands for `error`.
    fn from_spakky(error: Error) -> Self;
}

#[diagnostic::do_not_recommend]
impl<E: From<Error>> FromSpakkyError for E {
    fn from_spakky(error: Error) -> Self {
        E::from(error)
    }
}

/// An argument of which each run of the body gets a copy.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be cloned, and with `retry` each run of the body gets a copy",
    label = "not `Clone`",
    note = "derive `Clone` for `{Self}`, pass it by reference or in an `Arc`, or remove `retry`"
)]
pub trait Again: Sized {
    /// A copy.
    #[must_use]
    fn again(&self) -> Self;
}

#[diagnostic::do_not_recommend]
impl<T: Clone> Again for T {
    fn again(&self) -> Self {
        self.clone()
    }
}

/// A copy of an argument for one run of the body.
pub fn again<T: Again>(argument: &T) -> T {
    argument.again()
}

/// The type that a function returns, without a value of it.
#[derive(Debug)]
pub struct ReturnType<R>(PhantomData<fn() -> R>);

impl<R> Clone for ReturnType<R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for ReturnType<R> {}

/// Names what a function returns once, for all that depends on it.
pub const fn returned<R>() -> ReturnType<R> {
    ReturnType(PhantomData)
}

/// No value; tells what a block returns, without returning.
pub const fn nothing<R>(_: ReturnType<R>) -> Option<R> {
    None
}

/// What the scope does with errors.
pub fn policy<R: Returned>(
    _: ReturnType<R>,
    commits: fn(&R::Error) -> bool,
    convert: fn(Error) -> R::Error,
) -> Policy<R, R::Error> {
    R::policy(commits, convert)
}

/// The sessions of a service, by a handle that borrows nothing.
pub fn sessions_of<S: HasSessions + ?Sized>(service: &S) -> SessionManager {
    service.sessions().clone()
}

/// The manager of a name in the registry of the program, or a replica of it for a scope that only reads; `default` is connected
/// by the settings of the environment when it was not set.
///
/// # Errors
/// As [`SessionRegistry::get`] and [`SessionRegistry::default_manager`].
pub async fn registered(name: &str, options: &TransactionOptions) -> Result<SessionManager, Error> {
    Box::pin(SessionRegistry::global().for_scope(name, options)).await
}
