//! What a repository sees: the rows of the context's tenant that are not soft-deleted, unless told otherwise.

use super::Repository;
use crate::context::RequestContext;
use crate::scope::{Scope, Visibility};
use crate::session::Session;

impl<Row> Repository<Row> {
    /// The same repository, on the rows of every tenant: reads, updates and deletes are not confined to that of the context,
    /// which need not have one. A row that is added says itself whose it is. On a table without a
    /// `#[table(tenant)]` field it changes nothing.
    ///
    /// The tenant of a row never changes, here neither.
    #[must_use]
    pub fn across_tenants(&self) -> Self {
        let visibility = Visibility { across_tenants: true, ..self.visibility };
        Repository { visibility, ..self.clone() }
    }

    /// The same repository, which sees soft-deleted rows as well: it finds, saves and deletes them like others. On a table
    /// without a `#[table(deleted_at)]` field it changes nothing.
    #[must_use]
    pub fn with_deleted(&self) -> Self {
        let visibility = Visibility { with_deleted: true, ..self.visibility };
        Repository { visibility, ..self.clone() }
    }

    /// What statements are confined to: by the context that the session was opened in, or by the current one outside any.
    pub(super) fn scope(&self, session: Option<&Session>) -> Scope {
        match session {
            Some(session) => Scope::of(session.context(), self.visibility),
            None => RequestContext::with_current(|context| Scope::of(context, self.visibility)),
        }
    }
}
