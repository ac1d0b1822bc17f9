//! What runs outside any session, on a connection of its own for as long as it takes.
//!
//! A call goes the way of those inside: dropped while its answer is under way, it is stopped in the database by a task of its
//! own, which learns what became of it, tells listeners of a write that was carried out all the same, and brings the
//! connection back.

use tokio::runtime::Handle;
use tracing::Span;
use tracing::instrument::WithSubscriber;

use super::SessionManager;
use crate::backend::{Answer, Backend, Pending, Statement, Step, stopped};
use crate::config::Pooler;
use crate::context::RequestContext;
use crate::error::{Error, ErrorKind};
use crate::mutation::{Mutation, Telling};
use crate::pool::Lease;
use crate::session::{CatalogGuard, SessionStatistics, give_back, runtime_or};
use crate::sql::control;
use crate::transaction::TransactionMode;

impl SessionManager {
    /// Runs queries outside any session. Several are no transaction: each is its own, unless the context has settings, which
    /// need one.
    ///
    /// # Cancellation
    /// Dropped, the queries are stopped in the background, and the connection goes back to the pool.
    pub(crate) async fn run_alone(&self, steps: Vec<Step>) -> Result<Vec<Answer>, Error> {
        self.run_alone_behind(steps, None).await
    }

    /// The same behind a question to the catalog.
    pub(crate) async fn run_alone_behind(
        &self,
        steps: Vec<Step>,
        asked: Option<Box<CatalogGuard>>,
    ) -> Result<Vec<Answer>, Error> {
        #[cfg(feature = "testing")]
        if let Some(outer) = self.enclosing() {
            return Box::pin(outer.run_enclosed(steps, false, asked, None)).await;
        }
        // Boxed: it is part of the future of every read, which most often finds a session.
        Box::pin(self.run_outside(steps, false, asked, None)).await
    }

    /// Runs one statement that may write outside any session, as a transaction of its own, and has listeners told of
    /// `mutation` if it is committed. A question to the catalog goes ahead.
    ///
    /// # Cancellation
    /// Dropped, the statement is stopped in the background. It may have been carried out by then: listeners are told so.
    pub(crate) async fn write_alone(
        &self,
        step: Step,
        mutation: Option<Mutation>,
        asked: Option<Box<CatalogGuard>>,
    ) -> Result<Answer, Error> {
        let steps = vec![step];
        #[cfg(feature = "testing")]
        if let Some(outer) = self.enclosing() {
            let answers = Box::pin(outer.run_enclosed(steps, true, asked, mutation)).await?;
            return Ok(answers.into_iter().next().unwrap_or_default());
        }
        if self.backend() == Backend::Sqlite
            && let Some(outer) = crate::session::ambient::writing_around(self, None)
        {
            return Err(crate::session::execute::one_writer("a transaction of its own", outer));
        }
        let news = mutation.filter(|_| !self.listeners().is_empty()).map(|mutation| {
            let telling = self.listeners().begin(vec![mutation]);
            Box::new(News { telling, context: RequestContext::current() })
        });
        let answers = Box::pin(self.run_outside(steps, true, asked, news)).await?;
        Ok(answers.into_iter().next().unwrap_or_default())
    }

