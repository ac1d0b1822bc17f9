//! What runs outside any session, on a connection of its own for as long as it takes.

use tracing::Span;

use super::SessionManager;
use crate::backend::{Answer, Backend, Step};
use crate::context::RequestContext;
use crate::error::{Error, ErrorKind};
use crate::session::{CatalogGuard, SessionStatistics};
use crate::transaction::TransactionMode;

impl SessionManager {
    /// Runs statements outside any session. Several are no transaction: each is its own, unless the context has settings,
    /// which need one.
    pub(crate) async fn run_alone(&self, steps: Vec<Step>, writes: bool) -> Result<Vec<Answer>, Error> {
        self.run_alone_behind(steps, writes, None).await
    }

    /// The same behind a question to the catalog.
    pub(crate) async fn run_alone_behind(
        &self,
        mut steps: Vec<Step>,
        writes: bool,
        mut guard: Option<Box<CatalogGuard>>,
    ) -> Result<Vec<Answer>, Error> {
        #[cfg(feature = "testing")]
        if let Some(outer) = self.enclosing() {
            return Box::pin(outer.run_enclosed(steps, writes, guard)).await;
        }
        if writes
            && self.backend() == Backend::Sqlite
            && let Some(outer) = crate::session::ambient::writing_around(self, None)
        {
            return Err(crate::session::execute::one_writer("a transaction of its own", outer));
        }
        let wait = !crate::session::holds_connection(self, None);
        let lease = self.lease(wait).await?;
        let settings = RequestContext::with_current(|context| context.settings().to_vec());
        if let Some(statement) = guard.as_mut().and_then(|guard| guard.take_statement()) {
            steps.insert(0, Step::Statement(statement));
        }
        // What fails ahead of a write has to keep it from being done. SQLite runs nothing behind a failure.
        let must_hold = writes && guard.is_some();
        let in_transaction = self.backend() == Backend::Postgres && (must_hold || !settings.is_empty());
        let steps = if in_transaction { self.in_transaction(settings, steps) } else { steps };
        self.echo(&steps);
        let first = usize::from(in_transaction);
        let (count, is_guard) = (steps.len(), |position: usize| guard.is_some() && position == first);
        let watch = self.watch_burst(&Span::none(), "no scope", &steps, |position| !is_guard(position), []);
        let pending = lease.connection().send(steps);
        let result = self.answered(lease.connection(), pending).await;
        watch.answered(&result);
        match result {
            Ok(mut answers) => {
                lease.release();
                if in_transaction {
                    answers.pop();
                    answers.remove(0);
                }
                if guard.is_some() {
                    answers.remove(0);
                }
                self.note_checked(guard.iter().map(|guard| &**guard));
                let count = count - usize::from(guard.is_some());
                let rows_read = answers.iter().map(|answer| answer.rows.len() as u64).sum();
                self.count(SessionStatistics { statements: count as u64, round_trips: 1, rows_read, rows_written: 0 });
                Ok(answers)
            }
            Err(failure) => {
                if !failure.lost && in_transaction {
                    Box::pin(crate::session::finish::give_back(lease)).await;
                } else if !failure.lost {
                    lease.release();
                }
                let lost_write = failure.lost && writes;
                if let Some(guard) = guard.filter(|_| failure.step == first && !failure.lost) {
                    let answer = failure.answers.get(first);
                    return Err(guard.explain(self, failure.error, answer));
                }
                let error = if writes { Error::of_write(failure.error) } else { Error::from_database(failure.error) };
                if lost_write {
                    let message =
                        "learn whether the statement took effect: the connection broke while it was under way";
                    return Err(Error::new(ErrorKind::OutcomeUnknown, message).with_source(error));
                }
                Err(error)
            }
        }
    }

    /// The steps in a transaction with these settings.
    fn in_transaction(&self, settings: Vec<(String, String)>, mut steps: Vec<Step>) -> Vec<Step> {
        let mode = TransactionMode { settings, ..TransactionMode::default() };
        steps.insert(0, Step::Begin(self.transaction_mode(&mode)));
        steps.push(Step::Commit);
        steps
    }
}
