//! The tokio runtime that calls need: for timers, for sockets, and for work that goes on when its caller goes away.

use tokio::runtime::Handle;

use crate::error::{Error, ErrorKind};

/// Refuses a call on a thread that is in no runtime, where tokio would panic.
pub(crate) fn check_runtime() -> Result<(), Error> {
    if has_runtime() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Config,
        "use a database outside of a tokio runtime: it needs tokio's timers and tasks; await the call in code that tokio \
         runs, or inside `runtime.block_on(..)`",
    ))
}

/// Whether there is a runtime around this place.
pub(crate) fn has_runtime() -> bool {
    Handle::try_current().is_ok()
}

/// The runtime to leave work to: the one around this place, which is alive, or else the one that was there earlier.
pub(crate) fn runtime_or(earlier: Option<&Handle>) -> Option<Handle> {
    Handle::try_current().ok().or_else(|| earlier.cloned())
}
