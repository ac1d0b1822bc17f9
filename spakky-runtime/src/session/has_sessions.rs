//! What a service has for `#[transactional]` to use.

use std::sync::Arc;

use super::SessionManager;

/// A service that knows its sessions; `#[transactional]` methods of it find them through this.
///
/// Derive it: `#[derive(HasSessions)]` uses the one field of type [`SessionManager`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no sessions for `#[transactional]` to use",
    label = "no `SessionManager` known",
    note = "derive `HasSessions` for `{Self}`, or name them: `#[transactional(sessions = …)]` or `#[transactional(registry = \"…\")]`"
)]
pub trait HasSessions {
    /// The manager whose transactions the methods use.
    fn sessions(&self) -> &SessionManager;
}

impl HasSessions for SessionManager {
    fn sessions(&self) -> &SessionManager {
        self
    }
}

impl<T: HasSessions + ?Sized> HasSessions for &T {
    fn sessions(&self) -> &SessionManager {
        (**self).sessions()
    }
}

impl<T: HasSessions + ?Sized> HasSessions for Box<T> {
    fn sessions(&self) -> &SessionManager {
        (**self).sessions()
    }
}

impl<T: HasSessions + ?Sized> HasSessions for Arc<T> {
    fn sessions(&self) -> &SessionManager {
        (**self).sessions()
    }
}
