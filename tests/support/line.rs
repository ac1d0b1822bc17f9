//! PostgreSQL by way of a proxy that counts what goes over the line and breaks it at a chosen place.

use std::time::Duration;

use spakky::config::DatabaseConfig;
use spakky::prelude::*;
use spakky::testing::proxy::{CountingProxy, Message, MessageKind};

use super::{AccountRow, Database};

/// How long the client is silent before what it sends next counts as a round trip of its own. Its thread may have to wait
/// for a busy machine in the middle of a burst.
const SETTLE: Duration = Duration::from_millis(25);

/// A pool of one connection, unless set otherwise, that leads through a proxy.
pub(crate) struct Line {
    pub(crate) proxy: CountingProxy,
    pub(crate) sessions: SessionManager,
}

/// What a piece of work cost, as the proxy saw it.
#[derive(Debug)]
pub(crate) struct Cost<T> {
    pub(crate) value: T,
    pub(crate) round_trips: u64,
    messages: Vec<Message>,
}

impl Line {
    pub(crate) async fn new(db: &Database) -> Self {
        Line::with(db, |config| config).await
    }

    pub(crate) async fn with(db: &Database, change: impl FnOnce(DatabaseConfig) -> DatabaseConfig) -> Self {
        let proxy = CountingProxy::start(db.url()).await.unwrap();
        // A ping after idling would be a round trip more.
        let config = db.config_by(proxy.url()).pool_size(1).pool_pre_ping(false);
        proxy.set_settle(SETTLE);
        let sessions = SessionManager::from_config(change(config)).await.unwrap();
        Line { proxy, sessions }
    }

    pub(crate) fn accounts(&self) -> Repository<AccountRow> {
        self.sessions.repository()
    }

    /// Runs `work` and counts. A COMMIT from before that nobody waited for is waited for first.
    pub(crate) async fn cost<T>(&self, work: impl Future<Output = T>) -> Cost<T> {
        self.sessions.ping().await.unwrap();
        self.proxy.record();
        let before = self.proxy.counts();
        let value = work.await;
        let spent = self.proxy.counts().since(before);
        Cost { value, round_trips: spent.round_trips, messages: self.proxy.recorded() }
    }

    /// Runs `work` until the connection has prepared all its statements, then counts.
    pub(crate) async fn warm_cost<T>(&self, mut work: impl AsyncFnMut() -> T) -> Cost<T> {
        for _ in 0..20 {
            let cost = self.cost(work()).await;
            if cost.is_warm() {
                return cost;
            }
        }
        panic!("some statement is never prepared");
    }
}

impl<T> Cost<T> {
    /// Whether everything went by prepared statements.
    fn is_warm(&self) -> bool {
        let control = ["BEGIN", "COMMIT", "SAVEPOINT", "RELEASE", "ROLLBACK", "SELECT pg_catalog.set_config"];
        let is_cold = |message: &Message| {
            message.kind == MessageKind::Parse && !control.iter().any(|control| message.is_sql(control))
        };
        !self.messages.iter().any(is_cold)
    }

    /// What was run, in the order of arrival: the text of each statement, `…` for one that was prepared before. What
    /// undoes the traces of a user's own text is one. Left out is what is asked of the catalog ahead of the first write to a table, and
    /// what keeps a burst that travels with another one from running outside of a transaction.
    pub(crate) fn run(&self) -> Vec<String> {
        let mut run = Vec::new();
        let mut parsed = None;
        for message in &self.messages {
            match message.kind {
                MessageKind::Query => run.extend(message.sql.clone()),
                MessageKind::Parse => parsed = message.sql.clone(),
                MessageKind::Execute => {
                    let text = parsed.take().unwrap_or_else(|| "…".to_owned());
                    match run.last_mut().filter(|last| last.starts_with("CLOSE ALL")) {
                        Some(undoing) if !undoing.ends_with("DISCARD SEQUENCES") => *undoing += &format!("; {text}"),
                        _ => run.push(text),
                    }
                }
                MessageKind::Sync => parsed = None,
                _ => {}
            }
        }
        run.retain(|sql| !sql.contains("spakky_wanted") && !sql.ends_with(" spakky_inside"));
        run
    }

    /// The first words of what was run.
    pub(crate) fn words(&self) -> Vec<String> {
        let word = |sql: String| sql.split([' ', ';']).next().unwrap_or_default().to_owned();
        self.run().into_iter().map(word).collect()
    }
}
