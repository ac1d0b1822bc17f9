//! Generated code names nothing by a prelude, a macro in scope or an import.
#![no_implicit_prelude]
#![deny(warnings)]

macro_rules! pin {
    () => {};
}
macro_rules! matches {
    () => {};
}
macro_rules! concat {
    () => {};
}
macro_rules! module_path {
    () => {};
}

mod core {}
mod std {}
mod spakky {}

#[derive(::spakky::HasSessions)]
struct Bank {
    sessions: ::spakky::SessionManager,
}

#[derive(::std::clone::Clone)]
struct Result;
struct Option;
#[derive(::std::clone::Clone)]
struct Box;

enum PayError {
    Storage(::spakky::Error),
}

impl ::std::convert::From<::spakky::Error> for PayError {
    fn from(error: ::spakky::Error) -> Self {
        PayError::Storage(error)
    }
}

impl Bank {
    #[::spakky::transactional]
    async fn plain(&self, __body: Option) -> ::std::result::Result<Option, PayError> {
        ::std::result::Result::Ok(__body)
    }

    #[::spakky::transactional(
        retry(attempts = 5),
        commit_on = PayError::Storage(error) if error.is_conflict(),
        timeout = "5s",
        sessions = &self.sessions
    )]
    async fn retried(&self, mut __sessions: Result, __kept: Box) -> ::std::result::Result<(Result, Box), PayError> {
        __sessions = Result;
        ::std::result::Result::Ok((__sessions, __kept))
    }

    #[::spakky::transactional(registry = "reports")]
    async fn registered() -> ::std::result::Result<(), PayError> {
        ::std::result::Result::Ok(())
    }
}

fn main() {
    let _ = (Bank::plain, Bank::retried, Bank::registered);
    pin!();
    matches!();
    concat!();
    module_path!();
    let _ = Option;
}
