//! The forms in which a service holds its session manager.
#![deny(warnings)]

use std::sync::Arc;

use spakky::{HasSessions, SessionManager};

#[derive(HasSessions)]
pub struct Orders {
    pub sessions: SessionManager,
}

#[derive(HasSessions)]
pub struct Tuple(pub String, pub spakky::SessionManager);

type Manager = SessionManager;

#[derive(HasSessions)]
pub struct Marked {
    #[sessions]
    pub orders: Manager,
    pub audit: SessionManager,
}

#[derive(HasSessions)]
#[sessions(crate = ::spakky)]
pub struct Generic<'a, T: Clone>
where
    T: Send,
{
    pub clock: &'a T,
    pub sessions: SessionManager,
}

#[derive(HasSessions)]
pub struct Shared {
    #[sessions]
    pub sessions: Arc<SessionManager>,
}

#[derive(HasSessions)]
pub struct Outer {
    #[sessions]
    pub orders: Orders,
}

fn main() {
    fn sessions<T: HasSessions>() {}
    sessions::<Outer>();
    sessions::<Orders>();
    sessions::<Tuple>();
    sessions::<Marked>();
    sessions::<Generic<'static, u8>>();
    sessions::<Shared>();
}
