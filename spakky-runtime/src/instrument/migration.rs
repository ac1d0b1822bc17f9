//! The spans of migrations.

use tracing::field::Empty;

use super::Ending;
use crate::error::{DatabaseError, Error};
use crate::quote::printable;
use crate::session::SessionManager;

impl SessionManager {
    /// Watches a migration that is about to run.
    pub(crate) fn watch_migration(&self, name: &str, version: &str, direction: &'static str) -> Ending {
        let (name, version) = (printable(name), printable(version));
        Ending::of(tracing::info_span!(
            target: "spakky::migration",
            "spakky.migration",
            "otel.name" = format!("migrate {direction} {name}"),
            "otel.kind" = "internal",
            "otel.status_code" = Empty,
            "db.system.name" = self.system_name(),
            "db.response.status_code" = Empty,
            name = &*name,
            version = &*version,
            direction,
            outcome = Empty,
        ))
    }

    /// Watches a wait for the lock under which one process migrates.
    pub(crate) async fn observe_migration_wait<T>(
        &self,
        waiting: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let mut ending = Ending::of(tracing::info_span!(
            target: "spakky::migration",
            "spakky.migration_wait",
            "otel.kind" = "internal",
            "db.system.name" = self.system_name(),
            outcome = Empty,
        ));
        let result = waiting.await;
        ending.end(if result.is_ok() { "given" } else { "failed" });
        result
    }
}

impl Ending {
    /// The migration has run, or failed.
    pub(crate) fn end_migration(&mut self, error: Option<&Error>) {
        let Some(error) = error else { return self.end("done") };
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
        while let Some(found) = cause {
            if let Some(database) = found.downcast_ref::<DatabaseError>() {
                return self.fail("failed", database.code());
            }
            cause = found.source();
        }
        self.fail("failed", "");
    }
}
