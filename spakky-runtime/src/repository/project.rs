//! Reading projections by a repository.

use super::Repository;
use crate::backend::{Answer, Backend, Statement, Step};
use crate::config::CursorKeys;
use crate::error::Error;
use crate::projection::{Projection, ProjectionQuery};
use crate::schema::Table;
use crate::schema::fit::Checked;
use crate::scope::{Scope, Visibility};
use crate::session::{Call, Session, SessionManager};
use crate::value::Value;

impl<Row: Table> Repository<Row> {
    /// A query for views of the rows, for reading: `orders.project::<OrderView>().profile(OrderView::LIST).all()`.
    pub fn project<View: Projection<Row = Row>>(&self) -> ProjectionQuery<View> {
        ProjectionQuery::new(self.clone())
    }

    /// Where queries go from here, and what they see.
    pub(crate) fn source(&self) -> Source {
        let session = self.place();
        let scope = self.scope(session.as_ref());
        let (manager, autocommit, visibility) = (self.manager.clone(), self.autocommit, self.visibility);
        Source { manager, session, autocommit, visibility, scope }
    }
}

/// Where the queries of a projection go, and what they are confined to.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    manager: SessionManager,
    session: Option<Session>,
    autocommit: bool,
    visibility: Visibility,
    scope: Scope,
}

impl Source {
    pub(crate) fn backend(&self) -> Backend {
        self.manager.backend()
    }

    /// Whether the database compares by rules of its own.
    pub(crate) fn has_catalog(&self) -> bool {
        self.manager.has_catalog()
    }

    /// What every statement is confined to.
    pub(crate) fn scope(&self) -> &Scope {
        &self.scope
    }

    /// A repository that works in the same place and sees the same.
    pub(crate) fn repository<Row>(&self) -> Repository<Row> {
        let made = Repository::new(&self.manager);
        Repository { session: self.session.clone(), autocommit: self.autocommit, visibility: self.visibility, ..made }
    }

    /// What cursors are signed with.
    pub(crate) fn cursor_keys(&self) -> &CursorKeys {
        &self.manager.config().cursor_keys
    }

    /// Runs queries in one burst, behind what is pending.
    pub(crate) async fn queries(&self, statements: Vec<Statement>) -> Result<Vec<Answer>, Error> {
        match &self.session {
            Some(session) => session.execute(Call::query(session, statements)).await,
            None => self.behind(statements).await,
        }
    }

    /// Runs queries in one burst, behind one that has sent what is pending.
    pub(crate) async fn behind(&self, statements: Vec<Statement>) -> Result<Vec<Answer>, Error> {
        self.found_by(&[], statements).await
    }

    /// The same for queries that find rows by the keys of others in these columns.
    pub(crate) async fn found_by(&self, columns: &[Checked], statements: Vec<Statement>) -> Result<Vec<Answer>, Error> {
        let guard = self.manager.comparison_guard(|| columns.to_vec());
        match &self.session {
            Some(session) => {
                let call = Call { statements, flush: false, writes: false, transaction: false };
                session.execute_behind(call, guard).await
            }
            None => {
                let steps = statements.into_iter().map(Step::Statement).collect();
                self.manager.run_alone_behind(steps, guard).await
            }
        }
    }

    pub(crate) fn not_found<Row: Table>(key: Vec<Value>) -> Error {
        super::find::not_found::<Row>(&[key])
    }
}
