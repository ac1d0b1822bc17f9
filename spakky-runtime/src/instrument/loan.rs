//! The span of a connection that is lent: what runs on it has no span of ours.

use tracing::field::Empty;

use super::Ending;
use crate::session::Session;

impl Session {
    /// Watches the session's connection from now on, while somebody else works with it.
    pub(crate) fn watch_loan(&self) -> Ending {
        Ending::of(self.span_from_outside().in_scope(|| {
            tracing::info_span!(
                target: "spakky::loan",
                "spakky.loan",
                "otel.name" = "loan",
                "otel.kind" = "client",
                "otel.status_code" = Empty,
                "db.system.name" = self.manager().system_name(),
                "db.response.status_code" = Empty,
                outcome = Empty,
            )
        }))
    }
}