    async fn run_outside(
        &self,
        mut steps: Vec<Step>,
        writes: bool,
        mut asked: Option<Box<CatalogGuard>>,
        news: Option<Box<News>>,
    ) -> Result<Vec<Answer>, Error> {
        let settings = RequestContext::with_current(|context| context.check_settings().map(|()| context.settings()))?;
        let wait = !crate::session::holds_connection(self, None);
        let lease = self.lease(wait).await?;
        if let Some(statement) = asked.as_mut().and_then(|guard| guard.take_statement()) {
            steps.insert(0, Step::Statement(statement));
        }
        // What fails ahead of a write has to keep it from being done. SQLite runs nothing behind a failure.
        let must_hold = writes && asked.is_some();
        let has_text = steps.iter().any(|step| self.is_text_for_transaction(&lease, step));
        let in_transaction = self.backend() == Backend::Postgres && (must_hold || !settings.is_empty() || has_text);
        let steps = if in_transaction { self.in_transaction(settings, steps) } else { steps };
        self.echo(&steps);
        let first = usize::from(in_transaction);
        let (count, is_guard) = (steps.len(), |position: usize| asked.is_some() && position == first);
        let watch = self.watch_burst(&Span::none(), "no scope", &steps, |position| !is_guard(position), []);
        let pending = lease.connection().send(steps);
        let mut guard =
            GiveUp { call: Some(Alone { pending, lease, news, writes }), runtime: Handle::try_current().ok() };
        let result = match &mut guard.call {
            Some(Alone { pending, lease, .. }) => self.answered(lease.connection(), pending).await,
            None => Ok(Vec::new()),
        };
        let Some(Alone { lease, news, .. }) = guard.call.take() else { return Ok(Vec::new()) };
        watch.answered(&result);
        match result {
            Ok(mut answers) => {
                lease.release();
                if in_transaction {
                    answers.pop();
                    answers.remove(0);
                }
                if asked.is_some() {
                    answers.remove(0);
                }
                self.note_checked(asked.iter().map(|asked| &**asked));
                let count = count - usize::from(asked.is_some());
                let rows_read = answers.iter().map(|answer| answer.rows.len() as u64).sum();
                self.count(SessionStatistics { statements: count as u64, round_trips: 1, rows_read, rows_written: 0 });
                if let Some(news) = news {
                    Box::pin(news.tell()).await;
                }
                Ok(answers)
            }
            Err(failure) => {
                if !failure.lost && in_transaction {
                    Box::pin(give_back(lease)).await;
                } else if !failure.lost {
                    lease.release();
                }
                let lost_write = failure.lost && !failure.unsent && writes;
                if let Some(asked) = asked.filter(|_| failure.step == first && !failure.lost) {
                    let answer = failure.answers.get(first);
                    return Err(asked.explain(self, failure.error, answer));
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

    /// Whether a step is a user's own text that a pooler may send to any connection: what it leaves there is undone with the
    /// COMMIT of a transaction around it. Without a pooler it is undone by what is sent behind it.
    fn is_text_for_transaction(&self, lease: &Lease, step: &Step) -> bool {
        let is_text = |statement: &Statement| statement.by_user && control::runs_in_transaction(&statement.sql);
        let is_pooled = self.config().pooler != Pooler::None || lease.connection().is_pooled();
        is_pooled && step.statement().is_some_and(is_text)
    }

    /// The steps in a transaction with these settings.
    fn in_transaction(&self, settings: Vec<(String, String)>, mut steps: Vec<Step>) -> Vec<Step> {
        let mode = TransactionMode { settings, ..TransactionMode::default() };
        steps.insert(0, Step::Begin(self.transaction_mode(&mode)));
        steps.push(Step::Commit);
        steps
    }
}

/// A call under way.
struct Alone {
    pending: Pending,
    lease: Lease,
    news: Option<Box<News>>,
    writes: bool,
}

/// What listeners are told of a write, if it is committed.
struct News {
    telling: Telling,
    context: RequestContext,
}

impl News {
    async fn tell(self) {
        self.telling.tell(&self.context).await;
    }
}

impl Alone {
    /// Stops what nobody waits for any more, tells what it did all the same, and brings the connection back.
    async fn give_up(self) {
        let Alone { mut pending, lease, news, writes } = self;
        if writes
            && stopped(lease.connection(), &mut pending).await.is_ok()
            && let Some(news) = news
        {
            news.tell().await;
        }
        drop(pending);
        give_back(lease).await;
    }
}

/// Gives a call up whose future is dropped.
struct GiveUp {
    call: Option<Alone>,
    runtime: Option<Handle>,
}

impl Drop for GiveUp {
    fn drop(&mut self) {
        let Some(call) = self.call.take() else { return };
        // Without a runtime the lease is dropped, which closes the connection.
        if let Some(runtime) = runtime_or(self.runtime.as_ref()) {
            runtime.spawn(call.give_up().with_current_subscriber());
        }
    }
}
